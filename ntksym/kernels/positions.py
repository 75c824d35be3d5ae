"""Operations on positions, bilinear in the two points, for second moments and tangent kernels alike."""

from __future__ import annotations

from typing import Any

from ntksym._lazy import lazy
from ntksym.kernels.apart import apart, bare, depends
from ntksym.kernels.attention import attended
from ntksym.kernels.book import at
from ntksym.kernels.rules import Rules
from ntksym.kernels.values import Value
from ntksym.kernels.views import (
    Attended,
    Dropped,
    Merged,
    Moving,
    PickedOne,
    Rotated,
    Split,
    Steps,
    View,
)
from ntksym.records.formula import SAME, Averaged, Layout, Moved, Shared, Stacked, names_in, ref

sympy = lazy("sympy")


class Positions:
    """Rules for values that are moved, merged, split or masked versions of others.

    ``tangent`` says which of two bilinear things is asked for; both follow the same rules.
    """

    def __init__(self, rules: Rules) -> None:
        self.rules = rules

    def of(self, v: Value, w: Value, a: View, b: View, tangent: bool) -> Any:
        """The second moment (tangent kernel) of two values, views a and b; None where no rule of this file applies."""
        pair = self.rules.pair
        if isinstance(a, Steps):
            return self._stacked(v, w, [pair(x, w, tangent) for x in a.values], a.axis, "left", tangent)
        if isinstance(b, Steps):
            return self._stacked(v, w, [pair(v, x, tangent) for x in b.values], b.axis, "right", tangent)
        if isinstance(a, Moving) and isinstance(b, Moving) and a.op == b.op:
            return self._moved(v, w, a, a.inner, b.inner, "both", tangent)
        if isinstance(a, Moving | PickedOne):
            return self._moved(v, w, a, a.inner, w, "left", tangent)
        if isinstance(b, Moving | PickedOne):
            return self._moved(v, w, b, v, b.inner, "right", tangent)
        if isinstance(a, Split) and isinstance(b, Split) and a.axis == b.axis:
            return self._split(v, a, b, tangent)
        if isinstance(a, Merged) and isinstance(b, Merged):
            return self._merged(v, w, a, b, tangent)
        if isinstance(a, Rotated) and isinstance(b, Rotated) and pair(a.inner, b.inner, tangent) == 0:
            return sympy.S.Zero
        if isinstance(a, Attended) and isinstance(b, Attended):
            return attended(self.rules, v, w, a, b, tangent)
        for view, value in ((a, v), (b, w)):
            if type(view) in _ALONE:
                raise self.rules.structure.refusal(value, _ALONE[type(view)])
        if isinstance(a, Dropped) or isinstance(b, Dropped):
            return self._dropped(v, w, a, b, tangent)
        return None

    def _moved(self, v: Value, w: Value, view: Any, x: Value, y: Value, sides: str, tangent: bool) -> Any:
        inner = self.rules.pair(x, y, tangent)
        if inner == 0:
            return inner
        op, attrs, weights = self.operation(view)
        mark, rest = apart(self.rules.book, inner, self.rules.layout(x, y), self._touched(view, v))
        heads = {name.partition(":")[2] for name in names_in(mark)}
        source = self.rules.kernel(x, y, rest, tangent, bare(self.rules.layout(x, y), heads)).name.partition("|")[0]
        layout, key = bare(self.rules.layout(v, w), heads), (source, op, attrs, sides, weights)
        return mark * self.rules.book.add(
            source[0],
            key,
            layout,
            lambda name: Moved(name, layout, f"{op} along positions", source, op, attrs, sides, weights),
        )

    def operation(self, view: Moving | PickedOne) -> tuple[str, tuple[tuple[str, Any], ...], str]:
        """An operation's name, its attributes, and the line that holds its weights, if it has any."""
        if isinstance(view, PickedOne):
            return "pick", (("axis", view.axis), ("index", view.index)), ""
        node = self.rules.graph.node(view.op)
        return node.op, node.attrs, "" if view.weights is None else self.rules.numbers.name(view.weights)

    def _touched(self, view: Moving | PickedOne, moved: Value) -> set[str]:
        """The axes of what is moved that an operation changes, removes or reads its weights along."""
        graph = self.rules.graph
        attrs = {"axis": view.axis} if isinstance(view, PickedOne) else dict(graph.node(view.op).attrs)
        changed = {attrs.get("axis"), *attrs.get("axes", ())}
        weights = graph.axes(view.weights) if isinstance(view, Moving) and view.weights is not None else ()
        gone = {a.name for a in graph.axes(view.inner)} - {a.name for a in graph.axes(moved)}
        return changed | gone | {axis.name for axis in weights}

    def _stacked(self, v: Value, w: Value, parts: list[Any], axis: str, side: str, tangent: bool) -> Any:
        if all(part == 0 for part in parts):
            return sympy.S.Zero
        layout, key = self.rules.layout(v, w), (tuple(parts), axis, side)
        return self.rules.book.add(
            "T" if tangent else "K" if v == w else "C",
            key,
            layout,
            lambda name: Stacked(name, layout, "the steps together", tuple(parts), axis, side),
        )

    def _split(self, v: Value, a: Split, b: Split, tangent: bool) -> Any:
        """Different parts of the coordinates are different coordinates."""
        if self.rules.structure.hidden(a.inner) or self.rules.structure.hidden(b.inner):
            raise self.rules.structure.refusal(v, "splits coordinates that were merged from positions")
        same = ref(f"{SAME}:{a.axis}")
        apart = 0 if tangent else self.rules.mean(a.inner) * at(self.rules.mean(b.inner), "22")
        return same * self.rules.pair(a.inner, b.inner, tangent) + (1 - same) * apart

    def _merged(self, v: Value, w: Value, a: Merged, b: Merged, tangent: bool) -> Any:
        """Coordinates from different positions are different coordinates; the position is now one that both share."""
        inner = self.rules.pair(a.inner, b.inner, tangent)
        if inner == 0:
            return inner
        if [x.size.canonical for x in a.axes] != [x.size.canonical for x in b.axes]:
            raise self.rules.structure.refusal(v, "merges other positions than the value it meets")
        full = self.rules.layout(a.inner, b.inner)
        joined = [(x.name, y.name) for x, y in zip(a.axes, b.axes, strict=True)]
        kept = {axis.name for axis in full.left} - {x for x, y in joined if x == y}
        mark, rest = apart(self.rules.book, inner, full, kept)
        heads = {name.partition(":")[2] for name in names_in(mark)}
        pairs = tuple(pair for pair in joined if pair[0] not in heads)
        if not pairs:
            return rest  # every position, and so every coordinate, is like every other
        source = self.rules.kernel(a.inner, b.inner, rest, tangent, bare(full, heads)).name.partition("|")[0]
        layout = bare(self.rules.layout(v, w), heads)
        return self.rules.book.add(
            source[0],
            (source, pairs),
            layout,
            lambda name: Shared(name, layout, "the same position of both points", source, pairs),
        )

    def _dropped(self, v: Value, w: Value, a: View, b: View, tangent: bool) -> Any:
        """A mask of mean one: it counts only where a value meets itself."""
        x = a.inner if isinstance(a, Dropped) else v
        y = b.inner if isinstance(b, Dropped) else w
        inner = self.rules.pair(x, y, tangent)
        if isinstance(a, Dropped) and isinstance(b, Dropped) and a.mask == b.mask:
            rate = self.rules.graph.node(a.mask).attr("rate")
            keep = 1 - sympy.Rational(rate.numerator, rate.denominator)
            return inner * (1 + (1 / keep - 1) * ref(SAME))
        return inner

    def average(self, v: Value, w: Value, expression: Any, tangent: bool = False) -> Any:
        """The mean over all coordinates, positions that were merged into them included."""
        full = self.rules.layout(v, w)
        alike = {axis.name for axis in full.shared if not depends(self.rules.book, expression, {axis.name})}
        if len(alike) == len(full.shared):
            return expression
        source = self.rules.kernel(v, w, expression, tangent, bare(full, alike)).name.partition("|")[0]
        layout = Layout(full.left, full.right)
        return self.rules.book.add(
            source[0],
            (source, "mean"),
            layout,
            lambda name: Averaged(name, layout, "mean over merged positions", source),
        )


_ALONE = {
    Split: "parts coordinates that another value keeps together",
    Merged: "meets a value without the positions that it merges",
    Attended: "attends with random weights to values that are used beside it, for which no rule is known",
    Rotated: "rotates values that are correlated, for which no rule is known",
}
"""Views that need their like on the other side, and what to say where it is not."""
