"""Values that are numbers at infinite width: attention weights, a graph's adjacency, sums over coordinates."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from ntksym._lazy import lazy
from ntksym.kernels.logits import growth
from ntksym.kernels.rules import Rules
from ntksym.kernels.structure import (
    is_large,
    size_expression,
)
from ntksym.kernels.values import At
from ntksym.language.dims import ONE, Size
from ntksym.records.formula import Layout, Pointwise, ref

sympy = lazy("sympy")


@dataclass(frozen=True)
class Scaled:
    """``size`` times ``expression``, with a random part that grows like ``noise``."""

    size: Size
    expression: Any
    noise: Size | None = None


class Numbers:
    """Numbers per position, as lines over one point."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self._scaled: dict[At, Scaled] = {}

    def coefficient(self, value: At) -> Any:
        """The number as an expression over the first point."""
        found = self.scaled(value)
        structure = self.rules.structure
        if found.noise is not None and growth(found.noise) >= 0:
            raise structure.refusal(
                value,
                "is a sum of random products that stays random at infinite width; scale it by one over its number of "
                "coordinates, or give it many heads (a large dimension) of many coordinates",
            )
        if found.expression == 0 or growth(found.size) < 0:
            return sympy.S.Zero
        if growth(found.size) > 0:
            raise structure.refusal(value, f"grows like {found.size}; scale it by one over its number of coordinates")
        return size_expression(found.size) * found.expression

    def name(self, value: At) -> str:
        """The line that holds the number."""
        value = self._plain(value)
        return self.line(self.coefficient(value), Layout(self.rules.graph.axes(value)), "a number per position")

    def line(self, expression: Any, layout: Layout, meaning: str) -> str:
        """The name of a line over one point for an expression."""
        if expression.is_Symbol and expression.name.endswith("|1"):
            name = str(expression.name.partition("|")[0])
            if self.rules.book.layouts.get(name) == layout:
                return name
        made = self.rules.book.add(
            "a",
            ("expression", expression),
            layout,
            lambda name: Pointwise(name, layout, meaning, "expression", expression=expression),
        )
        return str(made.name.partition("|")[0])

    def _plain(self, value: At) -> At:
        node = self.rules.graph.node(value)
        return self._plain(self.rules.graph.inputs(value)[0]) if node.op == "broadcast" else value

    def scaled(self, value: At) -> Scaled:
        value = self._plain(value)
        if value not in self._scaled:
            self._scaled[value] = self._scaled_of(value)
        return self._scaled[value]

    def _scaled_of(self, value: At) -> Scaled:
        graph, structure = self.rules.graph, self.rules.structure
        node = graph.node(value)
        layout = Layout(graph.axes(value))
        if structure.is_data(value):
            return Scaled(ONE, self._made(value, layout, "data", (("value", (value.node, value.path)),), ()))
        inputs = graph.inputs(value)
        if node.op == "contract":
            return self._contract(value, layout)
        if node.op == "linear":
            parts = [self.scaled(x) for x in inputs]
            sizes = [c * p.size for c, p in zip(node.attr("coefficients"), parts, strict=True)]
            noises = [c * p.noise for c, p in zip(node.attr("coefficients"), parts, strict=True) if p.noise is not None]
            noise = max(noises, key=growth, default=None)
            if len(parts) == 1:
                return Scaled(sizes[0], parts[0].expression, noise)
            total = sum((size_expression(s) * p.expression for s, p in zip(sizes, parts, strict=True)), sympy.S.Zero)
            return Scaled(max(sizes, key=growth) / max(sizes, key=growth), total, noise)
        sources = tuple(self.name(x) for x in inputs)
        return Scaled(ONE, self._made(value, layout, node.op, node.attrs, sources))

    def _made(self, value: At, layout: Layout, op: str, attrs: Any, sources: tuple[str, ...]) -> Any:
        made = self.rules.book.add(
            "a",
            (op, attrs, sources),
            layout,
            lambda name: Pointwise(name, layout, f"{op} of numbers", op, attrs, sources),
        )
        return ref(made.name.partition("|")[0], "1")

    def _contract(self, value: At, layout: Layout) -> Scaled:
        graph = self.rules.graph
        x, y = graph.inputs(value)
        size: Size = graph.node(x).type.coord  # type: ignore[union-attr]
        if not is_large(size):
            raise self.rules.structure.refusal(
                value, f"sums over {size} random coordinates, a number that stays finite, so it stays random"
            )
        mean = self.rules.positions.average(x, y, self.rules.second(x, y))
        noise = size ** Fraction(1, 2)
        if mean == 0:
            return Scaled(size, sympy.S.Zero, noise)
        source = self.rules.kernel(x, y, mean).name.partition("|")[0]
        return Scaled(size, self._made(value, layout, "joined", (), (source,)), noise)
