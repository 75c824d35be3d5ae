"""Strategy 3: E[f(u) g(v)] as a series in the correlation (Mehler), with a bound on the rest.

With a_n = E[f(m + s x) h_n(x)] for the orthonormal Hermite polynomials h_n, E[f g] = sum a_n b_n rho^n, and
by Cauchy and Schwarz the rest after order N is below |rho|^(N+1) sqrt((E f^2 - sum a_n^2)(E g^2 - sum b_n^2)).
"""

from __future__ import annotations

from collections.abc import Callable
from math import isqrt
from typing import Any, NamedTuple

import numpy as np

from ntksym._lazy import lazy
from ntksym.gaussian.pieces import has_kinks
from ntksym.gaussian.quadrature import smooth_function
from ntksym.gaussian.terms import NotMine
from ntksym.language.expressions import Expr, mul, symbols

mpmath = lazy("mpmath")

MAX_ORDER = 400
MAX_POINTS = 1 << 13


class Series(NamedTuple):
    """A value, a bound on its error, and the order up to which terms were kept."""

    value: Any
    bound: Any
    order: int


def mehler(factors: tuple[Expr, ...], covariance: Any, mean: Any, digits: int) -> Series:
    """E[prod factors] in two variables, mpmath numbers in; ``NotMine`` where the series is too slow.

    The coefficients are sums over a grid, whose error is estimated from a grid half as fine and is added.
    """
    if len(mean) != 2 or not all(covariance[i][i] > 0 for i in range(2)):
        raise NotMine("a Mehler series is for two variables")
    groups = [[factor for factor in factors if symbols(factor) == (name,)] for name in ("z1", "z2")]
    if sum(map(len, groups)) != len(factors):
        raise NotMine("a function of both variables")
    if any(map(has_kinks, factors)):
        raise NotMine("Hermite coefficients of functions with kinks fall slowly")
    with mpmath.workdps(digits + 15):
        spread = [mpmath.sqrt(covariance[i][i]) for i in range(2)]
        rho = covariance[0][1] / (spread[0] * spread[1])
        samples = [
            Samples(smooth_function(mul(*group), (name,)), mean[i], spread[i])
            for i, (group, name) in enumerate(zip(groups, ("z1", "z2"), strict=True))
        ]
        if covariance[0][0] == covariance[1][1] and mean[0] == mean[1] and _alike(groups):
            samples = samples[:1]
        level = max(sample.settled(digits) for sample in samples)
        coarse = _summed(samples, level, rho, digits)
        while True:
            fine = _summed(samples, level + 1, rho, digits)
            change = abs(fine.value - coarse.value)
            if change <= fine.bound:
                return Series(fine.value, fine.bound + change, fine.order)
            coarse, level = fine, level + 1


def _alike(groups: list[list[Expr]]) -> bool:
    first, second = (
        sorted(str(factor).replace(name, "z") for factor in group)
        for group, name in zip(groups, ("z1", "z2"), strict=True)
    )
    return first == second


class Samples:
    """Values of a function on grids of step 2**-level, kept for the finer ones."""

    def __init__(self, function: Callable[..., Any], mean: Any, spread: Any) -> None:
        self.function, self.mean, self.spread = function, mean, spread
        # Hermite functions fall like exp(-x^2/4)
        self.reach = int(2 * mpmath.sqrt(mpmath.log(10) * mpmath.mp.dps) + spread) + 1
        self.known: dict[tuple[int, int], Any] = {}

    def at(self, level: int) -> list[Any]:
        """The values at x = k/2**level, from left to right."""
        half = self.reach << level
        if 2 * half > MAX_POINTS:
            raise NotMine("Hermite coefficients need too many points")
        return [self._value(k, level) for k in range(-half, half + 1)]

    def _value(self, k: int, level: int) -> Any:
        while level and k % 2 == 0:
            k, level = k // 2, level - 1
        if (k, level) not in self.known:
            self.known[k, level] = self.function(self.mean + self.spread * mpmath.mpf(k) / (1 << level))
        return self.known[k, level]

    def settled(self, digits: int) -> int:
        """The first level at which the square norm no longer changes."""
        level, old = 1, None
        while True:
            values = self.at(level)
            half = len(values) // 2
            weights = [mpmath.exp(-((mpmath.mpf(k) / (1 << level)) ** 2) / 2) for k in range(-half, half + 1)]
            norm = mpmath.fdot(weights, [value**2 for value in values]) / (1 << level)
            if old is not None and abs(norm - old) <= abs(norm) * mpmath.mpf(10) ** -digits:
                return level
            old, level = norm, level + 1


class Coefficients:
    """Hermite coefficients one after the other, and what of the square norm they leave.

    The Hermite functions on the grid are arrays of integers, scaled by 2**bits: twice the working precision,
    because in the tails they grow from exp(-x^2/4) to 1.
    """

    def __init__(self, samples: Samples, level: int) -> None:
        values = samples.at(level)
        half = len(values) // 2
        self.level, self.bits, self.n = level, 2 * mpmath.mp.prec + 40, 0
        self.k = np.array(range(-half, half + 1), dtype=object)
        with mpmath.workprec(self.bits):
            scale = mpmath.mpf(2) ** self.bits
            normal = mpmath.sqrt(mpmath.mpf(1) / (1 << level) / mpmath.sqrt(2 * mpmath.pi))
            roots = [mpmath.exp(-((mpmath.mpf(int(k)) / (1 << level)) ** 2) / 4) * normal for k in self.k]
            self.now = np.array([int(root * scale) for root in roots], dtype=object)
            products = [value * root for value, root in zip(values, roots, strict=True)]
            self.weighted = np.array([int(product * scale) for product in products], dtype=object)
            self.rest = mpmath.fdot(products, products)
        self.before = self.now * 0

    def next(self) -> Any:
        """The coefficient of the next order."""
        with mpmath.workprec(self.bits):
            a = mpmath.mpf(int((self.weighted * self.now).sum())) / (1 << (2 * self.bits))
            self.rest -= a**2
        one = 1 << (2 * self.bits)
        up, down = isqrt(one // (self.n + 1)), isqrt(one * self.n // (self.n + 1))
        later = (((self.k * self.now) >> self.level) * up - self.before * down) >> self.bits
        self.before, self.now, self.n = self.now, later, self.n + 1
        return a


def _summed(samples: list[Samples], level: int, rho: Any, digits: int) -> Series:
    lists = [Coefficients(sample, level) for sample in samples]
    f, g = lists[0], lists[-1]
    value, goal = mpmath.mpf(0), mpmath.mpf(10) ** -digits
    floor = mpmath.mpf(10) ** -(digits + 8)
    for order in range(MAX_ORDER + 1):
        a = f.next()
        b = a if g is f else g.next()
        value += a * b * rho**order
        rests = [max(x.rest, floor**2) for x in (f, g)]
        bound = abs(rho) ** (order + 1) * mpmath.sqrt(rests[0] * rests[1])
        if bound <= goal * abs(value) / 2 or (order > 4 and bound <= goal**2):
            return Series(value, bound + floor * abs(value), order)
    raise NotMine(f"the Mehler series needs more than {MAX_ORDER} terms")
