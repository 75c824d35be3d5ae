"""The probability that Gaussians are all positive, in closed form where there is one.

One: Phi. Two: 1/4 + asin(rho)/(2 pi) about the mean, else the bivariate normal distribution function. Three
about the mean: 1/8 + sum asin(rho)/(4 pi). Other cases stay an orthant probability, a number for values.
"""

from __future__ import annotations

from itertools import combinations
from typing import Any, NamedTuple

from ntksym._lazy import lazy
from ntksym.gaussian.algebra import Algebra

sympy = lazy("sympy")


class Scaled(NamedTuple):
    """value * sqrt(radical)."""

    value: Any
    radical: Any


class Block(NamedTuple):
    """``step``, ``Phi``, ``asin``, ``bivariate`` or ``orthant`` of some arguments."""

    name: str
    args: tuple[Scaled, ...]


Part = tuple[Any, int, tuple[Block, ...]]


def probability(algebra: Algebra, mean: list[Any], covariance: list[list[Any]]) -> list[Part]:
    """P(y_1 > 0, ..., y_k > 0) as a sum of (number, half powers of 1/(2 pi), blocks)."""
    mean = list(map(algebra.reduced, mean))
    parts: list[Part] = [(algebra.one, 0, ())]
    for group in _independent(algebra, covariance):
        if len(group) == 1 and algebra.is_zero(covariance[group[0]][group[0]]):
            new = _certain(algebra, mean[group[0]])
        else:
            new = _correlated(algebra, [mean[i] for i in group], [[covariance[i][j] for j in group] for i in group])
        parts = [(a * b, h + g, tuple(sorted((*x, *y), key=str))) for a, h, x in parts for b, g, y in new]
    return parts


def _independent(algebra: Algebra, covariance: list[list[Any]]) -> list[list[int]]:
    left, groups = list(range(len(covariance))), []
    while left:
        group = [left.pop(0)]
        for i in group:
            linked = [j for j in left if not algebra.is_zero(covariance[i][j])]
            group += linked
            left = [j for j in left if j not in linked]
        groups.append(sorted(group))
    return groups


def _certain(algebra: Algebra, t: Any) -> list[Part]:
    """A Gaussian without spread is its mean."""
    sign = algebra.sign(t)
    if sign is None:
        return [(algebra.one, 0, (Block("step", (Scaled(t, algebra.field.ring.one),)),))]
    return [(algebra.one / 2 if sign == 0 else algebra.one * (sign == 1), 0, ())]


def _correlated(algebra: Algebra, mean: list[Any], K: list[list[Any]]) -> list[Part]:
    size = len(mean)
    offsets = [_scaled(algebra, t, K[i][i]) for i, t in enumerate(mean)]
    centred = all(algebra.is_zero(t) for t in mean)
    if size == 1:
        return [(algebra.one / 2, 0, ())] if centred else [(algebra.one, 0, (Block("Phi", (offsets[0],)),))]
    pairs = list(combinations(range(size), 2))
    correlations = [_scaled(algebra, K[i][j], K[i][i] * K[j][j]) for i, j in pairs]
    if centred and size <= 3:
        number = algebra.one / 2**size
        angles = [_angle(algebra, rho) for rho in correlations]
        scale = algebra.one / 2 ** (size - 2)
        return [(number, 0, ()), *((sign * scale, 2, (block,)) for sign, block in angles)]
    name = "bivariate" if size == 2 else "orthant"
    if size == 2 and str(offsets[0]) > str(offsets[1]):
        offsets.reverse()
    return [(algebra.one, 0, (Block(name, (*offsets, *correlations)),))]


def _angle(algebra: Algebra, rho: Scaled) -> tuple[int, Block]:
    """asin is odd: one sign of its argument is kept."""
    if rho.value.numer.LC > 0:
        return 1, Block("asin", (rho,))
    return -1, Block("asin", (Scaled(-rho.value, rho.radical),))


def _scaled(algebra: Algebra, value: Any, variance: Any) -> Scaled:
    """value/sqrt(variance)."""
    if algebra.is_zero(value):
        return Scaled(algebra.zero, algebra.field.ring.one)
    outer, radical = algebra.radical(variance)
    return Scaled(algebra.reduced(value / (outer * algebra.field(radical))), radical)
