"""Sums of rank-one terms: coef * z^m * exp(c + l.z + quadratic) * prod S_e(k.z + t), a ring of functions.

S_e(y) is P(y + sqrt(e) x > 0) for a standard Gaussian x: the step for e = 0, Phi for e = 1, and erf is
2 S_{1/2} - 1. A product of such terms is one again, which is why one algorithm takes all their expectations.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from ntksym._lazy import lazy
from ntksym.errors import NtksymError

sympy = lazy("sympy")

MAX_TERMS = 2000


class NotMine(NtksymError):
    """A strategy cannot treat an expectation; the message says what stands in its way."""


class Step(NamedTuple):
    """S_noise(slopes.z + offset)."""

    noise: Any
    slopes: tuple[Any, ...]
    offset: Any


class Shape(NamedTuple):
    """Everything of a term but its coefficient and its powers.

    ``quadratic`` lists (i, j, c) for c*z_i*z_j in the exponent, i <= j. ``points`` are derivatives of steps.
    """

    linear: tuple[Any, ...]
    constant: Any
    quadratic: tuple[tuple[int, int, Any], ...] = ()
    steps: tuple[Step, ...] = ()
    points: tuple[Step, ...] = ()


Powers = tuple[int, ...]


@dataclass(frozen=True)
class Terms:
    """A sum of terms in ``n`` variables; the coefficients are constant SymPy expressions."""

    n: int
    terms: dict[tuple[Shape, Powers], Any]

    def __len__(self) -> int:
        return len(self.terms)

    def __iter__(self) -> Iterator[tuple[Shape, Powers, Any]]:
        return ((shape, powers, c) for (shape, powers), c in self.terms.items())

    def __add__(self, other: Terms) -> Terms:
        return _collected(self.n, [*self, *other])

    def __mul__(self, other: Terms) -> Terms:
        if len(self) * len(other) > MAX_TERMS:
            raise NotMine(f"a product of more than {MAX_TERMS} terms")
        return _collected(self.n, [_product(a, b) for a in self for b in other])

    def scaled(self, factor: Any) -> Terms:
        """The sum times a constant."""
        return _collected(self.n, [(shape, powers, c * factor) for shape, powers, c in self])

    def polynomial(self) -> dict[Powers, Any] | None:
        """The coefficients by powers if this is a polynomial, None if not."""
        blank = blank_shape(self.n)
        if any(shape != blank for shape, _, _ in self):
            return None
        return {powers: c for _, powers, c in self}

    def affine(self) -> tuple[tuple[Any, ...], Any] | None:
        """(slopes, offset) if this is slopes.z + offset, None if not."""
        poly = self.polynomial()
        if poly is None or any(sum(powers) > 1 for powers in poly):
            return None
        return tuple(poly.get(unit(self.n, i), sympy.S.Zero) for i in range(self.n)), poly.get(
            (0,) * self.n, sympy.S.Zero
        )

    def placed(self, n: int, at: tuple[int, ...]) -> Terms:
        """The same function in ``n`` variables, its own variable k being number ``at[k]`` there."""

        def spread(values: tuple[Any, ...], blank: Any) -> tuple[Any, ...]:
            wide = [blank] * n
            for k, value in zip(at, values, strict=True):
                wide[k] = wide[k] + value
            return tuple(wide)

        def step(s: Step) -> Step:
            return Step(s.noise, spread(s.slopes, sympy.S.Zero), s.offset)

        def shape(s: Shape) -> Shape:
            pairs = ((*sorted((at[i], at[j])), c) for i, j, c in s.quadratic)
            return Shape(
                spread(s.linear, sympy.S.Zero),
                s.constant,
                _summed(pairs),
                tuple(sorted(map(step, s.steps), key=str)),
                tuple(sorted(map(step, s.points), key=str)),
            )

        return _collected(n, [(shape(s), spread(powers, 0), c) for s, powers, c in self])

    def derivative(self, i: int) -> Terms:
        """The derivative in variable i, in the sense of distributions: a step gives a point."""
        found: list[tuple[Shape, Powers, Any]] = []
        for shape, powers, c in self:
            if shape.points:
                raise NotMine("the derivative of a delta function")
            if powers[i]:
                found.append((shape, _shifted(powers, i, -1), c * powers[i]))
            if shape.linear[i] != 0:
                found.append((shape, powers, c * shape.linear[i]))
            for a, b, gamma in shape.quadratic:
                if a == i:
                    found.append((shape, _shifted(powers, b, 1), c * gamma))
                if b == i:
                    found.append((shape, _shifted(powers, a, 1), c * gamma))
            for k, s in enumerate(shape.steps):
                if s.slopes[i] != 0:
                    rest = (*shape.steps[:k], *shape.steps[k + 1 :])
                    found.append((shape._replace(steps=rest, points=(s,)), powers, c * s.slopes[i]))
        return _collected(self.n, found)


# --- making them ---------------------------------------------------------------------------------------


def blank_shape(n: int) -> Shape:
    """The shape of a polynomial."""
    return Shape((sympy.S.Zero,) * n, sympy.S.Zero)


def unit(n: int, i: int) -> Powers:
    """The powers of z_i."""
    return tuple(int(k == i) for k in range(n))


def constant(n: int, value: Any) -> Terms:
    """A number."""
    return _collected(n, [(blank_shape(n), (0,) * n, value)])


def variable(n: int, i: int) -> Terms:
    """z_i."""
    return _collected(n, [(blank_shape(n), unit(n, i), sympy.S.One)])


def step(n: int, noise: Any, slopes: tuple[Any, ...], offset: Any) -> Terms:
    """S_noise(slopes.z + offset)."""
    shape = blank_shape(n)._replace(steps=(Step(noise, slopes, offset),))
    return _collected(n, [(shape, (0,) * n, sympy.S.One)])


def exponential(argument: Terms) -> Terms:
    """exp of a polynomial of degree two at most."""
    poly = argument.polynomial()
    if poly is None or any(sum(powers) > 2 for powers in poly):
        raise NotMine("an exponential of something other than a polynomial of degree 2")
    n = argument.n
    linear, quadratic, offset = [sympy.S.Zero] * n, [], sympy.S.Zero
    for powers, c in poly.items():
        where = [i for i in range(n) for _ in range(powers[i])]
        if not where:
            offset = c
        elif len(where) == 1:
            linear[where[0]] = c
        else:
            quadratic.append((where[0], where[1], c))
    shape = Shape(tuple(linear), offset, _summed(iter(quadratic)))
    return _collected(n, [(shape, (0,) * n, sympy.S.One)])


def _product(a: tuple[Shape, Powers, Any], b: tuple[Shape, Powers, Any]) -> tuple[Shape, Powers, Any]:
    (s, m, c), (t, k, d) = a, b
    shape = Shape(
        tuple(x + y for x, y in zip(s.linear, t.linear, strict=True)),
        s.constant + t.constant,
        _summed(iter((*s.quadratic, *t.quadratic))),
        tuple(sorted((*s.steps, *t.steps), key=str)),
        tuple(sorted((*s.points, *t.points), key=str)),
    )
    return shape, tuple(x + y for x, y in zip(m, k, strict=True)), c * d


def _summed(pairs: Iterator[tuple[Any, ...]]) -> tuple[tuple[int, int, Any], ...]:
    total: dict[tuple[int, int], Any] = {}
    for i, j, c in pairs:
        total[i, j] = total.get((i, j), sympy.S.Zero) + c
    return tuple((i, j, c) for (i, j), c in sorted(total.items(), key=lambda item: item[0]) if c != 0)


def _shifted(powers: Powers, i: int, by: int) -> Powers:
    return (*powers[:i], powers[i] + by, *powers[i + 1 :])


def _collected(n: int, terms: list[tuple[Shape, Powers, Any]]) -> Terms:
    total: dict[tuple[Shape, Powers], Any] = {}
    for shape, powers, c in terms:
        old = total.get((shape, powers))
        total[shape, powers] = c if old is None else old + c
    expand: Callable[[Any], Any] = sympy.expand
    simple = {key: c if c.is_Rational else expand(c) for key, c in total.items()}
    return Terms(n, {key: c for key, c in simple.items() if c != 0})
