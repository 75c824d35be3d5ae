"""Results that are exact at every width, as rationals: second moments of the empirical kernels and their jets.

Where phi(z) is a z on the right of zero and b z on its left, every summand Omega is the square of that slope times a
quadratic form in jets, and given the empirical kernels before, jets are Gaussian. A Gaussian and its mirror image are
equally likely, so the mean of slope^2k times an even polynomial is (a^2k + b^2k)/2 times the polynomial's mean. So the
second moments of the empirical kernels of a perceptron follow from those before, without a rest in 1/n. With a = b this
holds for any number of inputs; otherwise for one, as signs of several preactivations are not independent of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from math import factorial

from ntksym.errors import FiniteWidthError
from ntksym.finite.jets import Entry, Jet, Pair, canonical, is_even, summand
from ntksym.finite.moments import Scales
from ntksym.finite.wiring import Wiring
from ntksym.gaussian.calculus import derivative
from ntksym.gaussian.pieces import pieces
from ntksym.gaussian.terms import NotMine
from ntksym.language.expressions import Expr, Number, Symbol, mul, symbols

Slopes = tuple[Fraction, Fraction]


def slopes_of(phi: Expr) -> Slopes | None:
    """The slopes a, b of a function that is a z for z > 0 and b z for z < 0; None for any other."""
    try:
        cut = pieces(phi)
    except NotMine:
        return None
    if cut.breaks not in ((), (0,)):
        return None
    found = [_slope(value) for value in (cut.values[-1], cut.values[0])]
    return None if None in found else (found[0], found[1])  # type: ignore[return-value]


def _slope(value: Expr) -> Fraction | None:
    """c for the expression c z with rational c."""
    if value == Number(Fraction(0)):
        return Fraction(0)
    slope = derivative(value, symbols(value)[0]) if symbols(value) else None
    is_linear = isinstance(slope, Number) and value == mul(slope, Symbol(symbols(value)[0]))
    return slope.value if isinstance(slope, Number) and is_linear else None


class ExactMoments:
    """First and second moments of the empirical kernels of a perceptron, at given widths, as rationals.

    ``scales`` holds Fractions, ``widths`` are those of the axes. Raises FiniteWidthError where moments do not close.
    """

    def __init__(self, wiring: Wiring, inputs: int, scales: Scales, widths: tuple[int, ...]) -> None:
        wiring.check_chain("results that are exact in n")
        self.wiring, self.inputs, self.scales, self.widths = wiring, inputs, scales, widths
        self.slopes: list[Slopes] = []
        for phi in wiring.functions:
            found = slopes_of(phi)
            if found is None:
                raise FiniteWidthError(f"{phi} is not linear on either side of zero, so its moments do not close")
            if inputs > 1 and found[0] != found[1]:
                raise FiniteWidthError(f"{phi} has a kink: its moments close for one input, and {inputs} were given")
            self.slopes.append(found)
        self._means: dict[tuple[int, Pair], Fraction] = {}
        self._products: dict[tuple[int, Entry], Fraction] = {}

    def mean(self, reading: int, pair: Pair) -> Fraction:
        """E of the empirical covariance of two jets."""
        S, T = pair[0][0], pair[1][0]
        if S != T:
            return Fraction(0)
        key = (reading, _sorted(pair))
        if key not in self._means:
            total = self._constant(reading, pair)
            for c, before, previous, phi in self._terms(reading, pair):
                total += c * self._power(phi, 2) * self.mean(previous, before)
            self._means[key] = total
        return self._means[key]

    def covariance(self, reading: int, entry: Entry) -> Fraction:
        """The covariance of two empirical covariances of jets."""
        return self._product(reading, entry) - self.mean(reading, entry[0]) * self.mean(reading, entry[1])

    def _product(self, reading: int, entry: Entry) -> Fraction:
        """E of the product of two empirical covariances of jets."""
        if not is_even(*entry[0], *entry[1]):
            return Fraction(0)
        X, Y = entry = canonical(entry)
        key = (reading, entry)
        if key not in self._products:
            one, other = self._constant(reading, X), self._constant(reading, Y)
            total = one * self.mean(reading, Y) + other * self.mean(reading, X) - one * other
            for c, (t, u), previous, phi in self._terms(reading, X):
                n = self.widths[self.wiring.axes[previous]]
                apart, alike = self._power(phi, 2) ** 2 * Fraction(n - 1, n), self._power(phi, 4) / n
                for d, (v, w), _, _ in self._terms(reading, Y):
                    pairings = [
                        self._product(previous, p) for p in (((t, u), (v, w)), ((t, v), (u, w)), ((t, w), (u, v)))
                    ]
                    total += c * d * (apart * pairings[0] + alike * sum(pairings))
            self._products[key] = total
        return self._products[key]

    def _power(self, phi: int, power: int) -> Fraction:
        a, b = self.slopes[phi]
        return (a**power + b**power) / 2

    def _constant(self, reading: int, pair: Pair) -> Fraction:
        """What does not depend on random weights of layers before: biases, and the first layer."""
        (S, x), (T, y) = pair
        if S != T or len(S) > 1:
            return Fraction(0)
        total = Fraction(0)
        for draw, c in self.scales.coefficients[reading].items():
            if self.wiring.draws[draw].reading is None:
                number = (self.scales.rates if S else self.scales.variances)[draw]
                gram = self.scales.grams[draw][x, y] if draw in self.scales.grams else 1
                total += Fraction(c) ** 2 * Fraction(number) * Fraction(gram)
        return total

    def _terms(self, reading: int, pair: Pair) -> Iterator[tuple[Fraction, Pair, int, int]]:
        """Omega as a quadratic form: number, two jets, the reading before, and the function, for each term."""
        for draw, c in self.scales.coefficients[reading].items():
            node = self.wiring.draws[draw]
            if node.reading is None or node.phi is None:
                continue
            for term in summand(pair, node.phi):
                orders = {factor.site: factor.orders for factor in term.factors}
                jets: list[Jet] = list(term.jets)
                for site, found in orders.items():
                    jets += [("", site)] * sum(order == 0 for _, order in found)
                if all(order < 2 for found in orders.values() for _, order in found):
                    C, rate = Fraction(self.scales.variances[draw]), Fraction(self.scales.rates[draw])
                    number = Fraction(int(term.coefficient)) * Fraction(c) ** 2 * C**term.weights * rate**term.rates
                    yield number, _sorted((jets[0], jets[1])), node.reading, node.phi


def _sorted(pair: Pair) -> Pair:
    return pair if pair[0] <= pair[1] else (pair[1], pair[0])


# --- one input without biases: all moments ------------------------------------------------------------------------


def layer_moment(slopes: Slopes, n: int, q: int) -> Fraction:
    """E[(sum_i s_i^2 g_i^2 / n)^q] over n Gaussians g_i with slopes s_i on their side of zero.

    Of one term the moments are (a^2j + b^2j)/2 (2j - 1)!!; those of the sum stand in the n-th power of their
    exponential generating function. For a = b = 1 it is prod_(j < q) (1 + 2j/n).
    """
    a, b = slopes
    series = [(a ** (2 * j) + b ** (2 * j)) / 2 * _double_factorial(2 * j - 1) / factorial(j) for j in range(q + 1)]
    power = [Fraction(1)] + [Fraction(0)] * q
    for bit in bin(n)[2:]:
        power = _times(power, power)
        if bit == "1":
            power = _times(power, series)
    return power[q] * factorial(q) / Fraction(n) ** q


def _times(left: list[Fraction], right: list[Fraction]) -> list[Fraction]:
    return [sum((left[i] * right[k - i] for i in range(k + 1)), Fraction(0)) for k in range(len(left))]


def _double_factorial(k: int) -> int:
    return k * _double_factorial(k - 2) if k > 1 else 1


def moment(wiring: Wiring, scales: Scales, widths: tuple[int, ...], q: int) -> Fraction:
    """E[f^(2q)] of one coordinate of a perceptron without biases at one input, exact in all widths.

    It is (2q - 1)!! K^q times the product over layers of C^q times ``layer_moment``. Raises FiniteWidthError for
    biases, and for functions that are not linear on either side of zero.
    """
    checked = ExactMoments(wiring, 1, scales, widths)
    total = Fraction(_double_factorial(2 * q - 1))
    reading: int | None = len(wiring.readings) - 1
    while reading is not None:
        (draw, c), *biases = (
            (k, Fraction(c)) for k, c in scales.coefficients[reading].items() if scales.variances[k] != 0
        )
        if biases:
            raise FiniteWidthError("a closed form for all moments needs biases of variance zero, as sigma_b=0")
        node = wiring.draws[draw]
        total *= (c**2 * Fraction(scales.variances[draw])) ** q
        if node.reading is None or node.phi is None:
            total *= Fraction(scales.grams[draw][0, 0]) ** q
        else:
            total *= layer_moment(checked.slopes[node.phi], widths[wiring.axes[node.reading]], q)
        reading = node.reading
    return total
