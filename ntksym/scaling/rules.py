"""One rule for each operation: the size of its value, and how changes and gradients pass through it.

``size`` gives the size from those of the inputs; ``gains`` what the change of each input is multiplied by on its
way to the value (initial weights and the other factors as they are); ``backward`` what the gradient is multiplied
by on its way to each input; ``bound`` what a change cannot exceed. ``curved`` operations have factors that change
themselves. Loops are not here: see ntksym.scaling.forward and backward.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from ntksym.errors import ScalingError
from ntksym.language.program import Node
from ntksym.language.types import MatrixType, Type
from ntksym.scaling.alignment import Alignment
from ntksym.scaling.cones import Cone, Form, highest, lowest
from ntksym.scaling.facts import COORD, Facts
from ntksym.scaling.maps import sensitivity, through


@dataclass(frozen=True)
class Change:
    """A change of a value inside a repeated body, by origin.

    ``born`` of this copy's own weights; ``plain``: brought by the carry through initial weights only; ``turned``:
    brought by the carry and passed through something that this copy's own weights changed.
    """

    born: Form
    plain: Form
    turned: Form

    @property
    def total(self) -> Form:
        return highest(self.born, self.plain, self.turned)


@dataclass
class State:
    """What is known of all sizes at one moment of a derivation."""

    cone: Cone
    facts: Facts
    alignment: Alignment
    entry: dict[int, Form] = field(default_factory=dict)
    """Initial entry of each parameter, multiplier included."""
    update: dict[int, Form] = field(default_factory=dict)
    """Aligned entry of each parameter's update, multiplier included."""
    tied: dict[int, Form] = field(default_factory=dict)
    """Extra multiplier of a use (by node) of a parameter that several uses share."""
    init: dict[int, Form] = field(default_factory=dict)
    low: dict[int, Form] = field(default_factory=dict)
    """Initial size in the first copy of a repeated body, where it is smallest."""
    early: bool = True
    """Whether loops are seen from their first copies, or from a typical one."""
    warnings: dict[int, str] = field(default_factory=dict)
    change: dict[int, Change] = field(default_factory=dict)
    results: dict[int, list[Change]] = field(default_factory=dict)
    """The change of every carried value after a loop."""
    budget: dict[int, Form] = field(default_factory=dict)
    gradient: dict[int, Form] = field(default_factory=dict)

    def total(self, key: int) -> Form:
        return highest(self.init[key], self.change[key].total)

    def use(self, node: Node) -> Form:
        return self.tied.get(node.id, self.cone.zero)

    def initial(self, node: Node) -> Form:
        """The initial entry that this use of a weight sees."""
        return self.entry[node.inputs[0]] + self.use(node)

    def moved(self, node: Node) -> Form:
        """The update's entry that this use of a weight sees."""
        return self.update[node.inputs[0]] + self.use(node)

    def fans(self, node: Node) -> tuple[Form, Form]:
        """Rows (with the copies stacked along axes that the input lacks) and columns of a matmul's weight."""
        weight, value = (self.facts.program.nodes[i].type for i in node.inputs)
        assert isinstance(weight, MatrixType)
        assert isinstance(value, Type)
        active = self.facts.active.get(node.id, {})
        rows, cols = (weight.cols, weight.rows) if node.attr("transpose") else (weight.rows, weight.cols)
        stacked = self.cone.form(active.get(COORD, rows))
        for axis in weight.positions:
            if value.axis(axis.name) is None:
                stacked = stacked + self.cone.form(active.get(axis.name, axis.size))
        return stacked, self.cone.form(cols)

    def spread(self, node: Node, index: int) -> Form:
        """What backward adds up: the positions of the value that the input is broadcast along."""
        if node.op not in _BROADCASTING:
            return self.cone.zero
        source = self.facts.program.nodes[node.inputs[index]].type
        have = {axis.name for axis in source.positions}
        total = self.cone.zero
        if isinstance(node.type, Type):
            for axis in node.type.positions:
                if axis.name not in have:
                    total = total + self.cone.form(axis.size)
        return total


Sizes = Mapping[int, Form]
_BROADCASTING = frozenset(("linear", "map", "contract", "mix"))
"""Operations that repeat a value along positions that another one has (a matmul's are counted as its rows)."""


def _inherit(state: State, node: Node, x: Sizes) -> Form:
    return x[node.inputs[0]]


def _flat(state: State, node: Node) -> Sequence[Form]:
    return (state.cone.zero,) * len(node.inputs)


def _unbounded(state: State, node: Node) -> Form:
    return state.cone.unbounded


@dataclass(frozen=True)
class Rule:
    size: Callable[[State, Node, Sizes], Form] = _inherit
    gains: Callable[[State, Node], Sequence[Form]] = _flat
    backward: Callable[[State, Node], Sequence[Form]] | None = None
    bound: Callable[[State, Node], Form] = _unbounded
    curved: bool = False


def rule_of(node: Node) -> Rule:
    """The rule of a node's operation; raises ScalingError where there is none."""
    if node.op not in rules:
        raise ScalingError(
            f"{node.source}: the scaling analysis has no rule for the operation {node.op!r} ({node.name}); "
            "write it in other operations, or add a Rule to ntksym.scaling.rules.rules"
        )
    return rules[node.op]


# --- weights --------------------------------------------------------------------------------------------------


def _matmul_size(state: State, node: Node, x: Sizes) -> Form:
    """W x with fresh W adds up n independent terms; a tied W meets values that depend on it (law of large numbers)."""
    _, cols = state.fans(node)
    weight, value = node.inputs
    entry, size = state.initial(node), x[value]
    fresh = entry + cols / 2 + size
    if not state.facts.bits[weight] & state.facts.depends[value]:
        return fresh
    seen = [use for use in state.facts.uses[weight] if use.id in x and use.id != node.id and use.id < node.id]
    tied = [
        state.entry[weight].times(2) + state.use(node) + state.use(use) + cols + _read(state, use, x) + size - x[use.id]
        for use in seen
        if x[use.id].finite and (use.op == "lookup" or bool(use.attr("transpose")) != bool(node.attr("transpose")))
    ]
    return highest(fresh, *tied)


def _read(state: State, use: Node, x: Sizes) -> Form:
    return state.cone.zero if use.op == "lookup" else x[use.inputs[1]]


def _matmul_gains(state: State, node: Node) -> Sequence[Form]:
    rows, cols = state.fans(node)
    return state.cone.never, state.initial(node) + state.alignment.initial(cols, rows)


def _parameter_size(state: State, node: Node, x: Sizes) -> Form:
    return state.entry[node.id]


# --- sums and products ----------------------------------------------------------------------------------------


def _coefficients(state: State, node: Node) -> list[Form]:
    return [state.cone.form(c) if c.coefficient else state.cone.never for c in node.attr("coefficients")]


def _linear_size(state: State, node: Node, x: Sizes) -> Form:
    return highest(*(c + x[i] for c, i in zip(_coefficients(state, node), node.inputs, strict=True)))


def _map_size(state: State, node: Node, x: Sizes) -> Form:
    never = state.cone.never
    with _line(node):
        return through(node.attr("phi"), tuple((x[i], never) for i in node.inputs), state.cone)[0]


def _map_gains(state: State, node: Node) -> Sequence[Form]:
    totals = tuple(state.total(i) for i in node.inputs)
    with _line(node):
        return [sensitivity(node.attr("phi"), totals, i, state.cone) for i in range(len(totals))]


def _map_bound(state: State, node: Node) -> Form:
    """A bounded function of one argument moves by order one at most."""
    if len(node.inputs) > 1 or state.change[node.inputs[0]].total <= state.cone.zero:
        return state.cone.unbounded
    huge = (state.init[node.inputs[0]], state.change[node.inputs[0]].total)
    with _line(node):
        return through(node.attr("phi"), (huge,), state.cone)[1]


@contextmanager
def _line(node: Node) -> Iterator[None]:
    """Refusals inside name the user's own line."""
    try:
        yield
    except ScalingError as error:
        raise ScalingError(f"{node.source}: {error}") from None


def _normalise_size(state: State, node: Node, x: Sizes) -> Form:
    return state.cone.zero if x[node.inputs[0]].finite else state.cone.never


def _normalise_gains(state: State, node: Node) -> Sequence[Form]:
    key = node.inputs[0]
    size = state.low[key] if state.early else state.init[key]
    size = size if size.finite else state.total(key)
    return (-size if size.finite else state.cone.zero,)


def _zero(state: State, node: Node) -> Form:
    return state.cone.zero


def _contracted(state: State, node: Node) -> Form:
    source = state.facts.program.nodes[node.inputs[0]].type
    assert isinstance(source, Type)
    return state.cone.form(source.coord)


def _contract_size(state: State, node: Node, x: Sizes) -> Form:
    a, b = node.inputs
    d = _contracted(state, node)
    return (d / 2 if state.facts.uncorrelated(a, b) else d) + x[a] + x[b]


def _contract_gains(state: State, node: Node) -> Sequence[Form]:
    a, b = node.inputs
    d = state.alignment.update(_contracted(state, node))
    return d + state.total(b), d + state.total(a)


def _contract_backward(state: State, node: Node) -> Sequence[Form]:
    a, b = node.inputs
    return state.total(b), state.total(a)


def _mixed(state: State, node: Node) -> Form:
    """How many positions a mix adds up: those that both carry."""
    nodes, name = state.facts.program.nodes, node.attr("axis")
    lengths = []
    for i in node.inputs:
        type = nodes[i].type
        assert isinstance(type, Type)
        axis = type.axis(name)
        if axis is not None:
            lengths.append(state.cone.form(state.facts.axis_size(i, axis)))
    return lowest(*lengths)


def _mix_size(state: State, node: Node, x: Sizes) -> Form:
    weights, value = node.inputs
    length = _mixed(state, node)
    independent = state.facts.indexed(value, node.attr("axis")) and state.facts.fresh_of(value, weights)
    return x[weights] + x[value] + (length / 2 if independent else length)


def _mix_gains(state: State, node: Node) -> Sequence[Form]:
    weights, value = node.inputs
    length = _mixed(state, node)
    return state.total(value) + length, state.total(weights) + length


def _mix_backward(state: State, node: Node) -> Sequence[Form]:
    weights, value = node.inputs
    return state.total(value), state.total(weights)


def _pooled(state: State, node: Node) -> Form:
    source = state.facts.program.nodes[node.inputs[0]].type
    assert isinstance(source, Type)
    total = state.cone.zero
    for name in node.attr("axes"):
        axis = source.axis(name)
        assert axis is not None
        total = total + state.cone.form(state.facts.axis_size(node.inputs[0], axis))
    return total


def _pool_size(state: State, node: Node, x: Sizes) -> Form:
    length, key = _pooled(state, node), node.inputs[0]
    independent = all(state.facts.indexed(key, name) for name in node.attr("axes"))
    mean = length if node.attr("mean") else state.cone.zero
    return x[key] + (length / 2 if independent else length) - mean


def _pool_gains(state: State, node: Node) -> Sequence[Form]:
    return (state.cone.zero if node.attr("mean") else _pooled(state, node),)


def _pool_backward(state: State, node: Node) -> Sequence[Form]:
    return (-_pooled(state, node) if node.attr("mean") else state.cone.zero,)


def _axis(state: State, node: Node) -> Form:
    type = node.type
    assert isinstance(type, Type)
    axis = type.axis(node.attr("axis"))
    assert axis is not None
    return state.cone.form(state.facts.axis_size(node.inputs[0], axis))


def _softmax_size(state: State, node: Node, x: Sizes) -> Form:
    return -_axis(state, node)


def _softmax_gains(state: State, node: Node) -> Sequence[Form]:
    return (-_axis(state, node),)


def _softmax_bound(state: State, node: Node) -> Form:
    return -_axis(state, node)


def _kept(state: State, node: Node) -> Form:
    return -state.cone.form(node.attr("k"))


def _top_k_gains(state: State, node: Node) -> Sequence[Form]:
    """What is kept is renormalised, so that only relative changes count."""
    size = state.init[node.inputs[0]]
    return (_kept(state, node) - (size if size.finite else state.cone.zero),)


def _broadcast_backward(state: State, node: Node) -> Sequence[Form]:
    """The gradient sums over the coordinates: like independent terms at the start, aligned once trained."""
    assert isinstance(node.type, Type)
    n = state.cone.form(node.type.coord)
    return (n if any(update.finite for update in state.update.values()) else n / 2,)


def _constant_size(state: State, node: Node, x: Sizes) -> Form:
    value = node.attr("value")
    return state.cone.form(value) if value else state.cone.never


_MOVES = Rule()
rules: dict[str, Rule] = {
    "input": Rule(size=lambda state, node, x: state.cone.zero),
    "constant": Rule(size=_constant_size),
    "parameter": Rule(size=_parameter_size),
    "matmul": Rule(_matmul_size, _matmul_gains),
    "lookup": Rule(size=lambda state, node, x: state.initial(node)),
    "linear": Rule(_linear_size, _coefficients),
    "map": Rule(_map_size, _map_gains, bound=_map_bound, curved=True),
    "normalise": Rule(_normalise_size, _normalise_gains, bound=_zero, curved=True),
    "contract": Rule(_contract_size, _contract_gains, _contract_backward, curved=True),
    "mix": Rule(_mix_size, _mix_gains, _mix_backward, curved=True),
    "pool": Rule(_pool_size, _pool_gains, _pool_backward),
    "softmax": Rule(_softmax_size, _softmax_gains, bound=_softmax_bound, curved=True),
    "top_k": Rule(lambda state, node, x: _kept(state, node), _top_k_gains, bound=_kept, curved=True),
    "broadcast": Rule(backward=_broadcast_backward),
    "patches": _MOVES,
    "split": _MOVES,
    "merge": _MOVES,
    "as_axis": _MOVES,
    "relabel": _MOVES,
    "pick": _MOVES,
    "shift": _MOVES,
    "rotate": _MOVES,
    "mask": _MOVES,
    "dropout": _MOVES,
}
