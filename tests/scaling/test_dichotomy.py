"""Yang & Hu 2020, Theorems 3.2 to 3.5: which abc-parametrizations are stable, trivial, kernel or feature learning.

The theorems are inequalities in the exponents; the verdict on a recipe follows sizes step by step. The two know
nothing of each other.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ntksym import language as ns
from ntksym.scaling import check_recipe

n = ns.dim("n")
HALVES = [Fraction(k, 2) for k in range(-4, 5)]


@ns.program
def network(x: ns.Vector("d_in"), *, depth=2):
    """``depth`` hidden layers and a readout, without biases: the setting of the paper."""
    h = x
    for layer in range(1, depth + 1):
        h = ns.map("tanh", ns.dense(h, n, name=f"l{layer}", bias=False))
    return ns.dense(h, 1, name=f"l{depth + 1}", bias=False)


PROGRAMS = {depth: network(depth=depth) for depth in (1, 2, 3)}


@dataclass(frozen=True)
class Abc:
    """W^l = n^-a_l w^l with w^l ~ N(0, n^-2b_l) and one rate n^-c; b of hidden layers keeps values at order one."""

    a: tuple[Fraction, ...]
    last: Fraction
    c: Fraction

    @property
    def depth(self) -> int:
        return len(self.a) - 1

    @property
    def b(self) -> tuple[Fraction, ...]:
        needed = [Fraction(0)] + [Fraction(1, 2)] * (self.depth - 1) + [self.last]
        return tuple(total - a for total, a in zip(needed, self.a, strict=True))

    @property
    def r(self) -> Fraction:
        """Definition 3.2: the first layer's weights count one power more."""
        inner = [2 * a + (layer == 0) for layer, a in enumerate(self.a[:-1])]
        return min(self.last, 2 * self.a[-1] + self.c) + self.c - 1 + min(inner)

    @property
    def stable(self) -> bool:
        """Theorem 3.3."""
        return self.last >= Fraction(1, 2) and self.r >= 0 and 2 * self.a[-1] + self.c >= 1 and self.last + self.r >= 1

    @property
    def nontrivial(self) -> bool:
        """Theorem 3.4."""
        return self.last + self.r == 1 or 2 * self.a[-1] + self.c == 1

    def recipe(self) -> dict[str, Any]:
        entries = {
            f"l{layer}.w": {
                "multiplier": {"n": -a},
                "init_std": {"n": -b},
                "lr": {"n": -self.c},
            }
            for layer, (a, b) in enumerate(zip(self.a, self.b, strict=True), start=1)
        }
        return {"optimizer": "sgd", "large": ["n"], "parameters": entries}


@st.composite
def abc(draw: st.DrawFn) -> Abc:
    depth = draw(st.sampled_from(sorted(PROGRAMS)))
    a = tuple(draw(st.sampled_from(HALVES)) for _ in range(depth + 1))
    return Abc(a, draw(st.sampled_from(HALVES[5:])), draw(st.sampled_from(HALVES)))


@st.composite
def largest(draw: st.DrawFn) -> Abc:
    """The largest stable rate, or half a power off: random exponents seldom fall there."""
    drawn = draw(abc())
    slower = (replace(drawn, c=Fraction(k, 2)) for k in range(-8, 12))
    best = next((point for point in slower if point.stable), drawn)
    return replace(best, c=best.c + Fraction(draw(st.sampled_from([-1, 0, 0, 1])), 2))


def agree(point: Abc) -> None:
    report = check_recipe(PROGRAMS[point.depth], point.recipe())
    assert not report.unmatched
    verdict = report.verdict
    assert verdict.stable == point.stable, (point, point.r, verdict)
    if not point.stable:
        return
    if not point.nontrivial:
        assert verdict.regime == "trivial", (point, point.r, verdict)
    elif point.r == 0:
        assert verdict.regime == "feature learning", (point, point.r, verdict)
    else:
        assert verdict.regime == "kernel", (point, point.r, verdict)
    assert verdict.r == {"n": point.r}, (point, verdict)


@given(abc())
@settings(max_examples=80)
def test_random_exponents(point: Abc) -> None:
    agree(point)


@given(largest())
@settings(max_examples=100)
def test_exponents_at_the_boundary_of_stability(point: Abc) -> None:
    agree(point)


@given(largest())
@settings(max_examples=30)
def test_the_dichotomy(point: Abc) -> None:
    """Theorem 3.5: stable and not trivial means either features or a kernel, never neither."""
    assume(point.stable and point.nontrivial)
    assert check_recipe(PROGRAMS[point.depth], point.recipe()).verdict.regime in ("feature learning", "kernel")
