"""One rule for each operation: the size of its value, and how changes and gradients pass through it.

``size`` gives the size from those of the inputs; ``gains`` what the change of each input is multiplied by on its
way to the value, at most (initial weights and the other factors as they are); ``crossing`` what is left of it for a
change in a direction that has nothing to do with the weights or the other factor; ``backward`` what the gradient is
multiplied by on its way to each input; ``bound`` what a change cannot exceed. ``curved`` operations have factors that
change themselves. Loops are not here: see ntksym.scaling.forward and backward.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from ntksym.errors import ScalingError
from ntksym.language.program import Node
from ntksym.language.types import Type
from ntksym.scaling.cones import Form, highest, lowest
from ntksym.scaling.maps import sensitivity, through
from ntksym.scaling.state import State

Sizes = Mapping[int, Form]


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
    crossing: Callable[[State, Node], Sequence[Form]] | None = None
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


def _matmul_crossing(state: State, node: Node) -> Sequence[Form]:
    _, cols = state.fans(node)
    return state.cone.never, state.initial(node) + cols / 2


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


def _contract_crossing(state: State, node: Node) -> Sequence[Form]:
    a, b = node.inputs
    d = _contracted(state, node)
    d = d / 2 if state.facts.uncorrelated(a, b) else state.alignment.update(d)
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
    "matmul": Rule(_matmul_size, _matmul_gains, _matmul_crossing),
    "lookup": Rule(size=lambda state, node, x: state.initial(node)),
    "linear": Rule(_linear_size, _coefficients),
    "map": Rule(_map_size, _map_gains, bound=_map_bound, curved=True),
    "normalise": Rule(_normalise_size, _normalise_gains, bound=_zero, curved=True),
    "contract": Rule(_contract_size, _contract_gains, _contract_crossing, _contract_backward, curved=True),
    "mix": Rule(_mix_size, _mix_gains, backward=_mix_backward, curved=True),
    "pool": Rule(_pool_size, _pool_gains, backward=_pool_backward),
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
