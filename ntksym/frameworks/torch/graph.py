"""What is read of a module: a flat graph of operations, and the same with its loops rolled up.

Plain records that know no PyTorch. Numbers in them are those of one concrete size until ``align`` has compared
several sizes; from then on a number that changes is a ``Size``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

Shape = tuple[Any, ...]
"""Lengths of a tensor's dimensions: whole numbers, or sizes after alignment."""


@dataclass(frozen=True)
class Ref:
    """The result of the step with this id."""

    id: int


@dataclass(frozen=True)
class Parameter:
    """A trained tensor, by its full name in the module."""

    name: str
    shape: Shape
    trainable: bool = True


@dataclass(frozen=True)
class Buffer:
    """A tensor of the module that is not trained, or a constant of its code."""

    name: str
    shape: Shape


@dataclass(frozen=True)
class Step:
    """One operation: its arguments by the names in its schema, the shape it makes, the module it stands in."""

    id: int
    op: str
    args: tuple[tuple[str, Any], ...]
    shape: Shape
    where: str


@dataclass(frozen=True)
class Graph:
    """All steps in order (inputs first, with op "input"), the id of the output, the name of the module's class."""

    name: str
    steps: tuple[Step, ...]
    output: int


@dataclass(frozen=True)
class Carry:
    """A value that a loop hands on: its first value, its id inside of the body, its next value, the last one."""

    start: int
    inside: int
    end: int
    result: int


@dataclass(frozen=True)
class Loop:
    """``times`` copies of a body with fresh parameters; ``copies`` holds their names in all copies, by the first's."""

    times: Any
    body: tuple[Item, ...]
    carries: tuple[Carry, ...]
    copies: tuple[tuple[str, tuple[str, ...]], ...]


Item = Step | Loop


def leaves(value: Any) -> Iterator[Any]:
    """Everything in an argument, lists and tuples unpacked."""
    if isinstance(value, tuple):
        for item in value:
            yield from leaves(item)
    else:
        yield value


def arguments(step: Step, kind: type) -> list[Any]:
    """The references, parameters or buffers among a step's arguments, in order."""
    return [leaf for _, value in step.args for leaf in leaves(value) if isinstance(leaf, kind)]
