"""From an aligned tree of steps to a Program: one rule for each operation, loops to ``repeat``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from ntksym.errors import FrameworkError, ProgramError
from ntksym.frameworks.torch.graph import Buffer, Item, Loop, Parameter, Ref, Shape, Step, arguments, leaves
from ntksym.frameworks.torch.layout import Atoms, Dims, Names, Tensor, lengths, size_of
from ntksym.frameworks.torch.names import inner_names
from ntksym.frameworks.torch.partial import Half
from ntksym.language.dims import ONE, Size, as_size
from ntksym.language.loops import repeat
from ntksym.language.ops import vector, weight
from ntksym.language.program import Block, Program
from ntksym.language.trace import Tracer, Value, Weight


@dataclass(frozen=True)
class Trained:
    """A parameter that has not been used yet: its dimensions in this order, -1 for one of length one that was added.

    ``along`` is what its first dimension has been paired with: a matrix for each chosen expert.
    """

    parameter: Parameter
    order: tuple[int, ...]
    along: Atoms = ()

    @property
    def shape(self) -> tuple[Size, ...]:
        return lengths([1 if i < 0 else self.parameter.shape[i] for i in self.order])


@dataclass(frozen=True)
class Constant:
    """A tensor that depends neither on inputs nor on parameters; ``value`` where all its entries are one number."""

    shape: Shape
    value: Any = None


Operand = Any
"""A Tensor, Trained, Constant, a number or a Size; or what a rule hands to another, such as a mean of squares."""
Given = dict[str, Any]
"""A step's arguments by name, each an operand."""
RANDOM = frozenset({"bernoulli"})
"""Operations whose results are no constants even where their arguments are."""
Rule = Callable[["Reader", Given, Step], Operand]

rules: dict[str, Rule] = {}
"""Every operation that is read, by its name in ATen; the files of ``rules/`` add theirs."""
rules_of: dict[type, dict[str, Rule]] = {}
"""What operations mean for operands that are no values, by their type: these and nothing else can be done with them."""


def rule(*names: str, of: tuple[type, ...] = ()) -> Callable[[Rule], Rule]:
    """Register how operations of these names are read: in general, or where an operand is one ``of`` these types."""

    def register(function: Rule) -> Rule:
        for table in [rules_of.setdefault(kind, {}) for kind in of] or [rules]:
            table.update(dict.fromkeys(names, function))
        return function

    return register


@dataclass
class Reader:
    """Records a program: what each step became, and which parameters have been recorded."""

    tracer: Tracer
    batched: bool
    coupled: bool
    """Whether examples of a batch depend on each other: the batch is then an axis as others are."""
    names: Names = field(default_factory=Names)
    made: dict[int, Operand] = field(default_factory=dict)
    used: dict[str, Weight | Tensor] = field(default_factory=dict)
    called: dict[str, str] = field(default_factory=dict)
    recorded: dict[str, str] = field(default_factory=dict)
    rows: dict[str, int] = field(default_factory=dict)
    """Which dimension of a parameter became the rows of its matrix."""
    squares: dict[int, Tensor] = field(default_factory=dict)
    """What a value, by its id, is the square of."""
    halves: dict[int, Half] = field(default_factory=dict)
    """What a value, by its id, is half of."""
    graphs: dict[int, tuple[int, frozenset[int]]] = field(default_factory=dict)
    """For an input that lists edges: the row where messages begin, and the inputs that are weights of the edges."""
    like: Value | None = None

    def items(self, items: tuple[Item, ...]) -> None:
        for item in items:
            if isinstance(item, Loop):
                self.loop(item)
            else:
                self.step(item)

    def step(self, step: Step) -> None:
        given = {name: self.operand(value) for name, value in step.args}
        before = len(self.tracer.stack[-1].nodes)
        special = next((leaf for v in given.values() for leaf in leaves(v) if type(leaf) in rules_of), None)
        known = rules if special is None else rules_of[type(special)]
        if step.op in known and (step.op in RANDOM or not (_is_constant(given) and arguments(step, Ref))):
            self.made[step.id] = self.applied(known[step.op], given, step)
        elif _is_constant(given):
            self.made[step.id] = Constant(step.shape)
        else:
            raise self.fail(step, f"it meets {special.words}" if special else "there is no rule for it")
        self.stands_in(before, step.where or "the module")

    def stands_in(self, before: int, where: str) -> None:
        """Nodes recorded since name the module's path as the place that messages speak of."""
        nodes = self.tracer.stack[-1].nodes
        nodes[before:] = [replace(node, source=where) for node in nodes[before:]]

    def applied(self, found: Rule, given: Given, step: Step) -> Operand:
        try:
            return found(self, given, step)
        except FrameworkError as error:
            raise self.fail(step, str(error)) from None
        except ProgramError as error:
            raise self.fail(step, str(error).partition(": ")[2]) from None

    def fail(self, step: Step, reason: str) -> FrameworkError:
        shape = ", ".join(str(length) for length in leaves(step.shape))
        return FrameworkError(
            f"{step.where or 'the module'}: the operation {step.op}, which makes [{shape}], cannot be read: {reason}; "
            "write this module in operations that can, or the architecture with @ns.program"
        )

    def operand(self, value: Any) -> Operand:
        if isinstance(value, tuple):
            return tuple(self.operand(part) for part in value)
        if isinstance(value, Ref):
            return self.made[value.id]
        if isinstance(value, Parameter):
            used = self.used.get(value.name)
            return used if isinstance(used, Tensor) else Trained(value, tuple(range(len(value.shape))))
        return Constant(value.shape) if isinstance(value, Buffer) else value

    # --- parameters ---------------------------------------------------------------------------------------

    def weight(self, trained: Trained, rows: int, cols: int, index: Atoms = ()) -> tuple[Weight, bool]:
        """The matrix of a parameter with these of its dimensions as rows and columns; whether it is to be transposed.

        It is where the parameter is tied to another use that has the rows as columns.
        """
        name, side = trained.parameter.name, trained.order[rows]
        known = self.used.get(name)
        if isinstance(known, Tensor):
            raise FrameworkError(f"the parameter {name} is used as a vector and as a matrix")
        if known is not None:
            return known, self.rows[name] != side
        shape, axes = trained.shape, tuple(atom.axis for atom in index)
        made = weight(
            self.any(), self.name(name), shape[rows], shape[cols], index=axes, trainable=trained.parameter.trainable
        )  # fmt: skip
        self.used[name], self.rows[name], self.recorded[name] = made, side, made.name
        return made, False

    def vector(self, trained: Trained, dims: Dims, coord: Atoms, init: str, *, fan_in: Size = ONE) -> Tensor:
        """A parameter as a value: its dimensions consist of these atoms, those not in ``coord`` index it.

        ``fan_in`` is how many of its random entries are summed up with other factors.
        """
        name = trained.parameter.name
        if name in self.used:
            raise FrameworkError(f"the parameter {name} is used as a vector and as a matrix")
        index = tuple(atom.axis for dim in dims for atom in dim if atom not in coord)
        sigma = float((fan_in**-0.5).value({})) if index else "sigma_b"
        value = vector(
            self.any(), self.name(name), size_of(coord), init=init, sigma=sigma, index=index,
            trainable=trained.parameter.trainable,
        )  # fmt: skip
        self.used[name] = Tensor(value, coord, dims)
        self.recorded[name] = self.tracer.stack[-1].nodes[-1].name
        return self.used[name]  # type: ignore[return-value]

    def name(self, parameter: str) -> str:
        return self.called.get(parameter, parameter)

    def any(self) -> Value:
        assert self.like is not None, "a program has an input"
        return self.like

    # --- loops --------------------------------------------------------------------------------------------

    def loop(self, loop: Loop) -> None:
        starts = [self.made[carry.start] for carry in loop.carries]
        for start in starts:
            if not isinstance(start, Tensor):
                raise FrameworkError("a block hands on what is no value; write its start as a tensor of the inputs")
        copies = {name: (self.name(name), names) for name, names in loop.copies}
        scope, inner = inner_names(copies, lambda name: self.tracer.scoped(name, "from_torch") in self.tracer.names)
        outer, ends = dict(self.called), []
        self.called.update(inner)

        def block(*values: Value) -> Value | tuple[Value, ...]:
            for carry, start, value in zip(loop.carries, starts, values, strict=True):
                self.made[carry.inside] = replace(start, value=value)
            self.items(loop.body)
            for carry, start in zip(loop.carries, starts, strict=True):
                ends.append(self.like_start(self.made[carry.end], start))
            return ends[0].value if len(ends) == 1 else tuple(end.value for end in ends)

        times, before = as_size(loop.times), len(self.tracer.stack[-1].nodes)
        values = tuple(start.value for start in starts)
        results = repeat(times, block, values if len(values) > 1 else values[0], name=scope)
        self.stands_in(before, scope)
        self.called = outer
        results = results if isinstance(results, tuple) else (results,)
        for carry, start, value in zip(loop.carries, starts, results, strict=True):
            self.made[carry.result] = replace(start, value=value)

    def like_start(self, end: Operand, start: Tensor) -> Tensor:
        """What a copy hands on, with the axes of what it was given."""
        if not isinstance(end, Tensor):
            raise FrameworkError("a block hands on what is no value")
        if end.coord == start.coord and end.dims == start.dims:
            return end
        return rules["reshaped_like"](self, {"x": end, "like": start}, None)  # type: ignore[arg-type,no-any-return]


def _is_constant(given: Given) -> bool:
    return not any(
        isinstance(leaf, Tensor | Trained) or _is_partial(leaf) for v in given.values() for leaf in leaves(v)
    )


def _is_partial(leaf: Any) -> bool:
    return getattr(leaf, "partial", False) is True


def program_of(
    name: str, tree: tuple[Item, ...], output: int, batched: bool, coupled: bool
) -> tuple[Program, dict[str, str]]:
    """The program that a tree of steps computes, and the name in it of each parameter of the first copies."""
    reader = Reader(Tracer(), batched, coupled)
    reader.items(tree)
    result = reader.made[output]
    if not isinstance(result, Tensor):
        raise FrameworkError("the output of the module does not depend on its inputs as a plain value")
    # a graph's matrix has the weights of its edges
    replaced = {key for _, weights in reader.graphs.values() for key in weights} - reader.graphs.keys()
    nodes = (node for node in reader.tracer.stack[0].nodes if node.id not in replaced)
    block = Block(tuple(nodes), (), (result.value.id,))
    return Program(name, _without_dead(block)), reader.recorded


def _without_dead(block: Block) -> Block:
    """The block without nodes that nothing needs; inputs stay."""
    needed, kept = set(block.outputs), []
    for node in reversed(block.nodes):
        if node.id in needed or node.op in ("input", "carry", "element"):
            body = _without_dead(node.block) if node.block else None
            needed.update(node.inputs, body.captured() if body else ())
            kept.append(replace(node, block=body))
    return Block(tuple(reversed(kept)), block.arguments, block.outputs)
