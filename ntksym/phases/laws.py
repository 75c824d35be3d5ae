"""Power laws in the number of copies, from what one copy does next to a point that it keeps.

x' = x - a x^p has x_l ~ (a (p - 1) l)^(-1/(p - 1)), and lengths with q' = q + k q^g grow like
(k (1 - g) l)^(1/(1 - g)).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ntksym._lazy import lazy
from ntksym.gaussian import GaussianError
from ntksym.gaussian.unevaluated import Unevaluated
from ntksym.phases.maps import LengthMap
from ntksym.phases.numbers import text
from ntksym.phases.systems import precise

sympy = lazy("sympy")
mpmath = lazy("mpmath")

Values = Mapping[Any, Any]

# how near to a point a map is looked at, in powers of ten, and with how many digits
_NEAR, _DIGITS = 16, 60
# powers are multiples of 1/12 where they are this near to one
_RATIONAL = 1e-3


@dataclass(frozen=True)
class PowerLaw:
    """x_l ~ ``constant`` * l^``power`` for a large number l of copies."""

    constant: Any
    power: Any

    def __str__(self) -> str:
        return f"{text(self.constant, None)} l^{text(self.power, None)}"

    def to_json(self, digits: int | None) -> dict[str, Any]:
        """Numbers as decimal texts."""
        return {"constant": text(self.constant, digits), "power": text(self.power, digits)}


def relaxation(a: Any, p: Any) -> PowerLaw | None:
    """The law of x' = x - a x^p; None where x does not fall by a power."""
    if not (a > 0 and p > 1):
        return None
    power = -1 / (p - 1)
    return PowerLaw((a * (p - 1)) ** power, power)


def leading(f: Callable[[Any], Any], near: Any) -> tuple[Any, Any]:
    """(a, p) of f(x) ~ a x^p for small x, or large ones, from its values at ``near``; p is made rational."""
    first, second = f(near), f(4 * near)
    if first == 0 or second / first <= 0:
        return mpmath.mpf(0), mpmath.mpf(0)
    p = mpmath.log(second / first, 4)
    nearest = mpmath.nint(12 * p) / 12
    p = nearest if abs(p - nearest) < _RATIONAL else p
    return first / near**p, p


def correlation_law(maps: LengthMap, values: Values, q: Any) -> PowerLaw | None:
    """How 1 - c_l falls at a length q > 0 with chi_1 = 1, where it does by a power.

    On a smooth edge as 2/(q R''), with R'' = sigma_w^2 <phi''^2> for a perceptron; where a function has a kink, from
    the closed form next to c = 1: for ReLU as 9 pi^2 / (2 l^2). None for a kink without closed form.
    """
    with mpmath.workdps(_DIGITS):
        curvature, after = precise([maps.curvature, maps.q_map], {**values, maps.q: q}, 20)
        if mpmath.isfinite(curvature):
            return relaxation(curvature * q * q / (2 * after), mpmath.mpf(2))
        if any(d.answer.expression.has(Unevaluated) for d in maps.both.definitions if d.answer):
            return None
        after, chi = precise([maps.q_map, maps.chi_1], {**values, maps.q: q}, _DIGITS)

        def bend(gap: Any) -> Any:
            (r,) = precise([maps.both], {**values, maps.q: q, maps.q2: q, maps.r: (1 - gap) * q}, _DIGITS)
            return r / after - (1 - chi * q / after * gap)

        try:
            return relaxation(*leading(bend, mpmath.mpf(10) ** -_NEAR))
        except GaussianError:
            return None


def length_law(maps: LengthMap, values: Values) -> PowerLaw | None:
    """How lengths fall to zero where they do by a power: chi_parallel = 1 at q = 0."""
    with mpmath.workdps(_DIGITS):
        return relaxation(*leading(lambda q: -_gain(maps, values, q), mpmath.mpf(10) ** -_NEAR))


def _gain(maps: LengthMap, values: Values, q: Any) -> Any:
    (after,) = precise([maps.q_map], {**values, maps.q: q}, _DIGITS)
    return after - q


def difference_power(maps: LengthMap, values: Values, law: PowerLaw) -> Any:
    """p with q_l - r_l ~ l^-p for two inputs next to each other, while their lengths fall to zero like ``law`` (1/l).

    From chi_1 = 1 + b q next to q = 0: the product of these factors over copies. None where lengths fall otherwise.
    """
    if law.power != -1:
        return None
    with mpmath.workdps(_DIGITS):
        b, power = leading(
            lambda q: 1 - precise([maps.chi_1], {**values, maps.q: q}, _DIGITS)[0], mpmath.mpf(10) ** -_NEAR
        )
        return b * law.constant if power == 1 else None


def growth_law(added: Callable[[Any], Any]) -> PowerLaw | None:
    """How lengths grow where one copy adds ``added(q)`` to them, a part that becomes small."""
    with mpmath.workdps(_DIGITS):
        k, g = leading(added, mpmath.mpf(10) ** (2 * _NEAR))
        return PowerLaw((k * (1 - g)) ** (1 / (1 - g)), 1 / (1 - g)) if k > 0 and g < 1 else None
