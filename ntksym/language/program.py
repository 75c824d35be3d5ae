"""The recorded form of an architecture: nodes in static single assignment, nested blocks, a Program.

A node's id is its place in the order of tracing, unique in the whole program; the nodes of a ``repeat`` or
``scan`` body may read values from outside of it by their ids. Everything is immutable.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from ntksym.errors import ProgramError
from ntksym.language.dims import ONE, Dim, Size
from ntksym.language.types import MatrixType, Type


@dataclass(frozen=True, slots=True)
class Node:
    """One operation: ``op`` applied to the values ``inputs`` with constant ``attrs``, giving a ``type``.

    ``block`` is the body of a repeat or scan. ``source`` is the user's own line; it is not part of equality.
    """

    id: int
    op: str
    inputs: tuple[int, ...]
    type: Type | MatrixType
    name: str
    attrs: tuple[tuple[str, Any], ...] = ()
    block: Block | None = None
    source: str = field(default="", compare=False)

    @property
    def body(self) -> Block:
        """The body of a loop."""
        assert self.block is not None, f"{self.op} has no body"
        return self.block

    def attr(self, key: str, default: Any = None) -> Any:
        for name, value in self.attrs:
            if name == key:
                return value
        return default


@dataclass(frozen=True, slots=True)
class Block:
    """A sequence of nodes. ``arguments`` are ids of its carry and element nodes, ``outputs`` its results."""

    nodes: tuple[Node, ...]
    arguments: tuple[int, ...]
    outputs: tuple[int, ...]

    def captured(self) -> tuple[int, ...]:
        """Ids of outside values that the block reads, in order of first use."""
        own = {node.id for node in self.nodes}
        seen: dict[int, None] = {}
        for node in self.nodes:
            seen.update(dict.fromkeys((*node.inputs, *(node.block.captured() if node.block else ()))))
        seen.update(dict.fromkeys(self.outputs))
        return tuple(i for i in seen if i not in own)


@dataclass(frozen=True, eq=False)
class Program:
    """An architecture's computation graph: immutable, printable, hashable, equal when recorded equally."""

    name: str
    block: Block

    @cached_property
    def nodes(self) -> dict[int, Node]:
        """Every node by id, those of nested blocks included, in the order of tracing."""
        return {node.id: node for node in walk(self.block)}

    @cached_property
    def parameters(self) -> tuple[Node, ...]:
        return tuple(node for node in self.nodes.values() if node.op == "parameter")

    @cached_property
    def inputs(self) -> tuple[Node, ...]:
        return tuple(node for node in self.nodes.values() if node.op == "input")

    @property
    def outputs(self) -> tuple[Node, ...]:
        return tuple(self.nodes[i] for i in self.block.outputs)

    @cached_property
    def dims(self) -> tuple[Dim, ...]:
        """Every dimension that occurs, in the order of first occurrence."""
        seen: dict[Dim, None] = {}
        for node in self.nodes.values():
            for size in node_sizes(node):
                for dim in size.dims():
                    seen.setdefault(dim)
        return tuple(seen)

    @cached_property
    def lookup_tables(self) -> frozenset[int]:
        """Ids of the matrices that tokens are looked up in, also if they are applied elsewhere."""
        return frozenset(node.inputs[0] for node in self.nodes.values() if node.op == "lookup")

    def fan_in(self, parameter: Node) -> Size:
        """What a parameter's initial variance is divided by: the columns of a matrix that contracts them.

        One for a vector and for a lookup table, also where its transpose is the readout.
        """
        if isinstance(parameter.type, MatrixType) and parameter.id not in self.lookup_tables:
            return parameter.type.cols
        return ONE

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the canonical JSON: equal programs have equal digests, on every machine."""
        text = json.dumps(self.to_json(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Program) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)

    def __str__(self) -> str:
        return str(self.render("text"))

    __repr__ = __str__

    def render(self, form: str) -> Any:
        """The program in a registered form: text, json, latex, mermaid or graphviz."""
        if form not in renderers:
            raise ProgramError(f"{form!r} is not a form of a program; known are {', '.join(renderers)}")
        return renderers[form](self)

    def to_json(self) -> dict[str, Any]:
        """A plain JSON object with ``"schema": "ntksym.program/1"``; ``program_from_json`` inverts it."""
        return dict(self.render("json"))

    def to_latex(self) -> str:
        """The listing as a LaTeX ``aligned`` environment, one operation a line."""
        return str(self.render("latex"))

    def to_mermaid(self) -> str:
        """The graph as Mermaid flowchart text."""
        return str(self.render("mermaid"))

    def _repr_latex_(self) -> str:
        return f"$$\n{self.to_latex()}\n$$"

    def _repr_markdown_(self) -> str:
        return f"```\n{self}\n```"


def walk(block: Block) -> Iterator[Node]:
    """Every node of a block in the order of tracing, each loop right before the nodes of its body."""
    for node in block.nodes:
        yield node
        if node.block:
            yield from walk(node.block)


def node_sizes(node: Node) -> Iterator[Size]:
    """Every size that a node mentions, in its type and its attributes."""
    yield from node.type.sizes()
    for _, value in node.attrs:
        for item in value if isinstance(value, tuple) else (value,):
            if isinstance(item, Size):
                yield item


renderers: dict[str, Callable[[Program], Any]] = {}
"""The forms a program can be shown in; each renderer's file adds its own."""
