"""Duals as functions of an angle: found where a dual is homogeneous, in forms that lose no digits at either end.

A homogeneous dual, of ReLU and its relatives, is F(p, q, r) = sqrt(F(p, p, p) F(q, q, q)) kappa(theta) with
r = sqrt(p q) cos(theta). Near theta = 0 what matters is 1 - kappa, which the formula gives as a difference of nearly
equal numbers; near theta = pi, where kappa may vanish, it is kappa itself. Both have Taylor series there.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from ntksym._lazy import lazy

sympy = lazy("sympy")

NEAR = 0.05
"""Angles below this one are left to the series."""
ORDER, TERMS = 22, 13
"""Orders that a series is looked at, and how many from its first one on are kept: 0.05^13 is below all rounding."""

S, C, THETA, PHI = "s", "c", "theta", "phi"


@dataclass(frozen=True)
class AngularDual:
    """``kappa`` and ``gap`` = 1 - kappa as expressions of s = sin(theta), c = cos(theta), theta, phi = pi - theta.

    ``power`` is the degree of the activation. ``near`` are the coefficients of the powers of theta in ``gap``, ``far``
    those of phi in ``kappa``.
    """

    power: Any
    kappa: Any
    gap: Any
    near: tuple[Any, ...]
    far: tuple[Any, ...]


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
    phi = sympy.Symbol("rest", positive=True)
    gap = sympy.expand(1 - exact)
    back = sympy.expand(sympy.expand_trig(exact.xreplace({theta: sympy.pi - phi})))
    return AngularDual(
        power,
        _named(back, phi, PHI, -1),
        _named(gap, theta, THETA, 1),
        _taylor(gap, theta),
        _taylor(back, phi),
    )


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


def _named(expression: Any, angle: Any, name: str, direction: int) -> Any:
    """In the symbols s, c and the angle; the cosine of phi = pi - theta is -c."""
    s, c = sympy.Symbol(S, real=True), sympy.Symbol(C, real=True)
    expression = expression.xreplace({sympy.sin(angle): s, sympy.cos(angle): direction * c})
    return sympy.collect(sympy.expand(expression), [sympy.Symbol(name, real=True)]).xreplace(
        {angle: sympy.Symbol(name, real=True)}
    )


def _taylor(expression: Any, angle: Any) -> tuple[Any, ...]:
    series = sympy.series(expression, angle, 0, ORDER + 1).removeO()
    found = [sympy.nsimplify(series.coeff(angle, k)) for k in range(ORDER + 1)]
    first = next((k for k, coefficient in enumerate(found) if coefficient != 0), 0)
    return tuple(found[: first + TERMS])
