"""Strategy 1: polynomials, by Wick's theorem in closed form.

E[prod (z_i - m_i)^a_i] = sum over pairings, written as a sum over how often i is paired with j: numbers
n_ij with n_i1 + ... + 2 n_ii + ... = a_i, each with prod a_i! / prod (n_ij! 2^n_ii) pairings.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import reduce
from itertools import product
from math import comb, factorial
from typing import Any

from ntksym._lazy import lazy
from ntksym.gaussian.terms import NotMine, Powers, Terms

sympy = lazy("sympy")

Pairing = dict[tuple[int, int], int]

MAX_DEGREE = 24


def wick(terms: Terms, covariance: Any, mean: Any) -> Any:
    """E[polynomial] as a SymPy expression; ``NotMine`` for anything but a polynomial."""
    poly = terms.polynomial()
    if poly is None:
        raise NotMine("not a polynomial")
    if any(sum(powers) > MAX_DEGREE for powers in poly):
        raise NotMine(f"a polynomial of a degree above {MAX_DEGREE}")
    total = sympy.Add(*(c * _monomial(powers, covariance, mean) for powers, c in poly.items()))
    return sympy.expand(total)


def _monomial(powers: Powers, K: Any, m: Any) -> Any:
    total = sympy.S.Zero
    ranges = [range(a + 1) if m[i] != 0 else range(a, a + 1) for i, a in enumerate(powers)]
    for centred in product(*ranges):
        if sum(centred) % 2:
            continue
        choices = reduce(lambda x, pair: x * comb(*pair), zip(powers, centred, strict=True), 1)
        means = sympy.Mul(*(m[i] ** (a - b) for i, (a, b) in enumerate(zip(powers, centred, strict=True))))
        total += choices * means * _centred(centred, K)
    return total


def _centred(powers: Powers, K: Any) -> Any:
    above = reduce(lambda x, a: x * factorial(a), powers, 1)
    terms = []
    for pairing in _pairings(powers, 0):
        below = 1
        for (i, j), n in pairing.items():
            below *= factorial(n) * (2**n if i == j else 1)
        terms.append(sympy.Integer(above) / below * sympy.Mul(*(K[i][j] ** n for (i, j), n in pairing.items())))
    return sympy.Add(*terms)


def _pairings(left: Powers, i: int) -> Iterator[Pairing]:
    """The ways to pair what is left from variable i on."""
    if i == len(left):
        yield {}
        return
    others = range(i + 1, len(left))
    for own in range(left[i] // 2 + 1):
        for spread in _spread(left[i] - 2 * own, [left[j] for j in others]):
            rest = (*left[: i + 1], *(left[j] - n for j, n in zip(others, spread, strict=True)))
            mine: Pairing = {(i, j): n for j, n in zip(others, spread, strict=True) if n}
            if own:
                mine[i, i] = own
            for pairing in _pairings(rest, i + 1):
                yield {**mine, **pairing}


def _spread(total: int, rooms: list[int]) -> Iterator[tuple[int, ...]]:
    """All ways to place ``total`` equal things in rooms of these sizes."""
    if not rooms:
        if total == 0:
            yield ()
        return
    for n in range(min(total, rooms[0]) + 1):
        for rest in _spread(total - n, rooms[1:]):
            yield (n, *rest)
