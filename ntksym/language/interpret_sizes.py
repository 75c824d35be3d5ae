"""Sizes as numbers, for the interpreter: every dimension of a program at a concrete size."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches

from ntksym.errors import ProgramError
from ntksym.language.dims import Axis, Number, Size
from ntksym.language.program import Program
from ntksym.language.types import MatrixType, Type


class Numbers:
    """The sizes of one program at given sizes of its dimensions."""

    def __init__(self, program: Program, sizes: Mapping[str, Number]) -> None:
        self.sizes = dict(sizes)
        self._known: dict[Size, float | int] = {}
        names = [dim.name for dim in program.dims]
        for name in self.sizes:
            if name not in names:
                close = get_close_matches(str(name), names, 1)
                hint = f"; did you mean {close[0]}?" if close else f"; it has: {', '.join(names) or 'none'}"
                raise ProgramError(f"sizes: {program.name} has no dimension {name}{hint}")
        for dim in program.dims:
            if dim.name in self.sizes and dim.equals is not None:
                given, derived = self.sizes[dim.name], dim.equals.value(self.sizes)
                if abs(given - derived) > 1e-9 * abs(derived):
                    raise ProgramError(
                        f"sizes: {dim.name} is given as {given}, but {dim.name} = {dim.equals} = {derived}"
                    )

    def number(self, size: Size) -> float | int:
        """The number a size is; an int where it is whole."""
        if size not in self._known:
            value = size.value(self.sizes)
            whole = round(value)
            self._known[size] = whole if abs(value - whole) <= 1e-12 * abs(value) else value
        return self._known[size]

    def length(self, size: Size, what: str) -> int:
        """The length of an axis, which must be positive and whole."""
        value = self.number(size)
        if not isinstance(value, int) or value < 1:
            raise ProgramError(f"{what} is {size} = {value} at these sizes; it must be a positive whole number")
        return value

    def positions(self, axes: tuple[Axis, ...]) -> tuple[int, ...]:
        return tuple(self.length(axis.size, f"the length of the position axis {axis.name}") for axis in axes)

    def shape(self, type: Type | MatrixType) -> tuple[int, ...]:
        """The shape of one value or weight: positions first, then coordinates; token indices have none."""
        if isinstance(type, MatrixType):
            tail: tuple[int, ...] = self.length(type.rows, "a fan-out"), self.length(type.cols, "a fan-in")
        elif type.kind == "index":
            tail = ()
        else:
            tail = (self.length(type.coord, "a number of coordinates"),)
        return (*self.positions(type.positions), *tail)
