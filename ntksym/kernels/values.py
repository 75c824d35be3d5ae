"""Values of a program where its loops are: which copy, which step; and the values that derivations make of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ntksym.errors import KernelError
from ntksym.language.dims import Axis, Number
from ntksym.language.interpret_sizes import Numbers
from ntksym.language.program import Block, Node, Program
from ntksym.language.types import MatrixType, Type

Axes = tuple[Axis, ...]
Path = tuple[tuple[int, int | None], ...]
"""The loops around a value: the loop's id, and which step it is, None in a copy that stands for all."""


@dataclass(frozen=True)
class At:
    """A value of the program, in one step of each loop around it."""

    node: int
    path: Path


@dataclass(frozen=True)
class Form:
    """A linear combination of values; coefficients are SymPy expressions, which may read lines over one point."""

    terms: tuple[tuple[Any, Value], ...]


@dataclass(frozen=True)
class Lift:
    """A position operation of the program, applied to another value than its own input."""

    op: At
    inner: Value


@dataclass(frozen=True)
class Picked:
    """One position of a value along an axis."""

    axis: str
    index: int
    inner: Value


@dataclass(frozen=True)
class Constant:
    """The number one in every coordinate."""


Value = At | Form | Lift | Picked | Constant


@dataclass(frozen=True)
class Graph:
    """A program with the loops that are to be unrolled (``unrolled``), at sizes as far as they are given."""

    program: Program
    sizes: Mapping[str, Number]
    unrolled: frozenset[int]

    @cached_property
    def loops(self) -> Mapping[int, tuple[int, ...]]:
        """The loops around every node, outermost first."""
        found: dict[int, tuple[int, ...]] = {}

        def visit(block: Block, around: tuple[int, ...]) -> None:
            for node in block.nodes:
                found[node.id] = around
                if node.block:
                    visit(node.block, (*around, node.id))

        visit(self.program.block, ())
        return found

    @cached_property
    def numbers(self) -> Numbers:
        return Numbers(self.program, self.sizes)

    def node(self, value: At) -> Node:
        return self.program.nodes[value.node]

    def at(self, node: int, path: Path) -> At:
        """The node as it is read from a place inside of at least the loops around it."""
        return At(node, path[: len(self.loops[node])])

    def inputs(self, value: At) -> tuple[At, ...]:
        return tuple(self.at(i, value.path) for i in self.node(value).inputs)

    def loop_of(self, carry: At) -> tuple[Node, Path, int | None]:
        """The loop that carries a value, the place of that loop, and the step."""
        loop, step = carry.path[-1]
        return self.program.nodes[loop], carry.path[:-1], step

    def length(self, value: At, axis: str) -> int:
        """The length of a time axis as a number; raises ``KernelError`` where no size is given."""
        found = next(a for i in self.node(value).inputs for a in self.program.nodes[i].type.positions if a.name == axis)
        return self.number(found.size, f"the length of the axis {axis}")

    def number(self, size: Any, what: str) -> int:
        try:
            return self.numbers.length(size, what)
        except Exception as error:
            names = ", ".join(f"'{dim.name}': 4" for dim in size.dims())
            raise KernelError(f"{what} must be a number here: add sizes={{{names}}}") from error

    def axes(self, value: Value) -> Axes:
        """A value's position axes."""
        if isinstance(value, At):
            return self.node(value).type.positions
        if isinstance(value, Form):
            return tuple({axis.name: axis for _, part in value.terms for axis in self.axes(part)}.values())
        if isinstance(value, Picked):
            return tuple(axis for axis in self.axes(value.inner) if axis.name != value.axis)
        if isinstance(value, Lift):
            return moved_axes(self.node(value.op), self.program.nodes, self.axes(value.inner))
        return ()

    def where(self, value: Value) -> str:
        """The user's line that a value comes from."""
        if isinstance(value, At):
            node = self.node(value)
            return node.source or node.name
        if isinstance(value, Form):
            return self.where(value.terms[0][1])
        if isinstance(value, Constant):
            return "a constant"
        return self.where(value.op if isinstance(value, Lift) else value.inner)

    def order(self, value: Value) -> tuple[int, ...]:
        """Later values are made from earlier ones: the largest key of two is the one to take apart first."""
        if isinstance(value, At):
            key: list[int] = []
            for loop, step in value.path:
                # a body runs before what reads the loop's results, and its steps one after the other
                key += [loop, 0, step or 0]
            return (*key, value.node, 1)
        if isinstance(value, Form):
            return max((self.order(part) for _, part in value.terms), default=())
        if isinstance(value, Constant):
            return ()
        return self.order(value.op) if isinstance(value, Lift) else self.order(value.inner)


def moved_axes(op: Node, nodes: Mapping[int, Node], axes: Axes) -> Axes:
    """The axes of a value after a position operation of the program: those that it removes, and those it makes."""
    before = {a.name: a for a in nodes[op.inputs[-1]].type.positions}
    after = {a.name: a for a in op.type.positions}
    out = [after.get(a.name, a) for a in axes if a.name in after or a.name not in before]
    return (*out, *(a for a in op.type.positions if a.name not in before and a.name not in {b.name for b in out}))


def value_type(graph: Graph, value: At) -> Type:
    found = graph.node(value).type
    assert not isinstance(found, MatrixType)
    return found
