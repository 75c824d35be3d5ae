"""How fast an activation vanishes at zero and grows at infinity: powers, measured far out in high precision.

The order of phi at an end is the slope of log|phi| against log|z| there. At z = 10**-20 ... 10**-40 and
10**20 ... 10**40 the next term of an expansion changes the slope by less than 1e-6, a logarithm by more
than 1e-3, and so the two are told apart without any algebra.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise
from math import inf
from typing import Any

from ntksym._lazy import lazy
from ntksym.errors import ExpressionError
from ntksym.language.expressions_nodes import Expr, symbols
from ntksym.language.expressions_numeric import mpmath_function

mpmath = lazy("mpmath")

DECADES = (20, 30, 40)
# z - tanh(z) at 10**-40 cancels 120 digits: orders up to 12 are told from zero
DIGITS_AT_ZERO, DIGITS_AT_INFINITY = 500, 150
# enough to notice an oscillation, and enough to find its amplitude
FEW, MANY = 8, 96

Order = Fraction | float  # a Fraction, or math.inf or -math.inf


@dataclass(frozen=True)
class Orders:
    """Leading powers of phi(z); None stands for an order beyond every power.

    ``zero``: phi(z) ~ z**zero as z -> 0 (the slower of the two sides; 0 if phi(0) is not 0); None if phi
    vanishes around 0. ``change``: the same of phi(z) - phi(0); None if phi is constant around 0.
    ``growth``: phi(z) ~ z**growth as z -> infinity (the faster of the two sides; 0 if bounded); None if it
    outgrows every power. ``bounded``: whether |phi| stays bounded at infinity.
    """

    zero: Fraction | None
    change: Fraction | None
    growth: Fraction | None
    bounded: bool


@lru_cache(maxsize=512)
def orders(expr: Expr) -> Orders:
    """The orders of an expression in one symbol (or none), from both sides at zero and at infinity.

    Raises ``ExpressionError`` if it has more symbols, no finite real value at a point that matters, or an
    order that is not a power, such as that of z*log(z).
    """
    names = symbols(expr)
    if len(names) > 1:
        raise ExpressionError(f"the orders of {expr} need one symbol, but it has {', '.join(names)}")
    phi = _Function(expr, mpmath_function(expr, names or ("z",)))
    with mpmath.workdps(DIGITS_AT_ZERO):
        at_zero = phi.trusted(mpmath.mpf(0))
        change = min(phi.order_at_zero(side) for side in (1, -1))
        zero = change if at_zero == 0 else Fraction(0)
    with mpmath.workdps(DIGITS_AT_INFINITY):
        growth = max(phi.order_at_infinity(side) for side in (1, -1))
    return Orders(_power(zero), _power(change), _power(growth), growth == 0)


def _power(order: Order) -> Fraction | None:
    return order if isinstance(order, Fraction) else None


@dataclass(frozen=True)
class _Function:
    expr: Expr
    evaluate: Callable[[Any], Any]

    def order_at_zero(self, side: int) -> Order:
        """The order of phi(z) - phi(0)."""
        order = self.slope([-k for k in DECADES], side, less_value_at_zero=True)
        if order == -inf:
            raise ExpressionError(f"{self.expr} has no finite real value near 0")
        return order

    def order_at_infinity(self, side: int) -> Order:
        return max(self.slope(DECADES, side), Fraction(0))

    def slope(self, decades: Sequence[int], side: int, less_value_at_zero: bool = False) -> Order:
        """The power that the sizes at three decades agree on; infinite if they bend away from every power."""
        logs, smooth = self.logs_of_sizes(decades, side, FEW, less_value_at_zero)
        if not smooth:
            logs, _ = self.logs_of_sizes(decades, side, MANY, less_value_at_zero)
        if abs(logs[2]) == inf:
            return logs[2] if decades[2] > 0 else -logs[2]
        near, far = ((logs[i + 1] - logs[i]) / (decades[i + 1] - decades[i]) for i in (0, 1))
        if decades[2] > 0 and near <= 0 and far <= 0:  # a limit at infinity, however slowly it is approached
            return Fraction(0)
        if abs(far - near) > 1:
            return inf if far > near else -inf
        # the largest of some samples of an oscillation is only roughly its amplitude
        apart, off, denominator = (1e-6, 1e-8, 1000) if smooth else (1e-2, 3e-3, 12)
        power = Fraction(far).limit_denominator(denominator) if abs(far - near) < apart else None
        if power is None or abs(power - far) > off:
            end = "0" if decades[2] < 0 else "infinity"
            slopes = f"log|phi| against log|z| has slope {near:.5g}, further out {far:.5g}"
            raise ExpressionError(f"the order of {self.expr} at {end} is not a power of z: {slopes}")
        return power

    def logs_of_sizes(
        self, decades: Sequence[int], side: int, samples: int, less_value_at_zero: bool
    ) -> tuple[list[float], bool]:
        """log10 of the largest |phi| at each decade, and whether phi is monotone at all of them."""
        logs, smooth = [], True
        for k in decades:
            # uneven steps, so that no oscillation is met at the same phase every time
            steps = (mpmath.mpf(j * (j + samples)) / (97 * samples**2) for j in range(samples))
            points = [side * mpmath.mpf(10) ** k * (1 + step) for step in steps]
            sizes = [abs(self.trusted(point, less_value_at_zero)) for point in points]
            smooth = smooth and _is_monotone(sizes)
            logs.append(float(mpmath.log10(max(sizes))) if any(sizes) else -inf)
        return logs, smooth

    def trusted(self, z: Any, less_value_at_zero: bool = False) -> Any:
        """phi(z), or phi(z) - phi(0); 0 if that is all rounding, which shrinks where the precision grows."""
        value = self.value(z, less_value_at_zero)
        with mpmath.workdps(2 * mpmath.mp.dps):
            finer = self.value(z, less_value_at_zero)
            rounding = abs(value) * mpmath.mpf("1e-20") if value else mpmath.sqrt(mpmath.eps) ** 1.5
            return mpmath.mpf(0) if abs(finer) < rounding else finer

    def value(self, z: Any, less_value_at_zero: bool) -> Any:
        value = self.evaluate(z)
        if mpmath.isnan(value) or (z == 0 and mpmath.isinf(value)):
            where = "0" if z == 0 else mpmath.nstr(z, 3)
            raise ExpressionError(f"{self.expr} has no finite real value at {where}")
        return value - self.value(mpmath.mpf(0), False) if less_value_at_zero else value


def _is_monotone(values: list[Any]) -> bool:
    slack = 1 + mpmath.mpf("1e-30")
    pairs = list(pairwise(values))
    return all(b <= a * slack for a, b in pairs) or all(a <= b * slack for a, b in pairs)
