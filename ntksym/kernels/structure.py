"""How a value is made, as far as its limit is concerned: views, what a value depends on, whether it is Gaussian."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from ntksym._lazy import lazy
from ntksym.errors import KernelError
from ntksym.kernels.logits import random_logits
from ntksym.kernels.values import At, Axes, Constant, Form, Graph, Lift, Path, Picked, Value
from ntksym.kernels.views import (
    Attended,
    Carried,
    Combination,
    Data,
    Drawn,
    Dropped,
    Mapped,
    Merged,
    Moving,
    Normal,
    Numeric,
    PickedOne,
    Result,
    Rotated,
    Split,
    Steps,
    View,
)
from ntksym.language.activations import Activation
from ntksym.language.dims import Size
from ntksym.language.expressions import Mul, Symbol
from ntksym.language.program import Node
from ntksym.language.types import MatrixType

sympy = lazy("sympy")

_MOVES = ("relabel", "pick", "shift", "patches", "pool")
INDEX_MOVES = ("relabel", "pick", "merge", "split")
"""Operations that only say which position (or coordinate) is meant: a function of the value moves into them."""


_APART = {
    False: "makes a position of each of finitely many random coordinates (a router's scores)",
    True: "takes coordinates apart, as batch normalisation does, whose kernel is an expectation over all positions of "
    "the batch together",
}
"""Why coordinates as positions have no kernel, by whether there are many."""


def size_expression(size: Size) -> Any:
    """A size in SymPy: dimensions are positive symbols."""
    size = size.canonical
    powers = (sympy.Symbol(d.name, positive=True) ** sympy.Rational(p.numerator, p.denominator) for d, p in size.powers)
    return sympy.Rational(size.coefficient.numerator, size.coefficient.denominator) * sympy.Mul(*powers)


def is_large(size: Size) -> bool:
    """Whether a size grows when the large dimensions do."""
    return any(dim.large and power > 0 for dim, power in size.canonical.powers)


class Structure:
    """Views of a graph's values, each found once."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.assumed_gaussian: dict[tuple[At, int], bool] = {}
        self.view: Callable[[Value], View] = cache(self._view)
        self.support: Callable[[Value], frozenset[Any]] = cache(self._support)
        self.draws: Callable[[Value], frozenset[Any]] = cache(self._draws)
        self.is_data: Callable[[At], bool] = cache(self._is_data)
        self.is_numeric: Callable[[At], bool] = cache(self._is_numeric)
        self.resolve: Callable[[Value], Value] = cache(self._resolve)

    # --- the same value under other names ---

    def _resolve(self, value: Value) -> Value:
        """A value by where it is made: carries and results of unrolled loops are values of their bodies."""
        if isinstance(value, Picked):
            return self._picked(value.axis, value.index, self.resolve(value.inner))
        if not isinstance(value, At):
            return value
        node = self.graph.node(value)
        if node.op == "carry":
            loop, path, step = self.graph.loop_of(value)
            if step is None:
                return value
            index = node.attr("index")
            if step == 0:
                return self.resolve(self.graph.at(loop.inputs[index], path))
            return self.resolve(self.graph.at(loop.body.outputs[index], (*path, (loop.id, step - 1))))
        if node.op == "element":
            loop, path, step = self.graph.loop_of(value)
            states = loop.attr("states")
            source = self.graph.at(loop.inputs[states + node.attr("index")], path)
            assert step is not None
            return self.resolve(Picked(node.attr("axis"), step, source))
        if node.op in ("result", "repeat"):
            loop_node, loop_at, index = self.loop(value)
            if loop_node.op == "repeat" and loop_node.id in self.graph.unrolled:
                times = self.times(loop_node)
                if times == 0:
                    return self.resolve(self.graph.at(loop_node.inputs[index], value.path))
                path = (*loop_at.path, (loop_node.id, times - 1))
                return self.resolve(self.graph.at(loop_node.body.outputs[index], path))
        if node.op == "pick":
            view = self.view(self.graph.inputs(value)[0])
            if isinstance(view, Steps) and view.axis == node.attr("axis"):
                return self.resolve(view.values[node.attr("index")])
        return value

    def _picked(self, axis: str, index: int, inner: Value) -> Value:
        if axis not in {a.name for a in self.graph.axes(inner)}:
            return inner
        view = None if isinstance(inner, Constant) else self.view(inner)
        if isinstance(view, Steps) and view.axis == axis:
            return self.resolve(view.values[index])
        return Picked(axis, index, inner)

    def loop(self, value: At) -> tuple[Node, At, int]:
        """The loop whose result this is, and which of its results."""
        node = self.graph.node(value)
        if node.op == "result":
            at = self.graph.inputs(value)[0]
            return self.graph.node(at), at, node.attr("index")
        return node, value, 0

    def times(self, loop: Node) -> int:
        return int(self.graph.numbers.number(loop.attr("times")))

    # --- views ---

    def _view(self, value: Value) -> View:
        value = self.resolve(value)
        if isinstance(value, Form):
            return Combination(value.terms)
        if isinstance(value, Constant):
            return Combination(((sympy.S.One, value),))
        if isinstance(value, Picked):
            return PickedOne(value.axis, value.index, value.inner)
        if isinstance(value, Lift):
            return self._operation(value.op, (value.inner,))
        return self._node(value)

    def _node(self, value: At) -> View:
        node = self.graph.node(value)
        inputs = () if node.op == "parameter" else self.graph.inputs(value)
        if node.op in ("repeat", "scan", "result"):
            return self._loop(value)
        if node.op == "carry":
            loop, path, _ = self.graph.loop_of(value)
            return Carried(At(loop.id, path), node.attr("index"))
        if node.op == "parameter":
            return Drawn(value, None)
        if node.op in ("matmul", "lookup"):
            return Drawn(inputs[0], inputs[1], bool(node.attr("transpose")))
        if node.op == "broadcast" and self.graph.node(inputs[0]).op == "constant":
            return self.view(inputs[0])
        if node.op == "constant":
            number = node.attr("value")
            return Combination(((size_expression(number), Constant()),) if number else ())
        if self.is_numeric(value) or (node.op == "broadcast" and self.is_numeric(inputs[0])):
            return Numeric(inputs[0] if node.op == "broadcast" else value)
        if self.is_data(value):
            return Data(value)
        if node.op == "map":
            return self._map(node, inputs)
        if node.op == "mix":
            weights, inner = inputs
            if not self._is_weight(weights):
                weights, inner = inner, weights
            if not self._is_weight(weights):
                raise self.refusal(value, "mixes with random weights, so the kernel stays random at infinite width")
            logits = random_logits(self.graph, weights)
            if logits is not None and logits.key == node.attr("axis"):
                return Attended(value, inner, logits)
            return Moving(value, inner, weights)
        return self._operation(value, inputs)

    def _is_weight(self, value: At) -> bool:
        node = self.graph.node(value)
        return self.is_numeric(value) or (node.op == "broadcast" and self.is_numeric(self.graph.inputs(value)[0]))

    def _operation(self, op: At, inputs: tuple[Value, ...]) -> View:
        """What an operation of the program is on given inputs."""
        node = self.graph.node(op)
        inner = inputs[0] if inputs else Constant()
        attr = node.attr
        if node.op == "linear":
            terms = zip(map(size_expression, attr("coefficients")), inputs, strict=True)
            return Combination(tuple((c, x) for c, x in terms if c != 0))
        if node.op in _MOVES:
            return Moving(op, inner)
        if node.op == "merge":
            axes = {a.name: a for a in self.graph.axes(inner)}
            return Merged(inner, tuple(axes[name] for name in attr("axes")))
        if node.op == "split":
            return Split(inner, attr("axis"))
        if node.op == "normalise":
            return Normal(inner, bool(attr("centre")))
        if node.op == "dropout":
            return Dropped(op, inner) if attr("rate") else Combination(((sympy.S.One, inner),))
        if node.op == "rotate":
            return Rotated(inner)
        if node.op == "broadcast":
            raise self.refusal(op, "repeats a random number along the coordinates, so the kernel stays random")
        if node.op in ("softmax", "top_k", "mask"):
            raise self.refusal(op, "reads scores that stay random at infinite width, so the kernel stays random")
        if node.op == "as_axis":
            (made,) = (axis for axis in self.graph.axes(op) if axis.name == attr("axis"))
            raise self.refusal(op, _APART[is_large(made.size)])
        raise KernelError(
            f"{self.graph.where(op)}: kernels have no rule for the operation {node.op}; "
            "add a view for it in ntksym/kernels/structure.py"
        )

    def _map(self, node: Node, inputs: tuple[At, ...]) -> View:
        phi: Activation = node.attr("phi")
        expr = phi.expr
        if isinstance(expr, Symbol):
            return Combination(((sympy.S.One, inputs[phi.symbols.index(expr.name)]),))
        if is_product(phi):
            views = [self.view(x) for x in inputs]
            numbers = [v for v in views if isinstance(v, Numeric)]
            rest = [x for x, v in zip(inputs, views, strict=True) if not isinstance(v, Numeric)]
            if numbers and len(rest) <= 1:
                # a product with numbers is linear: the numbers are coefficients
                return Combination(((tuple(v.value for v in numbers), rest[0] if rest else Constant()),))
        return Mapped(phi, tuple(inputs))

    def _loop(self, value: At) -> View:
        node, loop, index = self.loop(value)
        if node.op == "repeat":
            return Result(loop, index)
        times = self.graph.length(loop, node.attr("axis"))
        out = node.body.outputs[index]
        steps = tuple(self.graph.at(out, (*loop.path, (node.id, t))) for t in range(times))
        return Steps(steps, node.attr("axis"))

    def refusal(self, value: Value, why: str) -> KernelError:
        return KernelError(f"{self.graph.where(value)}: this {why}")

    # --- facts ---

    def _is_data(self, value: At) -> bool:
        node = self.graph.node(value)
        if node.op == "input":
            return True
        if node.op in ("parameter", "constant", "carry", "element", "result", "repeat", "scan", "dropout"):
            return node.op == "element" and self._resolved_data(value)
        inputs = self.graph.inputs(value)
        constant = [self.graph.node(x).op == "constant" for x in inputs]
        return not all(constant) and all(c or self.is_data(x) for c, x in zip(constant, inputs, strict=True))

    def _resolved_data(self, value: At) -> bool:
        found = self.resolve(value)
        while isinstance(found, Picked):
            found = found.inner
        return isinstance(found, At) and self.is_data(found)

    def _is_numeric(self, value: At) -> bool:
        node = self.graph.node(value)
        if isinstance(node.type, MatrixType) or not node.type.coord.is_one:
            return False
        if node.op in ("parameter", "matmul", "lookup", "carry", "element", "result", "repeat", "scan"):
            return False
        if node.op == "constant":
            return False
        if node.op in ("input", "contract"):
            return True
        inputs = self.graph.inputs(value)
        return all(self.is_numeric(x) or self.is_data(x) for x in inputs) and any(self.is_numeric(x) for x in inputs)

    def _draws(self, value: Value) -> frozenset[Any]:
        """What of its support is random: values without a common draw are independent."""
        fixed = {x for x in self.support(value) if isinstance(x, At) and self.graph.node(x).attr("init") == "constant"}
        return self.support(value) - fixed

    def _support(self, value: Value) -> frozenset[Any]:
        """The parameters and masks that a coordinate of the value depends on, other than through averages."""
        value = self.resolve(value)
        if isinstance(value, Constant):
            return frozenset()
        view = self.view(value)
        match view:
            case Data() | Numeric():
                return frozenset()
            case Combination(terms):
                return frozenset().union(*(self.support(x) for _, x in terms))
            case Mapped(_, arguments):
                return frozenset().union(*map(self.support, arguments))
            case Drawn(parameter):
                return frozenset((parameter,))
            case Dropped(mask, inner):
                return self.support(inner) | {mask}
            case Attended(_, inner, logits):
                return self.support(inner) | self.support(logits.queries) | self.support(logits.keys)
            case Carried(loop, index) | Result(loop, index):
                start = self.graph.inputs(loop)[index]
                return self.support(start) | {("copies", loop)}
            case Steps(values):
                return frozenset().union(*map(self.support, values))
            case _:
                return self.support(view.inner)

    def hidden(self, value: Value) -> Axes:
        """The position axes that were merged into the coordinates of a value."""
        value = self.resolve(value)
        if isinstance(value, Constant):
            return ()
        view = self.view(value)
        parts: tuple[Value, ...]
        match view:
            case Combination(terms):
                parts = tuple(x for _, x in terms)
            case Mapped(_, arguments):
                parts = arguments
            case Merged(inner, axes):
                return (*self.hidden(inner), *axes)
            case Steps(values):
                parts = values
            case (
                Moving(_, inner)
                | Attended(_, inner)
                | PickedOne(_, _, inner)
                | Normal(inner)
                | Dropped(_, inner)
                | Split(inner)
            ):
                parts = (inner,)
            case _:
                parts = ()
        return tuple({axis.name: axis for part in parts for axis in self.hidden(part)}.values())

    def is_gaussian(self, value: Value) -> bool:
        """Whether the coordinates are Gaussian, jointly with all others of which this holds."""
        value = self.resolve(value)
        if isinstance(value, Constant):
            return True
        view = self.view(value)
        match view:
            case Data() | Mapped() | Dropped() | Attended():
                return False
            case Drawn() | Numeric():
                return True
            case Combination(terms):
                return all(self.is_gaussian(x) for _, x in terms)
            case Carried(loop, index) | Result(loop, index):
                return self._carry_is_gaussian(loop, index)
            case Steps(values):
                return all(map(self.is_gaussian, values))
            case _:
                return self.is_gaussian(view.inner)

    def _carry_is_gaussian(self, loop: At, index: int) -> bool:
        if (loop, index) not in self.assumed_gaussian:
            node = self.graph.node(loop)
            inside: Path = (*loop.path, (loop.node, None))
            count = range(len(node.inputs))
            starts = {k: self.is_gaussian(x) for k, x in zip(count, self.graph.inputs(loop), strict=True)}
            self.assumed_gaussian.update({(loop, k): starts[k] for k in count})
            while True:
                # what is assumed of the carried values must hold of what the body makes of them
                ends = {k: self.is_gaussian(self.graph.at(node.body.outputs[k], inside)) for k in count}
                new = {(loop, k): self.assumed_gaussian[loop, k] and ends[k] for k in count}
                if all(self.assumed_gaussian[key] == new[key] for key in new):
                    break
                self.assumed_gaussian.update(new)
        return self.assumed_gaussian[loop, index]


def is_product(phi: Activation) -> bool:
    """Whether a function of several arguments is their product."""
    expr = phi.expr
    return (
        isinstance(expr, Mul) and all(isinstance(f, Symbol) for f in expr.args) and len(expr.args) == len(phi.symbols)
    )
