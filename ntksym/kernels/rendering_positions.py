"""Lines along positions, written with indices: K_{ij,i'j'}, sums over windows, over positions, with weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ntksym._lazy import lazy
from ntksym.kernels.rendering_names import Glossary, Indices, Name, Reading, is_positional
from ntksym.kernels.structure import size_expression
from ntksym.records.formula import Averaged, Layout, Line, Moved, Pointwise, Shared

sympy = lazy("sympy")

Where = dict[str, Any]
"""Index expressions by the names of axes."""


@dataclass(frozen=True)
class Place:
    """Where a line is read: indices of the first point, of the second, of both, and which inputs these are."""

    left: Where
    right: Where
    shared: Where
    points: str


@dataclass
class Written:
    """A line written out: sums over indices of a product of readings."""

    sums: list[Any] = field(default_factory=list)
    factors: list[Any] = field(default_factory=list)

    @property
    def product(self) -> Any:
        return sympy.Mul(*self.factors)


@dataclass
class Positions:
    """Readings of lines at places; hidden lines are written out."""

    lines: Mapping[str, Line]
    layouts: Mapping[str, Layout]
    names: Mapping[str, Name]
    hidden: frozenset[str]
    glossary: Glossary
    indices: Indices

    def home(self, layout: Layout, points: str) -> Place:
        """The place where a definition stands: indices i, j of the first point, i', j' of the second."""
        left = {a.name: self.indices.left(a.name) for a in layout.left}
        right = {a.name: self.indices.right(a.name) for a in layout.right}
        return Place(left, right, {a.name: self.indices.left(a.name) for a in layout.shared}, points)

    def seen(self, place: Place, side: str) -> Place:
        """The place at which an expression that stands at ``place`` reads a line ("12", "11", "22", "1", "2")."""
        if side == "12":
            return place
        both = {"1": place.left, "2": place.right}
        points = "".join(place.points[min(int(which), len(place.points)) - 1] for which in side)
        return Place(both[side[0]], both[side[-1]], place.shared, points)

    def read(self, name: str, place: Place) -> Any:
        """The line at a place as one symbol, or, of a reindexing, its source at another place."""
        found = Written()
        self._write(name, place, found)
        assert not found.sums, name
        return found.product

    def written(self, name: str, place: Place) -> Written:
        """What a sum over positions is defined as."""
        found = Written()
        self._define(self.lines[name], place, found)
        return found

    def symbol(self, name: str, place: Place, levels: tuple[Any, ...] | None = None) -> Any:
        """The symbol of a line at a place."""
        layout, label = self.layouts[name], self.names[name]
        shared = [_at(a.name, place.shared, place.left) for a in layout.shared]
        left = [_at(a.name, place.left, place.shared) for a in layout.left]
        right = [_at(a.name, place.right, place.shared) for a in layout.right]
        levels = label.levels if levels is None else levels
        if len(place.points) == 1:
            left, right = [*left, *shared], []
            shared = []
        reading = Reading(label.letter, label.number, levels, tuple(left), tuple(right), tuple(shared), place.points)
        return self.glossary.symbol(reading)

    def _write(self, name: str, place: Place, out: Written) -> None:
        line = self.lines.get(name)
        if name in self.hidden and line is not None and is_positional(line):
            self._define(line, place, out)
        else:
            out.factors.append(self.symbol(name, place))

    def _define(self, line: Line, place: Place, out: Written) -> None:
        left, right, shared = dict(place.left), dict(place.right), dict(place.shared)
        if isinstance(line, Shared):
            for x, y in line.axes:
                left[x] = right[y] = shared.pop(x)
            self._write(line.source, Place(left, right, shared, place.points), out)
        elif isinstance(line, Averaged):
            for axis in self.layouts[line.source].shared:
                shared[axis.name] = self.bound(self.indices.left(axis.name), out)
                out.factors.append(1 / size_expression(axis.size))
            self._write(line.source, Place(left, right, shared, place.points), out)
        else:
            assert isinstance(line, Moved | Pointwise)
            source, weights = _source(line)
            sides = getattr(line, "sides", "left")
            sizes = {a.name: a.size for layout in (self.layouts[source],) for a in (*layout.left, *layout.right)}
            attrs = dict(line.attrs)
            if sides in ("left", "both"):
                self.move(line.op, attrs, left, place.points[0], False, sizes, weights, out)
            if sides in ("right", "both"):
                self.move(line.op, attrs, right, place.points[-1], True, sizes, weights, out)
            self._write(source, Place(left, right, shared, place.points), out)

    def bound(self, symbol: Any, out: Written) -> Any:
        """An index that is summed over."""
        fresh = self.indices.fresh(symbol, set(out.sums))
        out.sums.append(fresh)
        return fresh

    def move(
        self,
        op: str,
        attrs: Mapping[str, Any],
        where: Where,
        point: str,
        second: bool,
        sizes: Mapping[str, Any],
        weights: str,
        out: Written,
    ) -> None:
        """What an operation does to the indices of one point: from those of its result to those of its source."""
        own = self.indices.right if second else self.indices.left
        if op == "relabel":
            where[attrs["old"]] = where.pop(attrs["new"])
        elif op == "pick":
            where[attrs["axis"]] = sympy.Integer(attrs["index"] + 1)
        elif op == "shift":
            where[attrs["axis"]] = where[attrs["axis"]] - attrs["by"]
        elif op == "patches":
            offset = where.pop(attrs["axis"])
            for k, (name, extent) in enumerate(zip(attrs["axes"], attrs["kernel"], strict=True)):
                part = offset if len(attrs["axes"]) == 1 else sympy.Symbol(f"{offset.name}_{k + 1}", integer=True)
                stride = attrs["stride"]
                # positions count from one: the first window of a valid convolution starts at the first position
                start = stride * (where[name] - 1) + 1 if stride != 1 else where[name]
                middle = (extent - 1) // 2 if attrs["padding"] == "valid" else 0
                where[name] = sympy.expand(start + part + middle)
        elif op == "pool":
            for name in attrs["axes"]:
                where[name] = self.bound(own(name), out)
                if attrs["mean"]:
                    out.factors.append(1 / size_expression(sizes[name]))
        elif op == "mix":
            axis = attrs["axis"]
            where[axis] = self.bound(own(axis), out)
            out.factors.append(self.symbol(weights, Place(where, where, {}, point)))
        else:
            raise KeyError(op)


def _source(line: Moved | Pointwise) -> tuple[str, str]:
    if isinstance(line, Moved):
        return line.source, line.weights
    return (line.sources[1], line.sources[0]) if line.op == "mix" else (line.sources[0], "")


def _at(axis: str, first: Where, second: Where) -> Any:
    return first[axis] if axis in first else second[axis]
