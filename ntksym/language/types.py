"""Types of what flows through a program, and the annotations a user gives its inputs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ntksym.language.dims import ONE, Axis, Dim, Size, SizeLike, as_length, fixed


@dataclass(frozen=True)
class Type:
    """A value: position axes by name, and one coordinate axis. ``kind`` "index" marks tokens."""

    positions: tuple[Axis, ...] = ()
    coord: Size = ONE
    kind: str = "real"

    def axis(self, name: str) -> Axis | None:
        return next((axis for axis in self.positions if axis.name == name), None)

    def without(self, *names: str) -> tuple[Axis, ...]:
        return tuple(axis for axis in self.positions if axis.name not in names)

    def sizes(self) -> Iterator[Size]:
        yield self.coord
        yield from (axis.size for axis in self.positions)

    def __str__(self) -> str:
        inside = [str(axis) for axis in self.positions]
        if self.kind == "index":
            return f"tokens[{', '.join(inside)}]"
        return f"[{', '.join(inside)}; {self.coord}]" if inside else f"[{self.coord}]"


@dataclass(frozen=True)
class MatrixType:
    """A weight matrix of shape (rows, cols), one for each point of the ``positions`` that index it."""

    rows: Size
    cols: Size
    positions: tuple[Axis, ...] = ()

    def sizes(self) -> Iterator[Size]:
        yield self.rows
        yield self.cols
        yield from (axis.size for axis in self.positions)

    def __str__(self) -> str:
        inside = "".join(f"{axis}, " for axis in self.positions)
        return f"({inside}{self.rows} x {self.cols})"


@dataclass(frozen=True)
class InputType:
    """What an annotated input holds: its ``kind`` (vector, tokens, ...) and its type."""

    kind: str
    type: Type


def _length(length: SizeLike | str) -> Size:
    """A length; a bare name is a dimension that stays finite."""
    return as_length(fixed(length) if isinstance(length, str) else length)


def _axis(length: SizeLike | str, default: str) -> Axis:
    name = length if isinstance(length, str) else length.name if isinstance(length, Dim) else default
    return Axis(name, _length(length))


def Vector(d: SizeLike | str) -> InputType:
    """A vector of ``d`` coordinates."""
    return InputType("vector", Type((), _length(d)))


def Tokens(T: SizeLike | str, name: str = "T") -> InputType:
    """A sequence of ``T`` token indices."""
    return InputType("tokens", Type((_axis(T, name),), ONE, "index"))


def Sequence(T: SizeLike | str, d: SizeLike | str, name: str = "T") -> InputType:
    """A sequence (or set, or nodes of a graph) of ``T`` vectors of ``d`` coordinates."""
    return InputType("sequence", Type((_axis(T, name),), _length(d)))


def Image(height: SizeLike | str, width: SizeLike | str, channels: SizeLike | str) -> InputType:
    """An image: positions ``row`` and ``col``, coordinate axis the channels."""
    rows, cols = Axis("row", _length(height)), Axis("col", _length(width))
    return InputType("image", Type((rows, cols), _length(channels)))


def Graph(nodes: SizeLike | str, name: str = "N") -> InputType:
    """The (normalised) adjacency matrix of a graph: weights from position ``N'`` to position ``N``."""
    axis = _axis(nodes, name)
    return InputType("graph", Type((axis, Axis(axis.name + "'", axis.size)), ONE))
