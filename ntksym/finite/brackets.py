"""Gaussian brackets <f_1(z_1) f_2(z_2) ...> of products of derivatives of activations, in double precision.

Of a factor a derivative in the sense of distributions may be asked for. Where the factor jumps this leaves delta
functions; a delta function puts its variable at a point, and what is left is a bracket of fewer variables, given that
point. So everything comes down to integrals of piecewise smooth functions: the trapezoidal rule where these are smooth
(its error falls faster than any power), Gauss-Legendre between the kinks otherwise, at rising resolutions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from math import comb, exp, isfinite, pi, sqrt
from typing import Any

import numpy as np

from ntksym._lazy import lazy
from ntksym.errors import FiniteWidthError
from ntksym.finite.activations import Activations, leibniz
from ntksym.finite.jets import Factor
from ntksym.finite.rules import Nodes, nodes_between, nodes_of_smooth, resolutions
from ntksym.gaussian import evaluate_many, expect
from ntksym.language.expressions import mul
from ntksym.records.evidence import Evidence

sympy = lazy("sympy")

MOST_VARIABLES = 4
MOST_KINKED = 2
SINGULAR = 1e-12
"""Two variables count as one where only this part of a variance is left when the other is known."""
PARALLEL = (
    "two inputs are parallel, or nearly so, and the activation has a kink: their 1/n terms are infinite or lose all "
    "digits; leave one of the two out"
)
# no better bound is claimed: sums of so many numbers differ between machines
_LEAST_BOUND = 1e-12
# two resolutions this close, relatively or absolutely, are good enough
_CLOSE = 1e-13

Factors = tuple[Factor, ...]


class Brackets:
    """Brackets of a network at some inputs; ``covariance(i, j)`` is that of the preactivations at two sites."""

    def __init__(self, activations: Activations, covariance: Callable[[int, int], float]) -> None:
        self.activations = activations
        self.covariance = covariance
        self.bounds: list[float] = []
        self._gaussians: dict[tuple[int, ...], Gaussian] = {}
        self._known: dict[Factors, float] = {}

    def __call__(self, factors: Factors) -> float:
        """The mean of a product of factors at different sites."""
        if factors not in self._known:
            sites = tuple(factor.site for factor in factors)
            if sites not in self._gaussians:
                K = np.array([[self.covariance(i, j) for j in sites] for i in sites]).reshape(len(sites), len(sites))
                self._gaussians[sites] = Gaussian(self.activations, sites, K, np.zeros(len(sites)), self.bounds)
            self._known[factors] = self._gaussians[sites].bracket(factors)
        return self._known[factors]

    @property
    def evidence(self) -> Evidence:
        """How the brackets are known, by the largest of their bounds."""
        note = "the bound is that of one bracket, an estimate from two resolutions"
        return Evidence("quadrature", bound=max([_LEAST_BOUND, *self.bounds]), note=note)


@dataclass(eq=False)
class Gaussian:
    """The preactivations of some sites: covariance and mean. ``bounds`` collects the errors of its brackets."""

    activations: Activations
    sites: tuple[int, ...]
    covariance: Any
    mean: Any
    bounds: list[float]
    _nodes: dict[Any, Nodes] = field(default_factory=dict)
    _values: dict[Any, Any] = field(default_factory=dict)
    _given: dict[tuple[int, float], Gaussian] = field(default_factory=dict)

    def bracket(self, factors: Factors) -> float:
        """The mean of a product of factors at some of the sites."""
        for k, factor in enumerate(factors):
            if factor.derivative:
                rest = (*factors[:k], *factors[k + 1 :])
                return sum((*self._away_from_breaks(factor, rest), *self._at_breaks(factor, rest)), 0.0)
        return self._integral(factors)

    def _away_from_breaks(self, factor: Factor, rest: Factors) -> Iterator[float]:
        for product, number in leibniz(factor.orders, factor.derivative):
            yield number * self.bracket((Factor(factor.site, product), *rest))

    def _at_breaks(self, factor: Factor, rest: Factors) -> Iterator[float]:
        """Where the k-th derivative jumps, the d-th one holds the delta function's derivative of order d - 1 - k."""
        for k in range(factor.derivative):
            for t, jump in self.activations.jumps(factor.orders, k):
                yield jump * self._delta(factor.site, t, factor.derivative - 1 - k, rest)

    def _delta(self, site: int, t: float, order: int, rest: Factors) -> float:
        """<(d/dz)^m delta(z - t) G> = (-1)^m (d/dt)^m of the density of z at t times <G given z = t>."""
        i = self.sites.index(site)
        variance, off = self.covariance[i, i], t - self.mean[i]
        given, slopes = self._given_at(i, t), self.covariance[:, i] / variance
        total = 0.0
        for j in range(order + 1):
            moved = sum(number * given.bracket(new) for new, number in self._moved(rest, slopes, j))
            total += comb(order, j) * _density(off, variance, order - j) * moved
        return -total if order % 2 else total

    def _moved(self, rest: Factors, slopes: Any, times: int) -> Iterator[tuple[Factors, float]]:
        """The derivative by t of a product whose variables move along with it."""
        if not times:
            yield rest, 1.0
            return
        for k, factor in enumerate(rest):
            slope = float(slopes[self.sites.index(factor.site)])
            if slope:
                moved = Factor(factor.site, factor.orders, factor.derivative + 1)
                for new, number in self._moved((*rest[:k], moved, *rest[k + 1 :]), slopes, times - 1):
                    yield new, slope * number

    def _given_at(self, i: int, t: float) -> Gaussian:
        """The other variables, given that variable i is t."""
        if (i, t) not in self._given:
            kept = [k for k in range(len(self.sites)) if k != i]
            slopes = self.covariance[kept, i] / self.covariance[i, i]
            covariance = self.covariance[np.ix_(kept, kept)] - np.outer(slopes, self.covariance[i, kept])
            if (np.diagonal(covariance) < SINGULAR * np.diagonal(self.covariance)[kept]).any():
                raise FiniteWidthError(PARALLEL)
            mean = self.mean[kept] + slopes * (t - self.mean[i])
            sites = tuple(self.sites[k] for k in kept)
            self._given[i, t] = Gaussian(self.activations, sites, covariance, mean, self.bounds)
        return self._given[i, t]

    # --- integrals ---

    def _integral(self, factors: Factors) -> float:
        """The mean of a product of functions that are smooth between their breaks."""
        if any(self.activations.vanishes(factor.orders) for factor in factors):
            return 0.0
        if not factors:
            return 1.0
        found = {self.sites.index(factor.site): factor for factor in factors}
        used = tuple(sorted(found))
        ordered = tuple(found[k] for k in used)
        breaks = tuple(self.activations.breaks(factor.orders) for factor in ordered)
        if len(used) > (MOST_KINKED if any(breaks) else MOST_VARIABLES):
            return self._many(ordered, used)
        coarse, *finer = resolutions(len(used), any(breaks))
        value = self._summed(ordered, used, breaks, coarse)
        for resolution in finer:
            old, value = value, self._summed(ordered, used, breaks, resolution)
            if abs(value - old) <= _CLOSE * max(1.0, abs(value)):
                break
        if not isfinite(value):
            raise FiniteWidthError(
                f"preactivations of variance {max(np.diagonal(self.covariance)):.3g} are too large for derivatives of "
                "the activation in double precision; take smaller sigmas or inputs"
            )
        self.bounds.append(2 * abs(value - old) + 1e-15 * abs(value))
        return value

    def _summed(self, factors: Factors, used: tuple[int, ...], breaks: Any, resolution: int) -> float:
        key = (used, breaks, resolution)
        if key not in self._nodes:
            covariance, mean = self.covariance[np.ix_(used, used)], self.mean[list(used)]
            self._nodes[key] = (
                nodes_between(covariance, mean, breaks, resolution)
                if any(breaks)
                else nodes_of_smooth(covariance, mean, resolution)
            )
        total: Any = 1.0
        with np.errstate(all="ignore"):  # what overflows is found in the sum
            for level in reversed(range(len(used))):
                z, w = self._nodes[key][level]
                for phi, order in factors[level].orders:
                    total = total * self._value((key, level, phi, order), z)
                total = (total * w).sum(axis=-1)
        return float(total)

    def _value(self, name: Any, z: Any) -> Any:
        if name not in self._values:
            _, _, phi, order = name
            self._values[name] = self.activations.value(phi, order, z)
        return self._values[name]

    def _many(self, factors: Factors, used: tuple[int, ...]) -> float:
        """More variables than a grid has directions: closed forms where there are, samples where there are none."""
        products = [mul(*(self.activations.derivative(*each) for each in factor.orders)) for factor in factors]
        values = {f"k{i}_{j}": float(self.covariance[i, j]) for i in used for j in used if i <= j}
        values |= {f"m{i}": float(self.mean[i]) for i in used}
        K = [[sympy.Symbol(f"k{min(i, j)}_{max(i, j)}", real=True) for j in used] for i in used]
        m = [sympy.Symbol(f"m{i}", real=True) if self.mean[i] else 0 for i in used]
        found = evaluate_many(expect(products, K, m), values)
        self.bounds.append(found.evidence.bound or 0.0)
        return float(found.value)


def _density(off: float, variance: float, order: int) -> float:
    """(d/dt)^order of the density of N(0, variance) at ``off``, by the recursion of Hermite polynomials."""
    old, new = 0.0, exp(-(off**2) / (2 * variance)) / sqrt(2 * pi * variance)
    for k in range(order):
        old, new = new, -(off * new + k * old) / variance
    return new
