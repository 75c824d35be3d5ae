"""Forward sweeps: initial sizes, and how far training moves every value; through loops too."""

from __future__ import annotations

from collections.abc import Mapping

from ntksym.errors import ScalingError
from ntksym.language.program import Block, Node
from ntksym.language.types import MatrixType, Type
from ntksym.scaling.cones import Form, highest, lowest
from ntksym.scaling.facts import Stream
from ntksym.scaling.rules import rule_of
from ntksym.scaling.state import Change, State

ROUNDS = 8
"""How often a loop is applied before sizes that still grow are called not a power."""


def runaway(node: Node, what: str) -> ScalingError:
    times = node.attr("times")
    many = f"{times} copies" if times is not None else f"the steps along {node.attr('axis')}"
    return ScalingError(
        f"{node.source}: {what} grows by a power in every copy of the body, so over {many} it is not a power; "
        "scale the branch down, normalise what it reads, or make the number of copies a fixed, small number"
    )


def rounds(node: Node) -> tuple[int, bool]:
    """How often to apply a body, and whether that is all there is: a number of copies that is known and small."""
    times = node.attr("times")
    if times is not None and not times.powers and times.coefficient <= 4 * ROUNDS:
        return int(times.coefficient), True
    return ROUNDS, False


def large_axis(state: State, node: Node) -> bool:
    """Whether the axis that a scan runs along grows."""
    for i in node.inputs:
        type = state.facts.program.nodes[i].type
        axis = type.axis(node.attr("axis")) if isinstance(type, Type) else None
        if axis is not None and state.cone.form(axis.size) > state.cone.zero:
            return True
    return False


def depth(state: State, node: Node) -> Form:
    """How the number of copies grows; a scan has a fixed number of steps."""
    if node.op == "repeat":
        return state.cone.form(node.attr("times"))
    if large_axis(state, node):
        raise ScalingError(
            f"{node.source}: the scan along {node.attr('axis')} takes a number of steps that grows; exponents over "
            "a growing number of steps are not powers: keep this axis fixed"
        )
    return state.cone.zero


def check_loop(state: State, node: Node) -> None:
    """Refuse what has no power law over a growing depth: a shared weight, a skip path that is not one."""
    nodes = state.facts.program.nodes
    if node.op != "repeat" or depth(state, node) <= state.cone.zero:
        return
    for i in node.body.captured():
        if nodes[i].op == "parameter":
            raise ScalingError(
                f"{node.source}: the weight {nodes[i].name} is shared by all {node.attr('times')} copies of the "
                "body; there is no rule for a weight shared across a large depth: make it inside of the body"
            )
    for inner in node.body.nodes:
        if inner.op == "repeat" and any(i in node.body.arguments for i in inner.inputs):
            raise ScalingError(
                f"{inner.source}: there is no rule yet for a repeat that continues the skip path of another over a "
                "growing depth; write the inner copies out, or give the inner repeat a branch of its own"
            )
    for stream in state.facts.streams[node.id]:
        leading = [c.coefficient for c in stream.skip if state.cone.form(c) >= state.cone.zero]
        powers = any(c.powers for c in stream.skip if state.cone.form(c) >= state.cone.zero)
        if not stream.skips:
            raise ScalingError(
                f"{node.source}: the {node.attr('times')} copies have no skip path; changes then meet products of as "
                "many random matrices, whose spectra broaden with depth, and sizes alone do not tell: keep this "
                "dimension fixed, or add a skip path"
            )
        if abs(sum(leading)) != 1 or powers:
            factor = " + ".join(str(c) for c in stream.skip)
            raise ScalingError(
                f"{node.source}: the skip path is multiplied by {factor} in every copy, which over "
                f"{node.attr('times')} copies is not a power; leave the skip path unscaled"
            )


# --- initial sizes --------------------------------------------------------------------------------------------


def initial_sizes(state: State) -> None:
    """Fill ``state.init`` and ``state.low`` from the initial entries of the parameters."""
    state.init, state.low = {}, {}
    _sizes(state, state.facts.program.block, state.init, smallest=False)
    _sizes(state, state.facts.program.block, state.low, smallest=True)


def _sizes(state: State, block: Block, x: dict[int, Form], smallest: bool) -> None:
    for node in block.nodes:
        if node.op in ("carry", "element", "result"):
            continue
        if node.block:
            _loop_sizes(state, node, x, smallest)
        else:
            x[node.id] = rule_of(node).size(state, node, x)


def _loop_sizes(state: State, node: Node, x: dict[int, Form], smallest: bool) -> None:
    block = node.body
    copies = depth(state, node)
    check_loop(state, node)
    states = len(block.outputs)
    for argument, start in zip(block.arguments, node.inputs, strict=True):
        x[argument] = x[start]
    count, exactly = rounds(node)
    for _ in range(count):
        _sizes(state, block, x, smallest)
        streams = state.facts.streams[node.id]
        after = [_after_copies(state, s, x[a], x, copies) for s, a in zip(streams, block.arguments, strict=False)]
        grown = [highest(x[a], value) for a, value in zip(block.arguments, after, strict=False)]
        if smallest or all(g == x[a] for g, a in zip(grown, block.arguments, strict=False)):
            break
        for argument, value in zip(block.arguments[:states], grown, strict=True):
            x[argument] = value
    else:
        if not exactly:
            raise runaway(node, "the initial size of what the loop carries")
    # After the loop there is one size: what all copies together have added.
    ends = after if smallest else [x[argument] for argument in block.arguments[:states]]
    x[node.id] = ends[0]
    for index, key in state.facts.results.get(node.id, {}).items():
        x[key] = ends[index]


def _after_copies(state: State, stream: Stream, carried: Form, x: Mapping[int, Form], copies: Form) -> Form:
    """The size after all copies of what enters with a given size."""
    if not stream.skips:
        return x[stream.terms[0].node]
    adds = copies / 2 if stream.zero_mean else copies
    return highest(carried, *(state.cone.form(t.coefficient) + adds + x[t.node] for t in stream.terms))


# --- changes --------------------------------------------------------------------------------------------------


def changes(state: State) -> None:
    """Fill ``state.change`` from the updates of the parameters: how far every value moves."""
    block_changes(state, state.facts.program.block, updates=True)


def block_changes(state: State, block: Block, updates: bool) -> None:
    for node in block.nodes:
        if node.op in ("carry", "element"):
            continue
        if node.block:
            _loop_changes(state, node, updates)
        elif node.op == "result":
            state.change[node.id] = state.results[node.inputs[0]][node.attr("index")]
        else:
            state.change[node.id] = _change(state, node, updates)


def _change(state: State, node: Node, updates: bool) -> Change:
    never = state.cone.never
    rule = rule_of(node)
    born = along = own_change(state, node) if updates else never
    plain = turned = never
    values = [i for i in node.inputs if i in state.change]
    if all(state.change[i].total.is_never for i in values):
        return Change(born, never, never, along)
    gains = dict(zip(node.inputs, rule.gains(state, node), strict=True))
    crossing = dict(zip(node.inputs, rule.crossing(state, node), strict=True)) if rule.crossing else gains
    bend = _bend(state, node, values) if rule.curved else never
    for key in values:
        change, aligned = state.change[key], gains[key] + state.aligned(node, key)
        factor = gains[key] if state.shares is None else highest(crossing[key], aligned)
        turn = factor + bend
        if node.op == "matmul" and updates:
            _, cols = state.fans(node)
            turn = state.moved(node) + state.alignment.update(cols)
        either = highest(factor, turn)
        born = highest(born, either + change.born)
        plain = highest(plain, factor + change.plain)
        turned = highest(turned, turn + change.plain, either + change.turned)
        if state.shares is not None:
            along = highest(along, highest(aligned, turn) + change.total)
    bound = rule.bound(state, node)
    born, plain, turned = (lowest(form, bound) for form in (born, plain, turned))
    return Change(born, plain, turned, lowest(along, highest(born, plain, turned)))


def _bend(state: State, node: Node, values: list[int]) -> Form:
    """How much of themselves the factors of an operation have changed by their own weights, at most."""
    relative = [state.change[i].born - state.total(i) for i in values if state.change[i].born.finite]
    return highest(state.cone.never, *relative)


def own_change(state: State, node: Node) -> Form:
    """The change that a parameter's own update brings to the value it makes."""
    if node.op == "parameter":
        return state.update[node.id] if not isinstance(node.type, MatrixType) else state.cone.never
    if node.op == "lookup":
        return state.moved(node)
    if node.op == "matmul":
        _, cols = state.fans(node)
        return state.moved(node) + state.alignment.update(cols) + state.init[node.inputs[1]]
    return state.cone.never


def _loop_changes(state: State, node: Node, updates: bool) -> None:
    """The change of what a loop carries, by the origin it has for what encloses the loop."""
    if node.op == "scan":
        _scan_changes(state, node, updates)
        return
    entering = [state.change[i] for i in node.inputs]
    never = state.cone.never
    plain = turned = [Change(never, never, never, never)] * len(entering)
    # What enters with an enclosing carry is followed once through initial weights only, and once through all.
    if any(change.plain.finite for change in entering):
        plain = _repeat_changes(state, node, [_part(c, c.plain) for c in entering], updates=False)
    if any(change.plain.finite or change.turned.finite for change in entering):
        turned = _repeat_changes(state, node, [_part(c, highest(c.plain, c.turned)) for c in entering], updates)
    born = _repeat_changes(state, node, [_part(c, c.born) for c in entering], updates)
    state.results[node.id] = [
        Change(b.total, p.total, t.total, highest(b.along, p.along, t.along))
        for b, p, t in zip(born, plain, turned, strict=True)
    ]
    state.change[node.id] = state.results[node.id][0]


def _part(change: Change, form: Form) -> Change:
    """A part of a change, as a loop's body sees it on its carry, aligned as the whole is."""
    never = form.cone.never
    return Change(never, form, never, lowest(form, form + change.along - change.total) if form.finite else never)


def _scan_changes(state: State, node: Node, updates: bool) -> None:
    """A scan is a finite number of steps with one weight: origins pass through it as through any operation."""
    block = node.body
    depth(state, node)
    states = len(block.outputs)
    for argument, start in zip(block.arguments, node.inputs, strict=True):
        state.change[argument] = state.change[start]
    for _ in range(ROUNDS):
        block_changes(state, block, updates)
        before = [state.change[a] for a in block.arguments[:states]]
        after = [_larger(c, state.change[o]) for c, o in zip(before, block.outputs, strict=True)]
        if after == before:
            break
        for argument, change in zip(block.arguments[:states], after, strict=True):
            state.change[argument] = change
    else:
        raise runaway(node, "the change of what the loop carries")
    state.results[node.id] = [state.change[argument] for argument in block.arguments[:states]]
    state.change[node.id] = state.results[node.id][0]


def _larger(a: Change, b: Change) -> Change:
    pairs = zip((a.born, a.plain, a.turned, a.along), (b.born, b.plain, b.turned, b.along), strict=True)
    return Change(*(highest(x, y) for x, y in pairs))


def _repeat_changes(state: State, node: Node, entering: list[Change], updates: bool) -> list[Change]:
    block = node.body
    copies = depth(state, node)
    carried = list(entering)
    count, exactly = rounds(node)
    for _ in range(count):
        for argument, change in zip(block.arguments, carried, strict=True):
            state.change[argument] = change
        block_changes(state, block, updates)
        after = [
            _larger(_larger(entering[i], carried[i]), _moved_after(state, stream, copies, updates))
            for i, stream in enumerate(state.facts.streams[node.id])
        ]
        if after == carried:
            return after
        carried = after
    if exactly:
        return carried
    raise runaway(node, "the change of what the loop carries")


def _moved_after(state: State, stream: Stream, copies: Form, updates: bool) -> Change:
    """The change after all copies: own updates add up aligned, carried ones as a random walk through fresh weights."""
    never = state.cone.never
    moved = along = never
    adds = copies / 2 if stream.zero_mean else copies
    for term in stream.terms:
        change, scale = state.change[term.node], state.cone.form(term.coefficient)
        moved = highest(moved, scale + adds + change.plain if stream.skips else change.plain)
        if updates:
            moved = highest(moved, scale + copies + change.born, scale + copies + change.turned)
        along = highest(along, scale + copies + change.along if stream.skips else change.along)
    return Change(never, moved, never, lowest(along, moved))
