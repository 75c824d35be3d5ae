"""Backward sweeps: how much each value may change (budgets), and how large gradients are; through loops too."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ntksym.language.program import Block, Node
from ntksym.language.types import MatrixType
from ntksym.scaling.cones import Form, highest, lowest
from ntksym.scaling.facts import Stream
from ntksym.scaling.forward import ROUNDS, depth, rounds, runaway
from ntksym.scaling.rules import rule_of
from ntksym.scaling.state import State

_ENDS = frozenset(("carry", "element", "parameter", "input", "constant", "result"))

# --- budgets --------------------------------------------------------------------------------------------------


def budgets(state: State) -> None:
    """Fill ``state.budget``: the largest change of every value under which the outputs move by order one.

    A value that is read by more than a linear combination must also stay of order one itself (or of its own
    initial size, where that is larger).
    """
    outputs = state.facts.program.block.outputs
    state.budget = {}
    _Budget(state).block(state.facts.program.block, dict.fromkeys(outputs, state.cone.zero), {})


class _Budget:
    """Budgets of one block, minimum over readers. ``record`` keeps them as the answer for the whole program."""

    def __init__(self, state: State, record: bool = True) -> None:
        self.state, self.record = state, record

    def block(self, block: Block, seeds: Mapping[int, Form], direct: Mapping[int, Form]) -> dict[int, Form]:
        """Budgets of all values that the block reads or makes, from those of its ``seeds``.

        ``direct`` gives the values on a skip path a further budget for the terms that are added to them.
        """
        state, out = self.state, dict(seeds)
        for node in reversed(block.nodes):
            budget = self.capped(node.id, out.get(node.id, state.cone.unbounded))
            out[node.id] = budget
            if node.block:
                self.loop(node, budget, out)
            elif node.op not in _ENDS:
                for key, factor in zip(node.inputs, rule_of(node).gains(state, node), strict=True):
                    if isinstance(state.facts.program.nodes[key].type, MatrixType):
                        continue
                    allowed = budget
                    if node.id in direct and key not in direct:
                        allowed = lowest(budget, direct[node.id])
                    out[key] = lowest(out.get(key, state.cone.unbounded), allowed - factor)
        if self.record:
            for key, form in out.items():
                state.budget[key] = lowest(state.budget.get(key, state.cone.unbounded), form)
        return out

    def capped(self, key: int, budget: Form) -> Form:
        state = self.state
        if key not in state.facts.read or key not in state.init:
            return budget
        sizes = state.init if self.record else state.low
        return lowest(budget, highest(state.cone.zero, sizes[key]))

    def loop(self, node: Node, budget: Form, out: dict[int, Form]) -> None:
        """Changes born in every copy add up; what enters must survive all copies."""
        state, block = self.state, node.body
        copies, streams = depth(state, node), state.facts.streams[node.id]
        ends = self.results(node, budget, out, len(streams))
        count, exactly = rounds(node)
        first: list[Form] | None = None
        for _ in range(count):
            seeds = {key: end - copies for key, end in zip(block.outputs, ends, strict=True)}
            inside = self.block(block, seeds, {})
            through = _Budget(state, record=False).through(node, ends, copies)
            # What a skip path carries is bounded by what leaves the loop; else by the copies that still come.
            limits = [
                [form for i, form in enumerate(column) if i != j or not streams[j].skips]
                for j, column in enumerate(zip(*through, strict=True))
            ]
            kept = [lowest(end, *limit) for end, limit in zip(ends, limits, strict=True)]
            first = first or kept
            if kept == ends:
                break
            ends = kept
        else:
            if not exactly and not all(stream.skips for stream in streams):
                raise runaway(node, "the sensitivity to what the loop carries")
            if not exactly:
                state.warnings[node.id] = "changes grow by a power in every copy of the body"
                ends = first or ends
        entering = [lowest(end, *column) for end, column in zip(ends, zip(*through, strict=True), strict=True)]
        for key in block.captured():
            if key in inside:
                out[key] = lowest(out.get(key, state.cone.unbounded), inside[key])
        for i, start in enumerate(node.inputs):
            allowed = entering[i] if i < len(streams) else inside.get(block.arguments[i], state.cone.unbounded)
            if i < len(streams) and self.record:
                state.budget[block.arguments[i]] = allowed
            out[start] = lowest(out.get(start, state.cone.unbounded), allowed)

    def results(self, node: Node, budget: Form, out: Mapping[int, Form], states: int) -> list[Form]:
        """The budget of each carried value at the loop's end."""
        nothing = self.state.cone.unbounded
        by_index = self.state.facts.results.get(node.id)
        if by_index is None:
            return [budget, *[nothing] * (states - 1)]
        return [out.get(by_index.get(i, -1), nothing) for i in range(states)]

    def through(self, node: Node, ends: list[Form], copies: Form) -> list[list[Form]]:
        """For each carried result, how much each carried value may change at the entrance, skip paths apart."""
        state, block = self.state, node.body
        found = []
        for i, (end, stream) in enumerate(zip(ends, state.facts.streams[node.id], strict=True)):
            if stream.skips:
                added = end - (copies / 2 if stream.zero_mean else copies)
                out = self.block(block, {}, dict.fromkeys(stream.path, added))
            else:
                out = self.block(block, {block.outputs[i]: end}, {})
            found.append([out.get(key, state.cone.unbounded) for key in block.arguments[: len(ends)]])
        return found


# --- gradients ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Flow:
    """A gradient by the way it came: through initial weights only, or through something training changed."""

    plain: Form
    turned: Form

    @property
    def total(self) -> Form:
        return highest(self.plain, self.turned)


def gradients(state: State) -> None:
    """Fill ``state.gradient`` for all values and, for parameters, for their entries (multiplier included)."""
    cone = state.cone
    state.gradient = {p.id: cone.never for p in state.facts.program.parameters}
    outputs = state.facts.program.block.outputs
    seeds = {key: Flow(-_positions(state, key), cone.never) for key in outputs}
    _Gradient(state).block(state.facts.program.block, seeds, {})


def _positions(state: State, key: int) -> Form:
    """A loss is a mean over the positions of an output: each has its share of the gradient."""
    total = state.cone.zero
    for axis in state.facts.program.nodes[key].type.positions:
        total = total + state.cone.form(axis.size)
    return total


class _Gradient:
    def __init__(self, state: State, record: bool = True) -> None:
        self.state, self.record = state, record
        self.none = Flow(state.cone.never, state.cone.never)
        self.through: dict[tuple[int, int], Form] = {}
        """What reached a value (second key) through a reader of it (first key), by its initial weights."""

    def add(self, out: dict[int, Flow], key: int, flow: Flow) -> None:
        out[key] = self.joined(out[key], flow) if key in out else flow

    def joined(self, a: Flow, b: Flow) -> Flow:
        return Flow(highest(a.plain, b.plain), highest(a.turned, b.turned))

    def block(self, block: Block, seeds: Mapping[int, Flow], direct: Mapping[int, Flow]) -> dict[int, Flow]:
        """Gradients of all values that the block reads or makes.

        ``direct`` gives the values on a skip path a further gradient, for the terms that are added to them.
        """
        state, out = self.state, dict(seeds)
        for node in reversed(block.nodes):
            flow = out.get(node.id, self.none)
            if node.op in _ENDS:
                continue
            if node.block:
                self.loop(node, flow, out)
            else:
                self.node(node, flow, out, direct)
        if self.record:
            for key, flow in out.items():
                state.gradient[key] = highest(state.gradient.get(key, state.cone.never), flow.total)
            self.share(block, out)
        return out

    def share(self, block: Block, out: Mapping[int, Flow]) -> None:
        """Note how much of the gradient of each value came through each of its readers."""
        shares, never = self.state.shares, self.state.cone.never
        if shares is None:
            return
        for node in block.nodes:
            for key in node.inputs:
                came = self.through.pop((node.id, key), never)
                if came.finite:
                    part = lowest(self.state.cone.zero, came - out[key].total)
                    shares[node.id, key] = highest(shares.get((node.id, key), never), part)

    def node(self, node: Node, flow: Flow, out: dict[int, Flow], direct: Mapping[int, Flow]) -> None:
        state = self.state
        if node.op in ("matmul", "lookup"):
            self.weight(node, flow)
        if node.op == "lookup":
            return
        rule = rule_of(node)
        nodes = state.facts.program.nodes
        turns = state.cone.never
        if node.op == "matmul":
            rows, _ = state.fans(node)
            gains = [state.cone.never, state.initial(node) + rows / 2]
            turns = state.moved(node) + state.alignment.update(rows)
        else:
            gains = list((rule.backward or rule.gains)(state, node))
            turned = self.bend(node) if rule.curved else state.cone.never
        for i, (key, factor) in enumerate(zip(node.inputs, gains, strict=True)):
            if isinstance(nodes[key].type, MatrixType):
                continue
            came = flow
            if node.id in direct and key not in direct:
                came = self.joined(flow, direct[node.id])
            spread = state.spread(node, i)
            turn = turns if node.op == "matmul" else factor + turned
            plain = spread + factor + came.plain
            if self.record:
                straight = spread + factor + came.total
                self.through[node.id, key] = highest(self.through.get((node.id, key), state.cone.never), straight)
            self.add(out, key, Flow(plain, spread + highest(turn + came.plain, highest(factor, turn) + came.turned)))

    def bend(self, node: Node) -> Form:
        state = self.state
        values = [i for i in node.inputs if i in state.change and state.change[i].born.finite]
        return highest(state.cone.never, *(state.change[i].born - state.total(i) for i in values))

    def weight(self, node: Node, flow: Flow) -> None:
        """The gradient of a weight's entries: an outer product with what it reads, added up over positions."""
        state = self.state
        if not self.record:
            return
        key = node.inputs[0]
        read = state.cone.zero if node.op == "lookup" else state.total(node.inputs[1])
        size = flow.total + read + state.use(node)
        if node.op == "matmul":
            size = size + self.positions(node)
        else:  # each row is looked up at its share of the positions
            weight = state.facts.program.nodes[key].type
            assert isinstance(weight, MatrixType)
            size = size + highest(state.cone.zero, self.positions(node) - state.cone.form(weight.cols))
        state.gradient[key] = highest(state.gradient.get(key, state.cone.never), size)

    def positions(self, node: Node) -> Form:
        """Large position axes that share the weight: their gradients add up."""
        state = self.state
        weight = state.facts.program.nodes[node.inputs[0]].type
        have = {axis.name for axis in weight.positions}
        total = state.cone.zero
        assert not isinstance(node.type, MatrixType)
        for axis in node.type.positions:
            if axis.name not in have:
                total = total + state.cone.form(axis.size)
        return total

    def loop(self, node: Node, flow: Flow, out: dict[int, Flow]) -> None:
        state, block = self.state, node.body
        copies, streams = depth(state, node), state.facts.streams[node.id]
        early, state.early = state.early, False
        ends = self.first_copy(node, self.results(node, flow, out, len(streams)), copies)
        seeds: dict[int, Flow] = {}
        for key, end in zip(block.outputs, ends, strict=True):
            self.add(seeds, key, Flow(end, state.cone.never))
        inside = self.block(block, seeds, {})  # the body's own weights as in a typical copy
        state.early = early
        ends = self.through_copy(node, ends, copies)  # what leaves at the entrance has passed the first copy too
        for key in block.captured():
            if key in inside:
                flow = inside[key]
                self.add(out, key, Flow(flow.plain + copies, flow.turned + copies))
        for i, start in enumerate(node.inputs):
            if i < len(streams):
                self.add(out, start, Flow(ends[i], state.cone.never))
                if self.record:
                    state.gradient[block.arguments[i]] = ends[i]
            elif block.arguments[i] in inside:
                self.add(out, start, inside[block.arguments[i]])

    def first_copy(self, node: Node, last: list[Form], copies: Form) -> list[Form]:
        """Gradients of what the first copy hands on, from those of what the last one does.

        Where every copy adds a power, a number of copies without a skip path adds as many. On a skip path changes are
        bounded by what leaves the loop, so gradients are taken from there, too, and a warning says that they grow.
        """
        count, exactly = rounds(node)
        seen = [last]
        while (grown := self.through_copy(node, seen[-1], copies)) != seen[-1]:
            if len(seen) > max(count, ROUNDS):
                break
            seen.append(grown)
        settled, skips = grown == seen[-1], all(stream.skips for stream in self.state.facts.streams[node.id])
        if settled or (exactly and (count == 1 or not skips)):
            return seen[min(count - exactly, len(seen) - 1)]
        self.state.warnings[node.id] = "once trained, gradients grow by a power in every copy of the body"
        return last

    def through_copy(self, node: Node, ends: list[Form], copies: Form) -> list[Form]:
        """Gradients of the carried values before all copies from those after them, seen from one kind of copy."""
        grown = list(ends)
        for i, stream in enumerate(self.state.facts.streams[node.id]):
            reached = self.entering(node, i, stream, ends[i], copies)
            grown = [highest(a, b) for a, b in zip(grown, reached, strict=True)]
        return grown

    def entering(self, node: Node, index: int, stream: Stream, end: Form, copies: Form) -> list[Form]:
        """The gradient that reaches each carried value through one carried result, its skip path apart."""
        state, block = self.state, node.body
        quiet, arriving = _Gradient(state, record=False), Flow(end, state.cone.never)
        if stream.skips:
            found = quiet.block(block, {}, dict.fromkeys(stream.path, arriving))
            adds = copies / 2 if stream.crossed else copies
        else:
            found, adds = quiet.block(block, {block.outputs[index]: arriving}, {}), state.cone.zero
        flows = [found.get(a, self.none) for a in block.arguments[: len(state.facts.streams[node.id])]]
        return [highest(flow.plain + adds, flow.turned + copies) for flow in flows]

    def results(self, node: Node, flow: Flow, out: Mapping[int, Flow], states: int) -> list[Form]:
        """The gradient of each carried value at the loop's end."""
        by_index = self.state.facts.results.get(node.id)
        if by_index is None:
            return [flow.total, *[self.state.cone.never] * (states - 1)]
        return [out.get(by_index.get(i, -1), self.none).total for i in range(states)]
