"""A program run forward in JAX: every block once, the copies of a repeat and the steps of a scan in ``lax.scan``.

The time to compile therefore does not grow with depth, nor with the length of a sequence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from ntksym._lazy import lazy
from ntksym.errors import SamplingError
from ntksym.language.interpret_rules import aligned, place
from ntksym.language.interpret_sizes import Numbers
from ntksym.language.printing import labels
from ntksym.language.program import Block, Node, Program, walk
from ntksym.sampling import rules_axes as _rules_axes  # noqa: F401 - fills the table of rules
from ntksym.sampling.rules import Array, Operation, rules
from ntksym.sampling.storage import rounds

jax = lazy("jax")
jnp = lazy("jax.numpy")


class Loop(NamedTuple):
    """A loop around a value: the name it has in a listing of copies, how often it runs, its node.

    ``copies`` is true for a repeat, whose rounds have weights of their own.
    """

    name: str
    times: int
    node: int
    copies: bool


Loops = tuple[Loop, ...]


@dataclass(frozen=True)
class Plan:
    """What is known of a run before there are arrays: names of values, and the loops around each."""

    program: Program
    numbers: Numbers
    labels: Mapping[int, str]
    watchable: tuple[str, ...]
    loops: Mapping[str, Loops]
    uses: Mapping[str, float]

    @staticmethod
    def of(program: Program, numbers: Numbers, uses: Mapping[str, float]) -> Plan:
        named = labels(program)
        several = {node.inputs[0] for node in program.nodes.values() if node.op == "result"}
        watchable = tuple(
            named[node.id] for node in program.nodes.values() if node.op != "parameter" and node.id not in several
        )
        around = dict(_loops(program, program.block, named, numbers, ()))
        unknown = next((label for label in uses if label not in around), None)
        if unknown is not None:
            raise SamplingError(f"{program.name} has no value {unknown} that a multiplier could belong to")
        return Plan(program, numbers, named, watchable, around, uses)


def _loops(
    program: Program, block: Block, named: Mapping[int, str], numbers: Numbers, outer: Loops, scope: str = ""
) -> Iterator[tuple[str, Loops]]:
    """For every value and parameter by its label, the loops around it, the outermost first."""
    for node in block.nodes:
        yield named[node.id], outer
        if node.op == "repeat":
            own = node.name[len(scope) + 1 :] if scope else node.name
            inner = (*outer, Loop(own, rounds(node, numbers), node.id, True))
            yield from _loops(program, node.body, named, numbers, inner, node.name)
        elif node.block:
            sequence = program.nodes[node.inputs[node.attr("states")]].type
            (length,) = numbers.positions(tuple(a for a in sequence.positions if a.name == node.attr("axis")))
            inner = (*outer, Loop(named[node.id], length, node.id, False))
            yield from _loops(program, node.block, named, numbers, inner, scope)


@dataclass
class Forward:
    """One run of a block: the arrays of all values computed so far, and those that are watched.

    ``weights`` and ``probes`` hold what belongs to the current copy; probes are added to the values they name.
    """

    plan: Plan
    weights: Mapping[str, Array]
    given: Mapping[str, Array]
    batch: int
    dtype: Any
    key: Any
    watch: frozenset[str]
    probes: Mapping[str, Array] = field(default_factory=dict)
    arrays: dict[int, Array] = field(default_factory=dict)
    loops: dict[int, tuple[Array, ...]] = field(default_factory=dict)
    watched: dict[str, Array] = field(default_factory=dict)

    def evaluate(self, block: Block) -> None:
        for node in block.nodes:
            label = self.plan.labels[node.id]
            if node.op in structure:
                structure[node.op](self, node)
            elif node.op in rules:
                self.arrays[node.id] = rules[node.op](self.operation(node))
            else:
                raise SamplingError(
                    f"{node.source or node.name}: the sampler has no rule for the operation {node.op}; "
                    f'write one under @rule("{node.op}") in ntksym/sampling/rules.py'
                )
            if label in self.plan.uses:
                self.arrays[node.id] = self.plan.uses[label] * self.arrays[node.id]
            if label in self.probes:
                self.arrays[node.id] = self.arrays[node.id] + self.probes[label]
            if label in self.watch:
                array = self.arrays[node.id]
                self.watched[label] = jnp.broadcast_to(array, (self.batch, *array.shape[1:]))

    def operation(self, node: Node) -> Operation:
        nodes = self.plan.program.nodes
        read = [nodes[i] for i in node.inputs]
        arrays = tuple(self.arrays[i] for i in node.inputs)
        narrow = tuple(self.arrays[n.inputs[0]] if n.op == "broadcast" else self.arrays[n.id] for n in read)
        types = tuple(n.type for n in read)
        coin = None if self.key is None else jax.random.fold_in(self.key, node.id)
        return Operation(node, arrays, types, self.plan.numbers, self.dtype, coin, narrow)

    def input(self, node: Node) -> None:
        self.arrays[node.id] = self.given[node.name]

    def parameter(self, node: Node) -> None:
        self.arrays[node.id] = self.weights[node.name][None]

    def bound(self, node: Node) -> None:
        """A carry or an element: the loop has set it already."""

    def result(self, node: Node) -> None:
        self.arrays[node.id] = self.loops[node.inputs[0]][node.attr("index")]

    # --- loops ---

    def full(self, array: Array) -> Array:
        """With the whole batch: what a loop carries must keep its shape."""
        return jnp.broadcast_to(array, (self.batch, *array.shape[1:]))

    def rounds(self, node: Node, state: tuple[Array, ...], weights: Any, elements: tuple[Array, ...], n: int) -> Any:
        """All rounds of a loop: the last state, and for a sequence of elements the states after every round.

        ``weights`` are those that are cut into copies, one for each round; a round also reads those around it.
        """
        nodes, body = self.plan.program.nodes, node.body
        carries, steps = body.arguments[: len(state)], body.arguments[len(state) :]
        inside = {self.plan.labels[inner.id] for inner in walk(body)}
        probes = {label: probe for label, probe in self.probes.items() if label in inside}

        def round(state: tuple[Array, ...], xs: Any) -> Any:
            index, own, own_probes, own_elements = xs
            run = replace(
                self,
                weights={**self.weights, **own},
                probes=own_probes,
                key=None if self.key is None else jax.random.fold_in(jax.random.fold_in(self.key, node.id), index),
                arrays={**self.arrays, **dict(zip((*carries, *steps), (*state, *own_elements), strict=True))},
                loops=dict(self.loops),
                watched={},
            )
            run.evaluate(body)
            after = tuple(
                self.full(aligned(run.arrays[i], nodes[i].type, nodes[carry].type.positions)).astype(self.dtype)
                for i, carry in zip(body.outputs, carries, strict=True)
            )
            return after, (run.watched, after if elements else ())

        start = tuple(self.full(array).astype(self.dtype) for array in state)
        last, (watched, history) = _scan(round, start, (jnp.arange(n), weights, probes, elements), n)
        self.watched.update(watched)
        return last, history

    def repeat(self, node: Node) -> None:
        names = {inner.name for inner in walk(node.body) if inner.op == "parameter"}
        state = tuple(self.arrays[i] for i in node.inputs)
        stack = {name: self.weights[name] for name in names}
        last, _ = self.rounds(node, state, stack, (), rounds(node, self.plan.numbers))
        self.loops[node.id], self.arrays[node.id] = last, last[0]

    def scan(self, node: Node) -> None:
        count, axis = node.attr("states"), node.attr("axis")
        state = tuple(self.arrays[i] for i in node.inputs[:count])
        nodes = self.plan.program.nodes
        elements = tuple(jnp.moveaxis(self.arrays[i], place(nodes[i].type, axis), 0) for i in node.inputs[count:])
        _, history = self.rounds(node, state, {}, elements, len(elements[0]))
        self.loops[node.id] = tuple(jnp.moveaxis(states, 0, -2) for states in history)
        self.arrays[node.id] = self.loops[node.id][0]


def _scan(round: Any, start: Any, xs: Any, n: int) -> Any:
    """``lax.scan``; a single round needs no loop, and so no copy of its weights out of their stack."""
    if n != 1:
        return jax.lax.scan(round, start, xs, length=n)
    last, seen = round(start, jax.tree.map(lambda array: jnp.squeeze(array, 0), xs))
    return last, jax.tree.map(lambda array: array[None], seen)


structure: dict[str, Callable[[Forward, Node], None]] = {
    "input": Forward.input,
    "parameter": Forward.parameter,
    "carry": Forward.bound,
    "element": Forward.bound,
    "result": Forward.result,
    "repeat": Forward.repeat,
    "scan": Forward.scan,
}
"""The operations that do more than read arrays: they read what is given, or run a body."""
