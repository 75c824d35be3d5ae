"""Leading covariances and means of the empirical kernels of a network, all from one delta method.

The covariance Q_m of what the weights m draw is, for a finite network, the mean of Omega_m over the coordinates of what
they read. Around its limit it moves by its own sampling noise, and by what the kernels before it move:

    dQ_m = noise_m + J_m dH_r,   H_r = sum_k c_k^2 Q_k,   J_m = d<Omega_m>/dH_r,

for the reading r = sum_k c_k (draw k). Noises of readings that share coordinates are correlated. To leading order in
1/n this gives all covariances; the mean follows from J, half the second derivative of <Omega_m>, and, where coordinates
are shared, from a coordinate's own part in the kernels that it was drawn with. In a perceptron no coordinates are
shared, and what is left is the recursion V' = noise + J V J^T (Yaida 2020, arXiv:1910.00019).

Every result is an array over the axes of the network: the coefficients of 1/n_1, 1/n_2, ..., so widths are put in last.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ntksym.finite.activations import Activations
from ntksym.finite.brackets import Brackets
from ntksym.finite.jets import DIRECTIONS, Entry, Jet, Pair, Terms, canonical, is_even, mean, slopes, summand, times
from ntksym.finite.wiring import Wiring


@dataclass(frozen=True)
class Scales:
    """Numbers of a wiring: C and lambda of every draw, the coefficients of every reading, and Gram matrices of data.

    A Gram matrix holds the inner products over the dimension of the data, by draw.
    """

    variances: tuple[float, ...]
    rates: tuple[float, ...]
    coefficients: tuple[Mapping[int, float], ...]
    grams: Mapping[int, Any]


@dataclass(frozen=True)
class Slope:
    """The derivative of a mean by the covariance of two jets: its number, and the polynomial whose mean it is."""

    pair: Pair
    number: float
    terms: Terms


class Moments:
    """1/n terms of a wiring at ``inputs`` inputs; jets are named by their directions and their input."""

    def __init__(self, wiring: Wiring, inputs: int, scales: Scales) -> None:
        self.wiring = wiring
        self.inputs = inputs
        self.scales = scales
        self.brackets = Brackets(Activations(wiring.functions), lambda i, j: self._kernel(0, i, j))
        self.zero = np.zeros(len(wiring.widths))
        self._kernels: dict[Any, float] = {}
        self._drawn: dict[Any, float] = {}
        self._summands: dict[Any, Terms] = {}
        self._slopes: dict[Any, tuple[Slope, ...]] = {}
        self._covariances: dict[Any, Any] = {}
        self._own: dict[Any, Any] = {}
        self._corrections: dict[Any, Any] = {}

    # --- what is asked for ---

    def kernel(self, order: int, reading: int, x: int, y: int) -> float:
        """The limit: the kernel of a reading (order 0), its tangent kernel (order 1)."""
        return self._kernel(order, self._site(reading, x), self._site(reading, y))

    def covariance(self, reading: int, entry: Entry) -> Any:
        """n times the covariance of two empirical covariances of jets of a reading."""
        terms = self.scales.coefficients[reading].items()
        return sum((c**2 * d**2 * self._covariance(k, l, *entry) for k, c in terms for l, d in terms), self.zero)

    def correction(self, reading: int, pair: Pair) -> Any:
        """n times the deviation of a mean covariance of jets of a reading from its limit."""
        return sum((c**2 * self._correction(k, pair) for k, c in self.scales.coefficients[reading].items()), self.zero)

    # --- the limit ---

    def _site(self, reading: int, x: int) -> int:
        return reading * self.inputs + x

    def _kernel(self, order: int, i: int, j: int) -> float:
        key = (order, min(i, j), max(i, j))
        if key not in self._kernels:
            (r, x), (s, y) = divmod(key[1], self.inputs), divmod(key[2], self.inputs)
            first, second = self.scales.coefficients[r], self.scales.coefficients[s]
            common = ((k, c * second[k]) for k, c in first.items() if k in second)
            self._kernels[key] = sum(c * self._draw_kernel(order, k, min(x, y), max(x, y)) for k, c in common)
        return self._kernels[key]

    def _draw_kernel(self, order: int, draw: int, x: int, y: int) -> float:
        key = (order, draw, x, y)
        if key not in self._drawn:
            variance, rate = self.scales.variances[draw], self.scales.rates[draw]
            if self.wiring.draws[draw].reading is None:
                gram = self.scales.grams[draw][x, y] if draw in self.scales.grams else 1.0
                self._drawn[key] = float(gram) * (variance, rate, *[0.0] * len(DIRECTIONS))[order]
            else:
                letters = DIRECTIONS[:order]
                self._drawn[key] = self._mean(self._summand(draw, ((letters, x), (letters, y))))
        return self._drawn[key]

    def _summand(self, draw: int, pair: Pair) -> Terms:
        """Omega of a draw, in jets at the sites of what it reads, its numbers C and lambda put in."""
        key = (draw, pair)
        if key not in self._summands:
            node = self.wiring.draws[draw]
            assert node.reading is not None
            assert node.phi is not None
            variance, rate = self.scales.variances[draw], self.scales.rates[draw]
            (S, x), (T, y) = pair
            plain = summand(((S, self._site(node.reading, x)), (T, self._site(node.reading, y))), node.phi)
            self._summands[key] = tuple(
                replace(t, coefficient=t.coefficient * variance**t.weights * rate**t.rates, weights=0, rates=0)
                for t in plain
            )
        return self._summands[key]

    def _mean(self, terms: Terms) -> float:
        total = 0.0
        for part in mean(terms):
            number = part.coefficient
            for kernel in part.kernels:
                number *= self._kernel(*kernel)
            if number:
                total += number * self.brackets(part.factors)
        return total

    def _slopes_of(self, key: Any, terms: Terms) -> tuple[Slope, ...]:
        """The derivatives of the mean of a polynomial that is named by the key, by covariances of one reading."""
        if key not in self._slopes:
            found = []
            for (u, v), half, twice in slopes(terms):
                number = half * self._mean(twice)
                found.append(Slope((self._jet(u), self._jet(v)), number, twice))
            self._slopes[key] = tuple(found)
        return self._slopes[key]

    def _jet(self, jet: Jet) -> Jet:
        """A jet at a site, named by its input."""
        return jet[0], jet[1] % self.inputs

    def _draws_of(self, draw: int) -> list[tuple[float, int]]:
        """What the reading of a draw is made of, as far as it fluctuates: squared coefficients and draws."""
        reading = self.wiring.draws[draw].reading
        assert reading is not None
        terms = self.scales.coefficients[reading].items()
        return [(c**2, k) for k, c in terms if self._fluctuates(k)]

    def _fluctuates(self, draw: int) -> bool:
        """Whether the covariance of what is drawn is random: not for biases, and not for weights of the data."""
        return self.wiring.draws[draw].reading is not None

    def _axis(self, draw: int) -> int:
        """The coordinates that a draw sums over."""
        reading = self.wiring.draws[draw].reading
        assert reading is not None
        return self.wiring.axes[reading]

    # --- covariances ---

    def _covariance(self, m: int, j: int, X: Pair, Y: Pair) -> Any:
        """n Cov(Q_m[X], Q_j[Y])."""
        if m < j:
            m, j, X, Y = j, m, Y, X
        if not (self._fluctuates(m) and self._fluctuates(j) and is_even(*X, *Y)):
            return self.zero
        X, Y = canonical((X, Y))
        key = (m, j, X, Y)
        if key not in self._covariances:
            terms = self._summand(m, X)
            total = self._shared((m, X), terms, j, Y)
            for slope in self._slopes_of((m, X), terms):
                if slope.number:
                    before = sum((c * self._covariance(k, j, slope.pair, Y) for c, k in self._draws_of(m)), self.zero)
                    total = total + slope.number * before
            self._covariances[key] = total
        return self._covariances[key]

    def _shared(self, name: Any, terms: Terms, j: int, Y: Pair) -> Any:
        """n Cov(p, Q_j[Y]) by way of one coordinate; ``terms`` are the polynomial p of it, and ``name`` names it."""
        draw = name[0]
        if not self._fluctuates(j) or self._axis(draw) != self._axis(j):
            return self.zero
        key = (name, j, Y)
        if key not in self._own:
            other = self._summand(j, Y)
            total = self.zero.copy()
            total[self._axis(j)] = self._mean(times(terms, other)) - self._mean(terms) * self._mean(other)
            for slope in self._slopes_of((j, Y), other):
                for c, k in self._draws_of(j):
                    if slope.number:
                        total += slope.number * c * self._shared(name, terms, k, slope.pair)
            self._own[key] = total
        return self._own[key]

    # --- means ---

    def _correction(self, m: int, X: Pair) -> Any:
        """n (E Q_m[X] - its limit)."""
        if not self._fluctuates(m) or not is_even(*X):
            return self.zero
        key = (m, X)
        if key not in self._corrections:
            before = self._draws_of(m)
            total = self.zero
            for slope in self._slopes_of(key, self._summand(m, X)):
                moved = sum((c * self._correction(k, slope.pair) for c, k in before), self.zero)
                total = total + slope.number * moved + 0.5 * self._curvature(key, slope, before)
            self._corrections[key] = total
        return self._corrections[key]

    def _curvature(self, key: Any, slope: Slope, before: list[tuple[float, int]]) -> Any:
        """The second derivatives of a mean times covariances; and what a coordinate is drawn with depends on itself."""
        total = self.zero
        half = 0.5 if slope.pair[0] == slope.pair[1] else 1.0
        name = (*key, slope.pair)
        for second in self._slopes_of(name, slope.terms):
            if second.number:
                covariance = sum(
                    (c * d * self._covariance(k, l, slope.pair, second.pair) for c, k in before for d, l in before),
                    self.zero,
                )
                total = total + half * second.number * covariance
        for c, k in before:
            total = total + 2 * half * c * self._shared(name, slope.terms, k, slope.pair)
        return total
