"""Enclosures of a system over whole intervals of lengths: what proves that it is nowhere zero.

For g >= 0 the mean of g over N(0, q), times sqrt(q), rises with q, as the density without its factor does. So on [a, b]
it lies between sqrt(a/b) times its value at a and sqrt(b/a) times that at b; the rest is interval arithmetic.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from ntksym._lazy import lazy
from ntksym.gaussian import Answer, evaluate_many
from ntksym.gaussian.expectation import simplified
from ntksym.language.expressions import Number, Pow
from ntksym.phases.systems import System

sympy = lazy("sympy")

# rounding of a few operations, and of the sums that means are
_ROUNDING = 1e-12
# how often intervals are halved that cannot be told from zero
_HALVINGS = 8


@dataclass(frozen=True)
class Interval:
    """Arrays of lower and upper ends; each operation widens by rounding."""

    low: Any
    high: Any

    @staticmethod
    def of(value: Any) -> Interval:
        """A number, or an interval as it is."""
        return value if isinstance(value, Interval) else Interval(np.asarray(float(value)), np.asarray(float(value)))

    @staticmethod
    def around(*ends: Any) -> Interval:
        """The smallest interval with these arrays in it, and some rounding."""
        low, high = np.minimum.reduce(np.broadcast_arrays(*ends)), np.maximum.reduce(np.broadcast_arrays(*ends))
        return Interval(low - _ROUNDING * np.abs(low), high + _ROUNDING * np.abs(high))

    def __add__(self, other: Any) -> Interval:
        x = Interval.of(other)
        size = np.maximum(np.abs(self.low), np.abs(self.high)) + np.maximum(np.abs(x.low), np.abs(x.high))
        return Interval(self.low + x.low - _ROUNDING * size, self.high + x.high + _ROUNDING * size)

    def __mul__(self, other: Any) -> Interval:
        x = Interval.of(other)
        return Interval.around(*(a * b for a in (self.low, self.high) for b in (x.low, x.high)))

    def __pow__(self, power: Any) -> Interval:
        """A power of something positive, or a whole and positive one of anything; else the whole line."""
        power = float(power)
        ends = Interval.around(self.low**power, self.high**power)
        if power == int(power) > 0:
            zero = (self.low < 0) & (self.high > 0) & (power % 2 == 0)
            return Interval(np.where(zero, 0.0, ends.low), ends.high)
        everything = np.where(self.low > 0, 0.0, np.inf)
        return Interval(np.where(everything == 0, ends.low, -np.inf), np.where(everything == 0, ends.high, np.inf))

    def __neg__(self) -> Interval:
        return Interval(-self.high, -self.low)

    def __sub__(self, other: Any) -> Interval:
        return self + -Interval.of(other)

    def __rsub__(self, other: Any) -> Interval:
        return Interval.of(other) - self

    def __truediv__(self, other: Any) -> Interval:
        return self * Interval.of(other) ** -1

    def __rtruediv__(self, other: Any) -> Interval:
        return Interval.of(other) * self**-1

    __radd__, __rmul__ = __add__, __mul__


def is_positive_throughout(system: System, q: Any, values: Mapping[Any, Any], lengths: tuple[float, float]) -> bool:
    """Whether a system is proved to be positive for all lengths between two; False where it is not, or cannot be."""
    if not all(d.answer and _is_square(d.answer) and len(d.arguments) <= 1 for d in system.definitions):
        return False
    ends = np.log(np.geomspace(*lengths, 200))
    low, high = ends[:-1], ends[1:]
    for _ in range(_HALVINGS):
        with np.errstate(all="ignore"):
            found = _enclosed(system, {**values, q: Interval(np.exp(low), np.exp(high))})
        if (found.high < 0).any():
            return False
        left = ~(found.low > 0)
        if not left.any():
            return True
        middle = (low + high)[left] / 2
        low, high = np.concatenate([low[left], middle]), np.concatenate([middle, high[left]])
    return False


def _enclosed(system: System, values: Mapping[Any, Any]) -> Interval:
    known = {s: Interval.of(x) for s, x in values.items()}
    for d in system.definitions:
        assert d.answer is not None
        if not d.arguments:
            known[d.symbol] = Interval.around(evaluate_many(d.answer, {}).value)
            continue
        ((name, expression),) = d.arguments
        p = _algebra(expression, known)
        low, high = evaluate_many(d.answer, {name: np.maximum([p.low, p.high], 0)}).value  # neighbours share ends
        spread = np.sqrt(p.low / p.high)
        known[d.symbol] = Interval.around(low * spread, high / spread)
    return _algebra(system.output, known)


def _algebra(expression: Any, known: Mapping[Any, Any]) -> Interval:
    symbols = tuple(sorted(expression.free_symbols, key=lambda s: (s.name, s.sort_key())))
    return Interval.of(_function(expression, symbols)(*(known[s] for s in symbols)))


@lru_cache(maxsize=256)
def _function(expression: Any, symbols: tuple[Any, ...]) -> Any:
    names = {"sqrt": lambda x: x**0.5 if isinstance(x, Interval) else np.sqrt(x)}
    return sympy.lambdify(symbols, expression, [names, "math"])


def _is_square(answer: Answer) -> bool:
    """Whether what is averaged is a product of squares, so that it is nowhere negative."""
    question = simplified(answer.expectation)
    if any(question.derivatives):
        return False
    counts = Counter(question.factors)
    return all(
        count % 2 == 0
        or (isinstance(factor, Number) and factor.value > 0)
        or (isinstance(factor, Pow) and isinstance(factor.exponent, Number) and factor.exponent.value % 2 == 0)
        for factor, count in counts.items()
    )
