"""What the structure of a program says before any size is known.

Which values train, which are zero-mean combinations of fresh weights, what depends on which weight, where a
value is read by more than a linear combination, and how a repeated body adds to what it carries.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache, reduce
from operator import or_

from ntksym.language.dims import ONE, Axis, Size
from ntksym.language.expressions_parity import parity
from ntksym.language.program import Block, Node, Program, walk
from ntksym.language.types import MatrixType, Type

STRUCTURAL = frozenset(
    (
        "split",
        "merge",
        "relabel",
        "rotate",
        "mask",
        "pick",
        "shift",
        "dropout",
        "result",
        "broadcast",
        "as_axis",
    )
)
"""Operations that move or select entries: sizes pass through them."""
LOOPS = frozenset(("repeat", "scan"))
_KEEPS_SKIP = frozenset(("linear", "dropout"))
TRANSPARENT = STRUCTURAL | LOOPS | {"linear"}

COORD = ""
"""The coordinate axis, among the names of axes."""

Sources = int
"""A set of parameters (and loops) as a bit mask: bit i stands for the i-th of them."""
Fresh = Sources | None
"""The weights that a value is a zero-mean combination of; None where it is not one."""


@dataclass(frozen=True)
class Term:
    """One summand of what a repeated body returns: a coefficient times the value of a node."""

    coefficient: Size
    node: int


@dataclass(frozen=True)
class Stream:
    """How one carried value passes through a body.

    ``skip`` are the coefficients with which the carry itself is returned (none: there is no skip path); ``path`` the
    carry and the linear combinations on the skip path; ``terms`` what they add; ``zero_mean`` whether every term ends
    in zero-mean weights fresh in each copy; ``crossed`` whether every other path from the carry passes through one.
    """

    skip: tuple[Size, ...]
    path: frozenset[int]
    terms: tuple[Term, ...]
    zero_mean: bool
    crossed: bool

    @property
    def skips(self) -> bool:
        return bool(self.skip)


@dataclass(frozen=True)
class Facts:
    program: Program
    trains: frozenset[int]
    fresh: Mapping[int, Fresh]
    depends: Mapping[int, Sources]
    bits: Mapping[int, Sources]
    """The bit of each parameter and loop."""
    read: frozenset[int]
    uses: Mapping[int, tuple[Node, ...]]
    readers: Mapping[int, tuple[Node, ...]]
    support: Mapping[int, Mapping[str, Size]]
    active: Mapping[int, Mapping[str, Size]]
    """Where only part of a value matters to what reads it: how much along an axis (``COORD``: its coordinates)."""
    streams: Mapping[int, tuple[Stream, ...]]
    results: Mapping[int, Mapping[int, int]]
    """For each loop with several results: the node of each, by index."""

    def uncorrelated(self, a: int, b: int) -> bool:
        """Whether entries of the two values are uncorrelated at initialisation."""
        return self.fresh_of(a, b) or self.fresh_of(b, a)

    def fresh_of(self, value: int, other: int) -> bool:
        """Whether a value is a zero-mean combination of weights that another one knows nothing of."""
        fresh = self.fresh[value]
        return fresh is not None and not fresh & self.depends[other]

    def indexed(self, value: int, axis: str) -> bool:
        """Whether a value is a zero-mean combination of weights that are separate for every position of an axis."""
        fresh = self.fresh[value]
        separate = sum(
            self.bits[node.id] for node in self.program.parameters if any(a.name == axis for a in node.type.positions)
        )
        return bool(fresh) and not (fresh or 0) & ~separate

    def axis_size(self, node: int, axis: Axis) -> Size:
        """How many positions along an axis carry something: fewer where only the largest were kept."""
        return self.support[node].get(axis.name, axis.size)


def starts_random(node: Node) -> bool:
    """Whether a parameter starts as zero-mean random numbers (of any variance, zero included)."""
    return bool(node.attr("init") == "normal" or node.attr("value") == 0)


@lru_cache(maxsize=64)
def facts(program: Program) -> Facts:
    """The structural facts of a program, computed once."""
    survey = _Survey(program)
    survey.block(program.block)
    return Facts(
        program,
        frozenset(survey.trains),
        survey.fresh,
        survey.depends,
        survey.bits,
        frozenset(survey.read) | frozenset(program.block.outputs),
        {key: tuple(nodes.values()) for key, nodes in survey.uses.items()},
        _readers(program),
        survey.support,
        _active(program, survey.support),
        survey.streams,
        survey.results,
    )


def _readers(program: Program) -> dict[int, tuple[Node, ...]]:
    out: dict[int, list[Node]] = {}
    for node in program.nodes.values():
        for i in node.inputs:
            out.setdefault(i, []).append(node)
    return {key: tuple(nodes) for key, nodes in out.items()}


def _active(program: Program, support: Mapping[int, Mapping[str, Size]]) -> dict[int, dict[str, Size]]:
    """Backwards from where few are kept (top-k) to what is therefore active of the values before it.

    A value read in several places is limited only where all of its readers are.
    """
    asked: dict[int, list[dict[str, Size]]] = {i: [{}] for i in program.block.outputs}
    out: dict[int, dict[str, Size]] = {}
    for node in reversed(program.nodes.values()):
        wishes = asked.get(node.id, [])
        common = {k: v for k, v in wishes[0].items() if all(k in wish for wish in wishes)} if wishes else {}
        if common:
            out[node.id] = common
        for i in node.inputs:
            asked.setdefault(i, []).append(_active_input(program, support, node, i, common))
        for i in node.block.outputs if node.block else ():
            asked.setdefault(i, []).append({})
    return out


def _active_input(
    program: Program, support: Mapping[int, Mapping[str, Size]], node: Node, key: int, active: dict[str, Size]
) -> dict[str, Size]:
    """What of one input is active, given what of the node's value is."""
    type = program.nodes[key].type
    wish = {name: size for name, size in active.items() if name == COORD or _has(type, name)}
    if node.op in ("matmul", "contract", "normalise"):
        wish.pop(COORD, None)
    if node.op == "top_k":
        wish[node.attr("axis")] = node.attr("k")
    if node.op == "mix":
        wish.update({name: size for name, size in support[node.inputs[0]].items() if _has(type, name)})
    if node.op == "as_axis" and node.attr("axis") in active:
        wish[COORD] = active[node.attr("axis")]
    return wish


def _has(type: Type | MatrixType, axis: str) -> bool:
    return any(a.name == axis for a in type.positions)


class _Survey:
    """One walk over the program in the order of tracing."""

    def __init__(self, program: Program) -> None:
        self.nodes = program.nodes
        self.trains: set[int] = set()
        self.fresh: dict[int, Fresh] = {}
        self.depends: dict[int, Sources] = {}
        self.bits: dict[int, Sources] = {}
        self.read: set[int] = set()
        self.uses: dict[int, dict[int, Node]] = {}
        self.support: dict[int, dict[str, Size]] = {}
        self.streams: dict[int, tuple[Stream, ...]] = {}
        self.results: dict[int, dict[int, int]] = {}

    def block(self, block: Block) -> None:
        for node in block.nodes:
            if node.op in ("carry", "element"):
                continue
            self.node(node)

    def node(self, node: Node) -> None:
        key = node.id
        if node.op == "parameter":
            self.uses.setdefault(key, {})
            self.depends[key] = self.bit(key)
            if node.attr("trainable"):
                self.trains.add(key)
            self.fresh[key] = self.bit(key) if starts_random(node) else None
            self.support[key] = {}
            if not isinstance(node.type, MatrixType):
                self.uses[key][key] = node
            return
        if node.op in LOOPS:
            self.loop(node)
            return
        if any(i in self.trains for i in node.inputs):
            self.trains.add(key)
        if node.op not in TRANSPARENT:
            self.read.update(i for i in node.inputs if not isinstance(self.nodes[i].type, MatrixType))
        if node.op == "result":
            self.results.setdefault(node.inputs[0], {})[node.attr("index")] = key
        if node.op in ("matmul", "lookup"):
            self.uses[node.inputs[0]][key] = node
        self.depends[key] = self.all_sources(node.inputs)
        self.fresh[key] = self._fresh(node)
        self.support[key] = self._support(node)

    def bit(self, key: int) -> Sources:
        return self.bits.setdefault(key, 1 << len(self.bits))

    def all_sources(self, keys: Iterable[int]) -> Sources:
        return reduce(or_, (self.depends[i] for i in keys), 0)

    def _fresh(self, node: Node) -> Fresh:
        if node.op in ("matmul", "lookup"):
            return self.fresh[node.inputs[0]]
        if node.op == "linear" or node.op in STRUCTURAL or node.op in ("normalise", "pool", "patches"):
            parts = [self.fresh[i] for i in node.inputs]
            known = [part for part in parts if part is not None]
            return reduce(or_, known, 0) if len(known) == len(parts) else None
        if node.op == "mix":  # weights that know nothing of the mixed value's weight leave it zero-mean
            weights, value = node.inputs
            fresh = self.fresh[value]
            return fresh if fresh is not None and not fresh & self.depends[weights] else None
        if node.op == "constant" and not node.attr("value"):
            return 0
        return self._fresh_map(node) if node.op == "map" else None

    def _fresh_map(self, node: Node) -> Fresh:
        """A function that is odd in one zero-mean argument, whose weights the other arguments know nothing of."""
        phi = node.attr("phi")
        for symbol, key in zip(phi.symbols, node.inputs, strict=True):
            fresh, others = self.fresh[key], self.all_sources(i for i in node.inputs if i != key)
            if fresh is not None and not fresh & others and parity(phi.expr, symbol) == -1:
                return fresh
        return None

    def _support(self, node: Node) -> dict[str, Size]:
        out: dict[str, Size] = {}
        if node.op in (
            "linear",
            "map",
        ):  # a sum or product lives where every factor or term does; keep the largest
            shared = [self.support[i] for i in node.inputs]
            if node.op == "map" or len(shared) == 1:
                for part in shared:
                    out.update(part)
        elif node.op in TRANSPARENT:
            out.update(self.support[node.inputs[0]])
        elif node.op == "top_k":
            out.update(self.support[node.inputs[0]])
            out[node.attr("axis")] = node.attr("k")
        return out

    def loop(self, node: Node) -> None:
        block = node.body
        repeat, marker = node.op == "repeat", self.bit(node.id)
        states = len(block.outputs)
        optimistic = True
        while True:
            for i, argument in enumerate(block.arguments):
                start = node.inputs[i]
                earlier = self.fresh[start]
                if i < states:
                    earlier = earlier | marker if earlier is not None and optimistic else None
                self.fresh[argument] = earlier
                self.support[argument] = {}
                captured = 0 if repeat else self._captured(block)
                self.depends[argument] = self.depends[start] | marker | captured
                if start in self.trains or (i < states and block.outputs[i] != argument):
                    self.trains.add(argument)
            self.block(block)
            streams = tuple(self._stream(node, i) for i in range(states))
            if not optimistic or self._stays_fresh(node, streams):
                break
            optimistic = False
        self.streams[node.id] = streams
        self.depends[node.id] = self.all_sources((*block.outputs, *node.inputs))
        first = streams[0]
        kept = self.fresh[block.arguments[0]] if first.skips and first.zero_mean else None
        self.fresh[node.id] = kept if repeat else self.fresh[block.outputs[0]]
        self.support[node.id] = {}
        if any(i in self.trains for i in (*block.outputs, *node.inputs)):
            self.trains.add(node.id)

    def _stays_fresh(self, node: Node, streams: tuple[Stream, ...]) -> bool:
        """Whether what a loop carries is zero-mean after a copy if it was before."""
        if node.op == "repeat":
            return all(s.skips and s.zero_mean for s in streams)
        return all(self.fresh[i] is not None for i in node.body.outputs)

    def _captured(self, block: Block) -> Sources:
        return self.all_sources(i for i in block.captured() if self.nodes[i].op == "parameter")

    def _stream(self, node: Node, index: int) -> Stream:
        """Flatten the linear combinations that lead from a carried value to its successor."""
        block = node.body
        inner = {n.id: n for n in block.nodes}
        carry, out = block.arguments[index], block.outputs[index]
        on_path = {carry}
        for n in block.nodes:
            if n.op in _KEEPS_SKIP and any(i in on_path for i in n.inputs):
                on_path.add(n.id)
        terms: list[Term] = []
        linear: set[int] = set()
        skips: list[Size] = []

        def expand(key: int, coefficient: Size) -> None:
            if key == carry:
                skips.append(coefficient)
                return
            n = inner.get(key)
            if n is not None and (n.op == "linear" or (n.op in _KEEPS_SKIP and key in on_path)):
                if key in on_path:
                    linear.add(key)
                for c, i in zip(n.attr("coefficients", (ONE,)), n.inputs, strict=True):
                    expand(i, coefficient * c)
            else:
                terms.append(Term(coefficient, key))

        if out not in on_path:
            return Stream((), frozenset(), (Term(ONE, out),), False, False)
        expand(out, ONE)
        own = {n.id for n in block.nodes if n.op == "parameter" and starts_random(n)}
        mask = reduce(or_, (self.bits[i] for i in own), 0)
        fresh = [self.fresh[t.node] for t in terms]
        zero_mean = all(f is not None and not f & ~mask for f in fresh)
        reached = {carry}
        for n in block.nodes:
            inside = walk(n.block) if n.block else (n,)
            crosses = any(m.op == "matmul" and m.inputs[0] in own for m in inside)
            if n.id not in on_path and not crosses and any(i in reached for i in n.inputs):
                reached.add(n.id)
            if n.id in linear:
                reached.add(n.id)
        crossed = not any(t.node in reached for t in terms)
        return Stream(tuple(skips), frozenset(linear | {carry}), tuple(terms), zero_mean, crossed)
