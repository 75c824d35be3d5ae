"""Second moments and means of pairs of values, by rules of the operations that made them (NETSOR, Yang 2019).

``Moments.second(v, w)`` is E[v(s) w(s')] for one coordinate at two points, an expression that reads lines of the book;
``mean(v)`` is E[v(s)]. Both are found on demand and kept.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ntksym._lazy import lazy
from ntksym.kernels.book import Book, at, tidy
from ntksym.kernels.coordinates import Composer
from ntksym.kernels.expectations import Expectations
from ntksym.kernels.means import Means
from ntksym.kernels.numbers import Numbers
from ntksym.kernels.positions import Positions
from ntksym.kernels.structure import (
    Structure,
    is_large,
    is_product,
    size_expression,
)
from ntksym.kernels.values import At, Constant, Form, Graph, Value
from ntksym.kernels.views import (
    Carried,
    Combination,
    Data,
    Drawn,
    Mapped,
    Normal,
    Numeric,
    Result,
    View,
)
from ntksym.records.formula import SAME, Gram, Layout, ref

sympy = lazy("sympy")


class Moments:
    """All second moments and means of one derivation."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.structure = Structure(graph)
        self.book = Book()
        self.composer = Composer(self.structure)
        self.numbers = Numbers(self)
        self.expectations = Expectations(self)
        self.positions = Positions(self)
        self.means = Means(self)
        self.tangent: Callable[[Value, Value], Any] | None = None
        self.states: dict[At, dict[Any, tuple[str, str]]] = {}
        self._second: dict[tuple[Value, Value], Any] = {}

    def view(self, value: Value) -> View:
        """How a value is made, numbers per position as coefficients."""
        found = self.structure.view(value)
        if isinstance(found, Numeric):
            return Combination(((self.numbers.coefficient(found.value), Constant()),))
        if isinstance(found, Combination) and any(isinstance(c, tuple) for c, _ in found.terms):
            terms = (
                (sympy.Mul(*map(self.numbers.coefficient, c)) if isinstance(c, tuple) else c, x) for c, x in found.terms
            )
            return Combination(tuple(terms))
        if isinstance(found, Normal):
            return self.means.normalised(found)
        return found

    def layout(self, v: Value, w: Value) -> Layout:
        """The axes of a line over two values."""
        shared = {a.name: a for x in (v, w) for a in self.structure.hidden(x)}
        return Layout(self.graph.axes(v), self.graph.axes(w), tuple(shared.values()))

    def kernel(
        self, v: Value, w: Value, expression: Any = None, tangent: bool = False, layout: Layout | None = None
    ) -> Any:
        """A second moment (tangent kernel, or another expression for the two values) as a line of its own."""
        expression = self.pair(v, w, tangent) if expression is None else expression
        same = self.structure.resolve(v) == self.structure.resolve(w)
        meaning = "tangent kernel of " if tangent else "second moment of "
        meaning += self.named(v) + ("" if same else " and " + self.named(w))
        return self.book.named(
            expression, "T" if tangent else "K" if same else "C", layout or self.layout(v, w), meaning
        )

    def named(self, value: Value) -> str:
        """A value in words."""
        value = self.structure.resolve(value)
        if isinstance(value, At):
            node = self.graph.node(value)
            return f"{node.name}" if node.op == "parameter" else f"{node.op} {node.name}"
        return "a sum" if isinstance(value, Form) else "a value"

    def mean(self, v: Value) -> Any:
        """E[v(s)], an expression over one point."""
        return self.means.mean(v)

    def pair(self, v: Value, w: Value, tangent: bool) -> Any:
        """The tangent kernel of two values, or their second moment."""
        if not tangent:
            return self.second(v, w)
        assert self.tangent is not None
        return self.tangent(v, w)

    # --- second moments ---

    def second(self, v: Value, w: Value) -> Any:
        """E[v(s) w(s')] for the same coordinate of both."""
        v, w = self.structure.resolve(v), self.structure.resolve(w)
        if (v, w) not in self._second:
            self._second[v, w] = tidy(self._found(v, w))
        return self._second[v, w]

    def _found(self, v: Value, w: Value) -> Any:
        if isinstance(v, Constant) or isinstance(w, Constant):
            return self.means.mean(v) * at(self.means.mean(w), "22")
        a, b = self.view(v), self.view(w)
        if isinstance(a, Data) and isinstance(b, Data):
            return self.gram(a.value, b.value)
        if isinstance(a, Combination):
            return sum((c * self.second(x, w) for c, x in a.terms), sympy.S.Zero)
        if isinstance(b, Combination):
            return sum((at(c, "22") * self.second(v, x) for c, x in b.terms), sympy.S.Zero)
        if not self.structure.draws(v) & self.structure.draws(w) and not (self._has_data(v) and self._has_data(w)):
            return self._independent(v, w)
        moved = self.positions.of(v, w, a, b, tangent=False)
        if moved is not None:
            return moved
        first, last = (a, b) if self.graph.order(v) >= self.graph.order(w) else (b, a)
        if isinstance(first, Carried | Result) and isinstance(last, Carried | Result | Mapped | Drawn):
            return self.carried("K", v, w, a, b)
        if isinstance(a, Drawn) and isinstance(b, Drawn):
            return self._drawn(v, w, a, b)
        return self._function(v, w)

    def _function(self, v: Value, w: Value) -> Any:
        """Functions of Gaussians; products of independent values factorise whatever these are (gates)."""
        found = self.product(self.factors(v), self.factors(w))
        if found is not None:
            return found
        return self.expectations.between(self.composer.compose(v), self.composer.compose(w), v, w, "E")

    def factors(self, value: Value) -> tuple[Value, ...]:
        """The values that a value is the product of; itself where it is no product."""
        view = self.structure.view(value)
        if isinstance(view, Mapped) and is_product(view.phi):
            return view.arguments
        return (value,)

    def product(self, left: tuple[Value, ...], right: tuple[Value, ...]) -> Any:
        """E[v1 v2 ... w1' w2' ...] where it is a product of moments of values and pairs of them, else None."""
        if len(left) == len(right) == 1:
            return None
        draws = self.structure.draws
        groups: list[tuple[frozenset[Any], list[Value], list[Value]]] = []
        for side, values in enumerate((left, right)):
            for value in values:
                mine = draws(value)
                first: list[Value] = []
                second: list[Value] = []
                rest = []
                for group in groups:
                    if group[0] & mine:
                        mine, first, second = mine | group[0], first + group[1], second + group[2]
                    else:
                        rest.append(group)
                (first, second)[side].append(value)
                groups = [*rest, (mine, first, second)]
        if any(len(first) > 1 or len(second) > 1 for _, first, second in groups):
            return None
        total = sympy.S.One
        for _, first, second in groups:
            if first and second:
                total *= self.second(first[0], second[0])
            elif first:
                total *= self.means.mean(first[0])
            else:
                total *= at(self.means.mean(second[0]), "22")
        return total

    def _independent(self, v: Value, w: Value) -> Any:
        """The product of the means; that of data is not asked for beside a mean of zero."""
        data = self._has_data(v)
        first = self.means.mean(w if data else v)
        if first == 0:
            return first
        second = self.means.mean(v if data else w)
        return second * at(first, "22") if data else first * at(second, "22")

    def _has_data(self, value: Value) -> bool:
        view = self.structure.view(value)
        while not isinstance(view, Data) and hasattr(view, "inner"):
            view = self.structure.view(view.inner)
        return isinstance(view, Data)

    def _drawn(self, v: Value, w: Value, a: Drawn, b: Drawn) -> Any:
        """cov(Wx, Wy) = sigma^2 cov(x, y); those of different parameters were found independent before."""
        node = self.graph.node(a.parameter)
        if node.attr("init") == "constant":
            return self.means.mean(v) * at(self.means.mean(w), "22")
        return self.variance(a.parameter) * self.same_index(a.parameter) * self.inputs_moment(a, b)

    def inputs_moment(self, a: Drawn, b: Drawn) -> Any:
        """The second moment of what a parameter is applied to, with what the fan-in makes of it."""
        if a.argument is None or b.argument is None:
            return sympy.S.One
        node = self.graph.node(a.parameter)
        if (a.argument is not None) and self.graph.node(a.argument).type.kind == "index":  # type: ignore[union-attr]
            return self.gram(a.argument, b.argument, tokens=True)
        self._check_width(a)
        found = self.positions.average(a.argument, b.argument, self.second(a.argument, b.argument))
        if a.transpose:
            found *= size_expression(node.type.rows / node.type.cols)  # type: ignore[union-attr]
        return found

    def _check_width(self, a: Drawn) -> None:
        assert a.argument is not None
        value = self.structure.resolve(a.argument)
        size = self.graph.node(a.argument).type.coord  # type: ignore[union-attr]
        if not (is_large(size) or not self.structure.draws(value)):
            raise self.structure.refusal(
                value,
                f"has {size} coordinates, a number that stays finite: their kernel stays random at infinite width; "
                "make the dimension large (ns.dim)",
            )

    def same_index(self, parameter: At) -> Any:
        """One where both points have the same index of an indexed parameter."""
        axes = self.graph.node(parameter).type.positions
        return sympy.Mul(*(ref(f"{SAME}:{axis.name}") for axis in axes))

    def variance(self, parameter: At) -> Any:
        """sigma^2, a symbol or a number."""
        node = self.graph.node(parameter)
        name, number = node.attr("sigma"), node.attr("value")
        if name:
            return sympy.Symbol(name, nonnegative=True) ** 2
        return sympy.Rational(number.numerator, number.denominator) ** 2 if number else sympy.S.Zero

    def gram(self, x: At, y: At, tokens: bool = False) -> Any:
        """The inner product of data."""
        layout = Layout(self.graph.axes(x), self.graph.axes(y))
        first, second = ((v.node, v.path) for v in map(self.structure.resolve, (x, y)) if isinstance(v, At))
        meaning = "equal tokens" if tokens else "inner product of the inputs over their dimension"
        return self.book.add(
            "K" if x == y else "C",
            ("gram", first, second, tokens),
            layout,
            lambda name: Gram(name, layout, meaning, first, second, tokens),
        )

    # --- what loops carry ---

    def carried(self, kind: str, v: Value, w: Value, a: View, b: View) -> Any:
        """A number that a repeat carries from copy to copy: its symbol inside, or the one for the end."""
        view = a if isinstance(a, Carried | Result) else b
        assert isinstance(view, Carried | Result)
        keys = tuple(
            x.index if isinstance(x, Carried | Result) and x.loop == view.loop else y for x, y in ((a, v), (b, w))
        )
        inside = any(isinstance(x, Carried) and x.loop == view.loop for x in (a, b))
        known = self.states.setdefault(view.loop, {})
        key = (kind, *keys)
        if key not in known:
            letter = kind if kind != "K" or keys[0] == keys[1] else "C"
            known[key] = (self.book.new_name(letter), self.book.new_name(letter))
            layout = self.layout(v, w) if kind != "m" else Layout(self.graph.axes(v))
            for name in known[key]:
                self.book.layouts[name] = layout
        name = known[key][0 if inside else 1]
        return ref(name, "1" if kind == "m" else "12")
