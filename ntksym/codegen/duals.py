"""Duals as functions of an angle: found where a dual is homogeneous, as polynomials that lose no digits at either end.

A homogeneous dual, of ReLU and its relatives, is F(p, q, r) = sqrt(F(p, p, p) F(q, q, q)) kappa(theta) with
r = sqrt(p q) cos(theta). Near theta = 0 what matters is 1 - kappa, which a formula gives as a difference of nearly
equal numbers; near theta = pi, where kappa may vanish, it is kappa itself. With the acute angle alpha = theta or
pi - theta and g = 1 - cos(alpha) between 0 and 1, any of them is an even function of alpha, which is analytic in g, and
an odd one, which is sqrt(2 g) times something analytic in g: two polynomials in g, without a division, without cases.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from ntksym._lazy import lazy

sympy = lazy("sympy")
mpmath = lazy("mpmath")

NODES, DIGITS = 32, 150
"""Chebyshev nodes of the fits on 0 <= g <= 1: functions singular at g = 2, where alpha = pi, leave 5.8^-32 = 3e-25."""
ROUNDING, EXACT = 1e-18, 1e-40
"""Parts of a function's size: what is left out of a fit; what rounding makes of a coefficient of zero."""
NEAR, ZERO = 1e-15, 1e-110
"""Where the order of a zero at g = 0 is read off, and what is zero there."""


@dataclass(frozen=True)
class Halves:
    """A function of the acute angle: even(g) + factor w g^order odd(g) with w = sqrt(2 g) and odd(0) = 1.

    ``even`` and ``odd`` are coefficients of powers of g, lowest first; ``odd`` is empty if there is no such part.
    """

    even: tuple[float, ...]
    factor: float = 0.0
    order: int = 0
    odd: tuple[float, ...] = ()

    def reflected(self, end: int) -> Halves:
        """1 - end times this function, for end = 1 or -1, where its limit at angle 0 is ``end``."""
        even = [-end * x for x in self.even] or [0.0]
        even[0] = 0.0
        return Halves(tuple(even), -end * self.factor, self.order, self.odd)


@dataclass(frozen=True)
class AngularDual:
    """kappa as a function of the acute angle: of what the cosine lacks to one on the near side, of itself on the far.

    ``power`` is the degree of the activation. ``near`` is 1 - kappa(alpha), ``far`` is kappa(pi - alpha), ``far_gap``
    is 1 - |kappa(pi - alpha)| where |kappa(pi)| = 1, None elsewhere. ``level`` is F(p, p, p) / p^power. (For
    theta <= pi / 2, kappa >= 0: it is a power series in the cosine without negative coefficients.)
    """

    power: Any
    near: Halves
    far: Halves
    far_gap: Halves | None
    level: Any


@lru_cache(maxsize=256)
def angular(dual: Any, diagonal: Any) -> AngularDual | None:
    """The angular form of a dual in the symbols p, q, r and of its diagonal in p, or None if it is not homogeneous."""
    a, b, c = (sympy.Symbol(name, positive=True) for name in ("a", "b", "cosine"))
    p, q, r = (_symbol(dual, name) for name in "pqr")
    if dual.atoms(sympy.Function) - dual.atoms(sympy.asin, sympy.acos, sympy.atan, sympy.sign, sympy.Abs):
        return None
    own = diagonal.xreplace(dict.fromkeys(diagonal.free_symbols, a**2))
    power = sympy.simplify(a * sympy.diff(own, a) / own) / 2 if own != 0 else None
    if power is None or power.free_symbols:
        return None
    scaled = _rooted(dual.xreplace({p: a**2, q: b**2, r: a * b * c}))
    shape = sympy.simplify(scaled / (a * b) ** power)
    if shape.free_symbols - {c}:
        return None
    level = own.xreplace({a: sympy.Integer(1)})
    theta = sympy.Symbol("angle", positive=True)
    exact = _in_angle(shape / level, c, theta)
    with mpmath.workdps(DIGITS):
        kappa = sympy.lambdify(theta, exact, "mpmath")
        near = _halves(lambda x: 1 - kappa(x))
        far = _halves(lambda x: kappa(mpmath.pi - x))
    end = far.even[0] if far.even else 0.0
    return AngularDual(power, near, far, far.reflected(round(end)) if abs(end) == 1 else None, level)


def _symbol(expression: Any, name: str) -> Any:
    return next((s for s in expression.free_symbols if s.name == name), sympy.Symbol(name))


def _rooted(expression: Any) -> Any:
    """Roots of products of positive numbers taken apart."""
    return expression.replace(
        lambda e: e.is_Pow and not e.exp.is_integer,
        lambda e: sympy.powdenest(sympy.factor(e.base) ** e.exp, force=True),
    )


def _in_angle(shape: Any, c: Any, theta: Any) -> Any:
    """Replace the cosine by that of an angle between 0 and pi."""
    found = shape.xreplace({c: sympy.cos(theta)})
    found = found.replace(sympy.asin, lambda x: sympy.pi / 2 - theta if x == sympy.cos(theta) else sympy.asin(x))
    found = found.replace(sympy.acos, lambda x: theta if x == sympy.cos(theta) else sympy.acos(x))
    sine = sympy.sin(theta)
    square = 1 - sympy.cos(theta) ** 2
    found = found.replace(lambda e: e.is_Pow and sympy.expand(e.base - square) == 0, lambda e: sine ** (2 * e.exp))
    return sympy.expand(found)


# --- polynomials -----------------------------------------------------------------------------------------------


def _halves(f: Any) -> Halves:
    """The even and the odd half of a function of the angle that is analytic at 0, as polynomials."""
    size = max(abs(f(mpmath.mpf(k) / 4)) for k in range(7))

    def even(g: Any) -> Any:
        x = mpmath.acos(1 - g)
        return (f(x) + f(-x)) / (2 * size)

    def odd(g: Any) -> Any:
        x = mpmath.acos(1 - g)
        return (f(x) - f(-x)) / (2 * size * mpmath.sqrt(2 * g))

    order, rest = _fit(even)
    found = (*(0.0,) * order, *(float(size * x) for x in rest))
    order, rest = _fit(odd)
    if not rest:
        return Halves(found)
    return Halves(found, float(size * rest[0]), order, tuple(float(x / rest[0]) for x in rest))


def _fit(f: Any) -> tuple[int, list[Any]]:
    """A function of order one that is analytic in g, as g^order times a polynomial fitted on 0 <= g <= 1."""
    at_zero = [f(NEAR), f(NEAR / 10)]
    if abs(at_zero[0]) < ZERO:
        return 0, []
    order = round(float(mpmath.log10(abs(at_zero[0] / at_zero[1]))))
    angles = [mpmath.pi * (2 * k + 1) / (2 * NODES) for k in range(NODES)]
    values = [f(g) / g**order for g in ((1 + mpmath.cos(a)) / 2 for a in angles)]
    weights = [
        2 * mpmath.fsum(v * mpmath.cos(j * a) for v, a in zip(values, angles, strict=True)) for j in range(NODES)
    ]
    weights = [x / NODES / (1 if j else 2) for j, x in enumerate(weights)]
    while abs(weights[-1]) < abs(values[-1]) * ROUNDING:
        weights.pop()
    powers = _powers_of(weights)
    tiny = max(map(abs, powers)) * EXACT
    return order, [mpmath.mpf(0) if abs(x) < tiny else x for x in powers]


def _powers_of(weights: list[Any]) -> list[Any]:
    """sum_j weights_j T_j(2 g - 1) in powers of g."""
    out = [mpmath.mpf(0)] * len(weights)
    before, now = [mpmath.mpf(0)], [mpmath.mpf(1)]
    for j, weight in enumerate(weights):
        for k, x in enumerate(now):
            out[k] += weight * x
        turned = [mpmath.mpf(0), *(4 * x for x in now)] if j else [mpmath.mpf(0), mpmath.mpf(2)]
        for k, x in enumerate(now):
            turned[k] -= (2 if j else 1) * x
        for k, x in enumerate(before):
            turned[k] -= x if j else 0
        before, now = now, turned
    return out
