"""The activations of a network with all their derivatives, and where products of these jump."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import cache, cached_property, lru_cache
from math import prod
from typing import Any

from ntksym.errors import FiniteWidthError
from ntksym.finite.jets import Orders
from ntksym.gaussian.calculus import derivative
from ntksym.gaussian.pieces import Pieces, has_kinks, pieces, to_mpf
from ntksym.gaussian.terms import NotMine
from ntksym.language.expressions import Expr, number, numpy_function, symbols

_NO_JUMP = 1e-14


class Activations:
    """Expressions of one variable by number, as ``Factor.orders`` counts them; derivatives hold almost everywhere."""

    def __init__(self, expressions: Sequence[Expr]) -> None:
        self.expressions = tuple(expressions)
        self.derivative = cache(self._derivative)
        self.jumps = cache(self._jumps)

    def _derivative(self, phi: int, order: int) -> Expr:
        if not order:
            return self.expressions[phi]
        before = self.derivative(phi, order - 1)
        return derivative(before, symbols(before)[0]) if symbols(before) else number(0)

    def value(self, phi: int, order: int, z: Any) -> Any:
        """A derivative at an array of numbers."""
        return _function(self.derivative(phi, order))(z)

    def vanishes(self, orders: Orders) -> bool:
        """Whether one of the derivatives is zero everywhere it exists."""
        return any(_is_zero(self.derivative(phi, order)) for phi, order in orders)

    @cached_property
    def kinks(self) -> tuple[tuple[float, ...], ...]:
        """For each activation, where it or its derivatives have kinks or jumps."""
        return tuple(
            tuple(float(to_mpf(b, 30)) for b in _pieces(expr).breaks) if has_kinks(expr) else ()
            for expr in self.expressions
        )

    def breaks(self, orders: Orders) -> tuple[float, ...]:
        """Where a product of derivatives may have kinks or jumps."""
        return tuple(sorted({t for phi, _ in orders for t in self.kinks[phi]}))

    def _jumps(self, orders: Orders, times: int) -> tuple[tuple[float, float], ...]:
        """Where the derivative of this order of a product jumps, and by how much."""
        found = []
        for t in self.breaks(orders):
            jump = 0.0
            for product, count in leibniz(orders, times):
                left, right = (prod(self._side(phi, k, t, side) for phi, k in product) for side in (False, True))
                jump += count * (right - left)
            if abs(jump) > _NO_JUMP:
                found.append((t, jump))
        return tuple(found)

    def _side(self, phi: int, order: int, t: float, right: bool) -> float:
        """The limit of a derivative at a break, from the left or the right."""
        parts = _pieces(self.derivative(phi, order))
        places = [float(to_mpf(b, 30)) for b in parts.breaks]
        return float(_function(parts.values[sum(b < t or (right and b == t) for b in places)])(t))


def _pieces(expr: Expr) -> Pieces:
    try:
        return pieces(expr)
    except NotMine as reason:
        raise FiniteWidthError(f"the kinks of {expr} are not known, so it has no 1/n terms here: {reason}") from None


def _is_zero(expr: Expr) -> bool:
    return all(value == number(0) for value in _pieces(expr).values)


def _function(expr: Expr) -> Any:
    return numpy_function(expr, symbols(expr) or ("z",))


@lru_cache(maxsize=65536)
def leibniz(orders: Orders, times: int) -> tuple[tuple[Orders, int], ...]:
    """The derivative of this order of a product, away from the breaks: products, and how often each occurs."""
    found = Counter({orders: 1})
    for _ in range(times):
        new: Counter[Orders] = Counter()
        for product, count in found.items():
            for k, (phi, order) in enumerate(product):
                new[tuple(sorted((*product[:k], (phi, order + 1), *product[k + 1 :])))] += count
        found = new
    return tuple(found.items())
