"""Numbers for a formula: every line on all pairs of inputs, in any precision or in floating point."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ntksym._lazy import lazy
from ntksym.errors import KernelError
from ntksym.kernels.arithmetic import Arithmetic
from ntksym.kernels.attended import head_average
from ntksym.kernels.changes import changed
from ntksym.kernels.data import DataValues
from ntksym.kernels.labelled import Array, Labelled, moved
from ntksym.language.expressions import mpmath_function, numpy_function
from ntksym.records.formula import (
    SAME,
    Algebra,
    Averaged,
    Differential,
    Expected,
    Formula,
    Gram,
    HeadAverage,
    Layout,
    Line,
    Loop,
    Moved,
    Pointwise,
    Shared,
    Stacked,
    is_one_point,
    readings,
)

sympy = lazy("sympy")


@dataclass(frozen=True)
class Pairs:
    """Pairs of inputs (i, j), among them (i, i) for every input."""

    first: Array
    second: Array
    alone: Array
    """Where the pair (i, i) stands, for every input i."""

    @staticmethod
    def of(count: int, split: int | None) -> Pairs:
        """All pairs i <= j of ``count`` inputs, or all (i, split + j) and the pairs (i, i)."""
        own = [(i, i) for i in range(count)]
        if split is None:
            rest = [(i, j) for i in range(count) for j in range(i + 1, count)]
        else:
            rest = [(i, j) for i in range(split) for j in range(split, count)]
        pairs = np.array(own + rest, dtype=int).reshape(-1, 2)
        return Pairs(pairs[:, 0], pairs[:, 1], np.arange(count))


@dataclass
class Evaluation:
    """One evaluation: the arrays of all lines so far, those of a loop's body anew in every round."""

    pairs: Pairs
    data: DataValues
    numbers: Arithmetic
    hyperparameters: Mapping[str, Any]
    length: Any
    arrays: dict[str, Labelled] = field(default_factory=dict)
    layouts: dict[str, Layout] = field(default_factory=dict)

    def run(self, formula: Formula) -> None:
        for line in formula:
            self.line(line)

    def line(self, line: Line) -> None:
        if isinstance(line, Loop):
            self._loop(line)
            return
        self.arrays[line.name] = _rules[type(line)](self, line)
        self.layouts[line.name] = line.layout

    # --- reading ---

    def expression(self, expression: Any, layout: Layout, one_point: bool) -> Labelled:
        """An expression on the axes of a layout."""
        labels = labels_of(layout)
        symbols = tuple(sorted(expression.free_symbols, key=lambda s: s.name))
        values = [self._symbol(symbol, layout, one_point) for symbol in symbols]
        found = self.numbers.algebra(expression, symbols, values)
        shape = (self._count(one_point), *self._shape(layout))
        return Labelled(labels, np.broadcast_to(found if np.ndim(found) else self.numbers.array(found), shape))

    def _symbol(self, symbol: Any, layout: Layout, one_point: bool) -> Any:
        known = readings(symbol)
        if symbol not in known:
            return self._hyperparameter(symbol.name)
        name, side = known[symbol]
        labels = labels_of(layout)
        if name.startswith(SAME):
            return self._same(name, layout, one_point)
        return self._read(name, side, layout, one_point).arranged(labels)

    def _hyperparameter(self, name: str) -> Any:
        if name not in self.hyperparameters:
            raise KernelError(f"a number is needed for {name}: add {name}=...")
        return self.hyperparameters[name]

    def _read(self, name: str, side: str, layout: Layout, one_point: bool) -> Labelled:
        found = self.arrays[name]
        shared = {axis.name for axis in layout.shared}
        if len(side) == 1:  # a line over one point
            changes = {
                x: f"S:{x[2:]}" if x[2:] in shared else f"{'L' if side == '1' else 'R'}:{x[2:]}" for x in found.labels
            }
            if not one_point:
                which = self.pairs.first if side == "1" else self.pairs.second
                found = Labelled(found.labels, found.data[which])
            return found.relabelled(changes)
        if side == "12":
            return found
        to = "L" if side == "11" else "R"
        changes = {x: f"{to}:{x[2:]}" for x in found.labels if x[0] in "LR"}
        if one_point:
            which = self.pairs.alone
        else:
            which = self.pairs.alone[self.pairs.first if side == "11" else self.pairs.second]
        read = Labelled(found.labels, found.data[which]).relabelled(changes)
        if one_point:  # positions that were merged stand among the others in a line over one point
            read = read.relabelled({x: f"L:{x[2:]}" for x in read.labels if x[0] == "S"} if not shared else {})
        return read

    def _same(self, name: str, layout: Layout, one_point: bool) -> Array:
        labels = labels_of(layout)
        if one_point:
            return self.numbers.array(1)
        axes = [a.name for a in layout.left if f"R:{a.name}" in labels]
        wanted = [name.partition(":")[2]] if ":" in name else axes
        found = np.ones((1,) * (1 + len(labels)), dtype=int)
        for axis in wanted:
            size = next(self.length(a) for a in layout.left if a.name == axis)
            eye = Labelled((f"L:{axis}", f"R:{axis}"), np.eye(size, dtype=int)[None])
            found = found * eye.arranged(labels)
        if ":" not in name:
            match = (self.pairs.first == self.pairs.second).astype(int)
            found = found * match.reshape(-1, *(1,) * len(labels))
        return self.numbers.array(found)

    def _count(self, one_point: bool) -> int:
        return len(self.pairs.alone) if one_point else len(self.pairs.first)

    def _shape(self, layout: Layout) -> tuple[int, ...]:
        return tuple(self.length(axis) for axis in (*layout.shared, *layout.left, *layout.right))

    def is_same(self, layout: Layout) -> Array:
        """Where both points are one."""
        labels = labels_of(layout)
        shape = (self._count(False), *self._shape(layout))
        if {a.name for a in layout.left} != {a.name for a in layout.right}:
            return np.zeros(shape, dtype=bool)
        found = (self.pairs.first == self.pairs.second).reshape(-1, *(1,) * len(labels))
        for axis in layout.left:
            eye = Labelled((f"L:{axis.name}", f"R:{axis.name}"), np.eye(self.length(axis), dtype=bool)[None])
            found = found & eye.arranged(labels)
        return np.broadcast_to(found, shape)

    # --- loops ---

    def _loop(self, loop: Loop) -> None:
        times = self.numbers.algebra(loop.times, tuple(loop.times.free_symbols), self._sizes(loop.times))
        count = round(float(times))
        if abs(float(times) - count) > 1e-9 or count < 0:
            raise KernelError(f"{loop.meaning}: {times} is not a number of copies")
        one_point = {state.name: is_one_point(state.name) for state in loop.states}
        for state in loop.states:
            self._set(state.name, self.expression(state.start, state.layout, one_point[state.name]))
        for _ in range(count):
            for line in loop.lines:
                self.line(line)
            new = {s.name: self.expression(s.after, s.layout, one_point[s.name]) for s in loop.states}
            for name, value in new.items():
                self._set(name, value)
        for state in loop.states:
            self._set(state.final, self.arrays[state.name])

    def _set(self, name: str, value: Labelled) -> None:
        self.arrays[name] = value

    def _sizes(self, expression: Any) -> list[Any]:
        return [self._hyperparameter(symbol.name) for symbol in expression.free_symbols]


def labels_of(layout: Layout) -> tuple[str, ...]:
    """The labels of a line's axes: shared ones, those of the first point, those of the second."""
    return (
        *(f"S:{a.name}" for a in layout.shared),
        *(f"L:{a.name}" for a in layout.left),
        *(f"R:{a.name}" for a in layout.right),
    )


# --- lines over two points ---------------------------------------------------------------------------------


def _gram(e: Evaluation, line: Gram) -> Labelled:
    u, v = e.data.array(*line.first), e.data.array(*line.second)
    labels = labels_of(line.layout)
    shape = (len(e.pairs.first), *e._shape(line.layout))
    if line.tokens:
        a = u[e.pairs.first].reshape(len(e.pairs.first), -1, 1)
        b = v[e.pairs.second].reshape(len(e.pairs.second), 1, -1)
        return Labelled(labels, e.numbers.array((a == b).astype(int)).reshape(shape))
    d = u.shape[-1]
    flat = [x.reshape(len(x), -1, d) for x in (u, v)]
    products = [flat[0][i] @ flat[1][j].T / d for i, j in zip(e.pairs.first, e.pairs.second, strict=True)]
    return Labelled(labels, np.stack(products).reshape(shape))


def _algebra(e: Evaluation, line: Algebra) -> Labelled:
    return e.expression(line.expression, line.layout, one_point=False)


def _expected(e: Evaluation, line: Expected) -> Labelled:
    one_point = is_one_point(line.name)
    layout = line.layout
    shape = (e._count(one_point), *e._shape(layout))
    arguments = {name: e.expression(x, layout, one_point).data for name, x in line.arguments}
    if line.diagonal is None:
        return Labelled(labels_of(layout), np.broadcast_to(_answered(e, line.answer, arguments), shape))
    same = e.is_same(layout)
    out = np.empty(shape, dtype=object if e.numbers.array(0).dtype == object else float)
    out[~same] = _answered(e, line.answer, {name: x[~same] for name, x in arguments.items()})
    if same.any():
        alone = {name: e.expression(x, layout, one_point).data[same] for name, x in line.diagonal_arguments}
        out[same] = _answered(e, line.diagonal, alone)
    return Labelled(labels_of(layout), out)


def _answered(e: Evaluation, answer: Any, arguments: dict[str, Array]) -> Array:
    if not arguments:
        return e.numbers.algebra(answer.expression, (), [])
    return e.numbers.answer(answer, arguments)


def _differential(e: Evaluation, line: Differential) -> Labelled:
    one_point, layout, of = is_one_point(line.name), line.layout, line.of
    shape = (e._count(one_point), *e._shape(layout))
    same = np.zeros(shape, dtype=bool) if of.diagonal is None else e.is_same(layout)
    out = np.empty(shape, dtype=object if e.numbers.array(0).dtype == object else float)
    for where, answer, arguments, changes in (
        (~same, of.answer, of.arguments, line.changes),
        (same, of.diagonal, of.diagonal_arguments, line.diagonal_changes),
    ):
        if where.any():
            values, slopes = (
                {name: e.expression(x, layout, one_point).data[where] for name, x in parts}
                for parts in (arguments, changes)
            )
            out[where] = changed(e.numbers, answer, values, slopes)
    return Labelled(labels_of(layout), out)


def _moved(e: Evaluation, line: Moved) -> Labelled:
    found, attrs = e.arrays[line.source], dict(line.attrs)
    for side, which in (("L", e.pairs.first), ("R", e.pairs.second)):
        if line.sides in ("both", "left" if side == "L" else "right"):
            weights = None
            if line.weights:
                held = e.arrays[line.weights]
                changes = {x: f"{side}:{x[2:]}" for x in held.labels}
                weights = Labelled(held.labels, held.data[which]).relabelled(changes)
            found = moved(found, line.op, side, attrs, weights)
    labels = labels_of(line.layout)
    return Labelled(labels, found.arranged(labels))


def _head_average(e: Evaluation, line: HeadAverage) -> Labelled:
    first, second = e.pairs.alone[e.pairs.first], e.pairs.alone[e.pairs.second]
    found, evidence = head_average(line, e.arrays, first, second)
    e.numbers.evidence.append(evidence)
    return Labelled(found.labels, e.numbers.array(found.data))


def _averaged(e: Evaluation, line: Averaged) -> Labelled:
    found = e.arrays[line.source]
    found = found.reduced(tuple(x for x in found.labels if x[0] == "S"), mean=True)
    labels = labels_of(line.layout)
    return Labelled(labels, found.arranged(labels))


def _shared(e: Evaluation, line: Shared) -> Labelled:
    changes = {}
    for left, right in line.axes:
        changes[f"L:{left}"] = changes[f"R:{right}"] = f"S:{left}"
    found = e.arrays[line.source].relabelled(changes)
    labels = labels_of(line.layout)
    return Labelled(labels, found.arranged(labels))


def _stacked(e: Evaluation, line: Stacked) -> Labelled:
    one_point = is_one_point(line.name)
    side, axes = line.side, {"left": line.layout.left, "right": line.layout.right}
    axes = {key: tuple(a for a in value if key != side or a.name != line.axis) for key, value in axes.items()}
    layout = Layout(axes["left"], axes["right"], line.layout.shared)
    parts = [e.expression(x, layout, one_point).data for x in line.sources]
    label = f"{'L' if side == 'left' else 'R'}:{line.axis}"
    found = Labelled((*labels_of(layout), label), np.stack(parts, axis=-1))
    labels = labels_of(line.layout)
    return Labelled(labels, found.arranged(labels))


# --- lines over one point ------------------------------------------------------------------------------------


def _pointwise(e: Evaluation, line: Pointwise) -> Labelled:
    labels, attrs = labels_of(line.layout), dict(line.attrs)
    sources = [e.arrays[name] for name in line.sources]
    if line.op == "data":
        array = e.data.array(*attrs["value"])
        return Labelled(labels, array[..., 0])
    if line.op == "expression":
        return e.expression(line.expression, line.layout, one_point=True)
    if line.op == "rsqrt":
        found = e.expression(line.expression, line.layout, one_point=True)
        return Labelled(labels, e.numbers.rsqrt(found.data))
    if line.op == "average":
        kept = tuple(axis for axis in attrs["axes"] if axis not in line.layout.left)
        found = e.expression(line.expression, Layout((*line.layout.left, *kept)), one_point=True)
        mean = Labelled(found.labels, found.data).reduced(tuple(f"L:{axis.name}" for axis in kept), mean=True)
        return Labelled(labels, mean.arranged(labels))
    if line.op == "joined":
        source = sources[0]
        found = Labelled(source.labels, source.data[e.pairs.alone])
        found = found.relabelled({x: f"L:{x[2:]}" for x in source.labels})
        return Labelled(labels, found.arranged(labels))
    if line.op in _pointwise_rules:
        return Labelled(labels, _pointwise_rules[line.op](e, sources, attrs).arranged(labels))
    if line.op == "mix":
        return Labelled(labels, moved(sources[1], "mix", "L", attrs, sources[0]).arranged(labels))
    return Labelled(labels, moved(sources[0], line.op, "L", attrs).arranged(labels))


def _softmax(e: Evaluation, sources: list[Labelled], attrs: Mapping[str, Any]) -> Labelled:
    (x,) = sources
    axis = x.axis(f"L:{attrs['axis']}")
    masked = x.data == -np.inf
    shown = np.where(masked, 0, x.data)
    exponentials = np.where(masked, 0, e.numbers.exp(shown))
    return Labelled(x.labels, exponentials / exponentials.sum(axis=axis, keepdims=True))


def _mask(e: Evaluation, sources: list[Labelled], attrs: Mapping[str, Any]) -> Labelled:
    (x,) = sources

    def index(key: str) -> Array:
        axis = x.axis(f"L:{attrs[key]}")
        return np.arange(x.data.shape[axis]).reshape(-1, *(1,) * (x.data.ndim - axis - 1))

    return Labelled(x.labels, np.where(index("key") <= index("query"), x.data, -np.inf))


def _map(e: Evaluation, sources: list[Labelled], attrs: Mapping[str, Any]) -> Labelled:
    phi = attrs["phi"]
    labels = tuple(dict.fromkeys(x for source in sources for x in source.labels))
    arrays = [source.arranged(labels) for source in sources]
    if e.numbers.array(0).dtype == object:
        function = np.vectorize(mpmath_function(phi.expr, phi.symbols), otypes=[object])
        return Labelled(labels, function(*np.broadcast_arrays(*arrays)))
    return Labelled(labels, numpy_function(phi.expr, phi.symbols)(*arrays))


_pointwise_rules = {"softmax": _softmax, "mask": _mask, "map": _map}

_rules: dict[Any, Any] = {
    Gram: _gram,
    Algebra: _algebra,
    Expected: _expected,
    Differential: _differential,
    Moved: _moved,
    HeadAverage: _head_average,
    Averaged: _averaged,
    Shared: _shared,
    Stacked: _stacked,
    Pointwise: _pointwise,
}
