"""Tangent kernels of pairs of values: the inner product of the gradients of one coordinate of each.

The rules are those of the second moments with one more for weights: d(Wx) holds dW x and W dx, so
T(Wx, Wx') = sigma^2 (eta cov(x, x') + T(x, x')), where the last term stands for all weights before. A function of
Gaussians passes its derivatives on, T(f(u), g(v)) = E[f'(u) g'(v)] T(u, v), after all maps between fresh weights are
composed. Carried through a program these give the NTK (Jacot, Gabriel and Hongler 2018; Yang 2020, Tensor Programs II):
the recursion Theta' = K + K_dot Theta of a perceptron is what comes out. The forward direction needs no history of a
loop, and its state is the pair (kernel, tangent kernel).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ntksym._lazy import lazy
from ntksym.kernels.book import at, tidy
from ntksym.kernels.coordinates import ONE, Coordinate
from ntksym.kernels.moments import Moments
from ntksym.kernels.structure import (
    size_expression,
)
from ntksym.kernels.values import At, Constant, Value
from ntksym.kernels.views import (
    Carried,
    Combination,
    Data,
    Drawn,
    Mapped,
    Result,
    View,
)
from ntksym.language.types import MatrixType

sympy = lazy("sympy")


class Tangents:
    """All tangent kernels of one derivation.

    ``rates`` are learning-rate weights by parameter name, 1 where none is given; ``standard`` takes gradients of the
    weights themselves, otherwise of unit Gaussians that are multiplied by sigma / sqrt(fan_in).
    """

    def __init__(self, moments: Moments, rates: Mapping[str, Any], standard: bool) -> None:
        self.moments = moments
        self.structure = moments.structure
        self.graph = moments.graph
        self.rates = rates
        self.standard = standard
        self._known: dict[tuple[Value, Value], Any] = {}
        moments.tangent = self.tangent

    def tangent(self, v: Value, w: Value) -> Any:
        """The tangent kernel of two values, an expression that reads lines at (s, s')."""
        v, w = self.structure.resolve(v), self.structure.resolve(w)
        if (v, w) not in self._known:
            self._known[v, w] = tidy(self._found(v, w))
        return self._known[v, w]

    def _found(self, v: Value, w: Value) -> Any:
        if isinstance(v, Constant) or isinstance(w, Constant):
            return sympy.S.Zero
        if not self.structure.support(v) & self.structure.support(w):
            return sympy.S.Zero
        a, b = self.moments.view(v), self.moments.view(w)
        if isinstance(a, Data) or isinstance(b, Data):
            return sympy.S.Zero
        if isinstance(a, Combination):
            return sum((c * self.tangent(x, w) for c, x in a.terms), sympy.S.Zero)
        if isinstance(b, Combination):
            return sum((at(c, "22") * self.tangent(v, x) for c, x in b.terms), sympy.S.Zero)
        moved = self.moments.positions.of(v, w, a, b, tangent=True)
        if moved is not None:
            return moved
        if isinstance(a, Mapped) or isinstance(b, Mapped):
            return self._mapped(v, w, a, b)
        if isinstance(a, Carried | Result) or isinstance(b, Carried | Result):
            return self._carried(v, w, a, b)
        assert isinstance(a, Drawn)
        assert isinstance(b, Drawn)
        return self._drawn(a, b)

    def _carried(self, v: Value, w: Value, a: View, b: View) -> Any:
        first = a if self.graph.order(v) >= self.graph.order(w) else b
        if isinstance(first, Drawn):
            return sympy.S.Zero  # fresh weights, whatever they are applied to
        return self.moments.carried("T", v, w, a, b)

    def _mapped(self, v: Value, w: Value, a: View, b: View) -> Any:
        found = self._products(v, w)
        if found is not None:
            return found
        total = sympy.S.Zero
        for f, x in self._slopes(v, a):
            for g, y in self._slopes(w, b):
                passed = self._named(x, y)
                if passed != 0:
                    total += self.moments.expectations.between(f, g, v, w, "D") * passed
        return total

    def _products(self, v: Value, w: Value) -> Any:
        """Products of independent values: each factor's gradient times the moments of all others."""
        left, right = self.moments.factors(v), self.moments.factors(w)
        if len(left) == len(right) == 1:
            return None
        total = sympy.S.Zero
        for i, x in enumerate(left):
            for j, y in enumerate(right):
                passed = self._named(x, y)
                if passed == 0:
                    continue
                rest = self._others(left[:i] + left[i + 1 :], right[:j] + right[j + 1 :])
                if rest is None:
                    return None
                total += rest * passed
        return total

    def _others(self, left: tuple[Value, ...], right: tuple[Value, ...]) -> Any:
        """The moment of what is left of two products."""
        if len(left) == len(right) == 1:
            return self.moments.second(left[0], right[0])
        if len(left) + len(right) == 1:
            return self.moments.mean(left[0]) if left else at(self.moments.mean(right[0]), "22")
        return self.moments.product(left, right) if left or right else sympy.S.One

    def _named(self, v: Value, w: Value) -> Any:
        """A tangent kernel as a line, so that expressions do not swell."""
        found = self.tangent(v, w)
        return self.moments.kernel(v, w, found, tangent=True)

    def _slopes(self, v: Value, view: View) -> list[tuple[Coordinate, Value]]:
        """The gradient of a value as a sum of functions of the coordinate times gradients of other values."""
        if not isinstance(view, Mapped):
            return [(ONE, v)]
        coordinate = self.moments.composer.compose(v)
        return [(coordinate.derivative(k), coordinate.variables[k]) for k in coordinate.used]

    def _drawn(self, a: Drawn, b: Drawn) -> Any:
        node = self.graph.node(a.parameter)
        moments = self.moments
        through = sympy.S.Zero
        constant = node.attr("init") == "constant"
        variance = sympy.S.Zero if constant else moments.variance(a.parameter)
        if a.argument is not None and b.argument is not None and variance != 0:
            inner = self.tangent(a.argument, b.argument)
            through = variance * moments.positions.average(a.argument, b.argument, inner, tangent=True)
            if a.transpose:
                through *= size_expression(node.type.rows / node.type.cols)  # type: ignore[union-attr]
        own = self._own(a.parameter, variance, constant) * moments.inputs_moment(a, b)
        return moments.same_index(a.parameter) * (own + through)

    def _own(self, parameter: At, variance: Any, constant: bool) -> Any:
        """What the parameter's own gradient is multiplied by."""
        node = self.graph.node(parameter)
        if not node.attr("trainable"):
            return sympy.S.Zero
        rate = self.rates.get(node.name, sympy.S.One)
        if self.standard:
            size = self.graph.program.fan_in(node)
            return rate * size_expression(size)
        if not constant:
            return rate * variance
        if isinstance(node.type, MatrixType):
            return rate  # a matrix that starts at zero is 1/sqrt(fan_in) times unit weights that do
        return rate
