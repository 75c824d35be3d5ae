"""One layer of a perceptron as formulas: its kernels and 1/n tensors from those before, in brackets of the activation.

The formulas come out of the same algebra of jets as the numbers do (``moments``), for any number of inputs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from typing import Any

from ntksym._lazy import lazy
from ntksym.finite.jets import Entry, Factor, Pair, Terms, canonical, is_even, mean, slopes, summand, times
from ntksym.finite.tensors import CORRECTIONS, VERTICES

sympy = lazy("sympy")

Factors = tuple[Factor, ...]
POSITIVE = ("K", "C_W", "lambda_W")


def symbol(name: str) -> Any:
    """What a formula calls a tensor or a number."""
    return sympy.Symbol(name, positive=True) if name in POSITIVE else sympy.Symbol(name, real=True)


@dataclass(frozen=True)
class Line:
    """An entry of a tensor after the layer: ``noise`` that its coordinates add, and what is ``carried`` through it."""

    name: str
    noise: Any
    carried: Any


class Layer:
    """Derives the lines of a layer at ``inputs`` inputs, collecting the brackets that they need.

    Symbols: K, Theta and the tensors before the layer, by name, as in ``V``, or with inputs where there are several, as
    in ``V_1122``; C_W and lambda_W. What biases add to K and Theta is left out.
    """

    def __init__(self, inputs: int) -> None:
        self.inputs = inputs
        self.brackets: dict[Factors, Any] = {}
        self._names: dict[Entry, str] = {}
        for name, vertex in VERTICES.items():
            for at in product(range(inputs), repeat=4):
                self._names.setdefault(_alike(*vertex.entry(*at)), self.entry(name, *at))

    def entry(self, name: str, *at: int) -> str:
        """The name of an entry of a tensor."""
        return name if self.inputs == 1 else f"{name}_{''.join(str(a + 1) for a in at)}"

    def representative(self, name: str, *at: int) -> str:
        """The one name of all entries of a tensor that are equal by symmetry."""
        if name in VERTICES:
            return self._names[_alike(*VERTICES[name].entry(*at))]
        return self.entry(name, *sorted(at))

    def lines(self, tensors: tuple[str, ...]) -> Iterator[Line]:
        """Kernels and tensors, one line for all entries that are equal."""
        for order, name in enumerate(("K", "Theta")):
            for a, b in self._places(name, 2):
                pair = ("a" * order, a), ("a" * order, b)
                yield Line(self.entry(name, a, b), self._mean(summand(pair, 0)), sympy.S.Zero)
        for name in tensors:
            for at in self._places(name, 2 if name in CORRECTIONS else 4):
                if name in CORRECTIONS:
                    noise, carried = sympy.S.Zero, self._correction(CORRECTIONS[name].pair(*at))
                else:
                    noise, carried = self._covariance(VERTICES[name].entry(*at))
                yield Line(self.entry(name, *at), noise, carried)

    def _places(self, name: str, rank: int) -> Iterator[tuple[int, ...]]:
        every = product(range(self.inputs), repeat=rank)
        return (at for at in every if self.representative(name, *at) == self.entry(name, *at))

    def _covariance(self, entry: Entry) -> tuple[Any, Any]:
        """Sampling noise of this layer, and the covariance before it carried through."""
        first, second = (summand(pair, 0) for pair in entry)
        noise = self._mean(times(first, second)) - self._mean(first) * self._mean(second)
        carried = sum(
            (
                _number(half) * _number(other) * self._mean(twice) * self._mean(again) * self._before(uv, wx)
                for uv, half, twice in slopes(first)
                for wx, other, again in slopes(second)
                if is_even(*uv, *wx)
            ),
            sympy.S.Zero,
        )
        return noise, carried

    def _correction(self, pair: Pair) -> Any:
        """The shift of the mean before carried through, and half the curvature times covariances."""
        total = sympy.S.Zero
        for uv, half, twice in slopes(summand(pair, 0)):
            if is_even(*uv):
                name = next(n for n, made in CORRECTIONS.items() if made.direction == uv[0][0])
                shift = symbol(self.representative(name, uv[0][1], uv[1][1]))
                total += _number(half) * self._mean(twice) * shift
            for wx, other, again in slopes(twice):
                if is_even(*uv, *wx):
                    factor = _number(half) * _number(other) / 2
                    total += factor * self._mean(again) * self._before(uv, wx)
        return total

    def _before(self, first: Pair, second: Pair) -> Any:
        return symbol(self._names[_alike(first, second)])

    def _mean(self, terms: Terms) -> Any:
        total = sympy.S.Zero
        for part in mean(terms):
            value = _number(part.coefficient) * symbol("C_W") ** part.weights * symbol("lambda_W") ** part.rates
            for order, a, b in part.kernels:
                value *= symbol(self.entry("Theta", a, b)) if order == 1 else sympy.Symbol(f"Theta_{order}")
            total += value * self._bracket(part.factors)
        return total

    def _bracket(self, factors: Factors) -> Any:
        if factors not in self.brackets:
            text = "*".join(self._text(factor) for factor in factors)
            self.brackets[factors] = sympy.Symbol(f"<{text}>", real=True) if factors else sympy.S.One
        return self.brackets[factors]

    def _text(self, factor: Factor) -> str:
        counts = {order: sum(k == order for _, k in factor.orders) for _, order in sorted(factor.orders)}
        at = f"(z{factor.site + 1})" if self.inputs > 1 else ""
        inside = "*".join("phi" + "'" * k + at + (f"^{n}" if n > 1 else "") for k, n in counts.items())
        return f"d{factor.derivative if factor.derivative > 1 else ''}({inside})" if factor.derivative else inside


def _number(value: float) -> Any:
    return sympy.Rational(*Fraction(value).as_integer_ratio())


def _alike(first: Pair, second: Pair) -> Entry:
    """One name for a covariance and the one with its pairs exchanged."""
    return min(canonical((first, second)), canonical((second, first)))
