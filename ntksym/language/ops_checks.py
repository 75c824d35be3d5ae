"""What every operation is made with: the registry of their names, and the checks of their arguments."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from ntksym.language.dims import Axis, Dim, Size
from ntksym.language.program import Program
from ntksym.language.source import fail
from ntksym.language.trace import Value, Weight
from ntksym.language.types import MatrixType, Type

operations: dict[str, str] = {
    "input": "data with given axes",
    "carry": "what a loop carries, at the start of its body",
    "element": "one step of a sequence, inside a scan",
    "result": "one of several results of a loop",
}
"""Every operation by name, with a line on what it does."""

F = TypeVar("F", bound=Callable[..., Any])


def operation(name: str) -> Callable[[F], F]:
    """Register the operation that a function records, described by its docstring's first line."""

    def register(function: F) -> F:
        operations[name] = (function.__doc__ or name).split("\n")[0]
        return function

    return register


def checked(value: Any, what: str, *, tokens: bool = False) -> Value:
    """The argument itself, if it is a value; most operations refuse token indices, which are no numbers."""
    if isinstance(value, Value):
        if value.type.kind == "index" and not tokens:
            raise fail(f"{what} got token indices; look them up first: ns.embedding(tokens, n, name=...)")
        return value
    if isinstance(value, Weight):
        raise fail(f"{what} got the weight {value.name} where a value was expected; apply it with ns.matmul")
    if isinstance(value, Program):
        raise fail(f"{what} got the program {value.name}; give it values to record it here: {value.name}(x)")
    found = " ".join(repr(value).split())
    raise fail(f"{what} got {found if len(found) <= 80 else type(value)} where a value of the program was expected")


def record(op: str, values: tuple[Value | Weight, ...], type: Type, **attrs: Any) -> Value:
    return values[0].tracer.value(op, values, type, **attrs)


def joined(what: str, *types: Type | MatrixType) -> tuple[Axis, ...]:
    """The union of position axes by name; the same name with two lengths is an error."""
    axes: dict[str, Axis] = {}
    for type in types:
        for axis in type.positions:
            other = axes.setdefault(axis.name, axis)
            if not other.size.same(axis.size):
                raise fail(
                    f"{what}: the position axis {axis.name} has length {other.size} in one value and "
                    f"{axis.size} in another"
                )
    return tuple(axes.values())


def whole(number: Any, what: str) -> int:
    """A plain whole number, where a dimension that may be taken large has no meaning."""
    if isinstance(number, bool) or not isinstance(number, int):
        kind = f"the dimension {number}" if isinstance(number, Dim | Size) else repr(number)
        raise fail(f"{what} is {kind}, but it must be finite: a whole number such as 3")
    return number


def new_axis(value: Value, name: str, what: str) -> str:
    if value.type.axis(name):
        raise fail(f"{what}: this value {value.type} already has a position axis {name}; choose another name")
    return name


def axis_of(value: Value, name: str | Axis | Dim, what: str) -> Axis:
    return named(value.type, name, what)


def named(type: Type, name: str | Axis | Dim, what: str) -> Axis:
    wanted = name.name if isinstance(name, Axis | Dim) else name
    axis = type.axis(wanted)
    if axis is None:
        have = ", ".join(a.name for a in type.positions) or "none"
        raise fail(f"{what}: there is no position axis {wanted}; this value {type} has: {have}")
    return axis


def axes_of(value: Value, names: tuple[str | Axis | Dim, ...], what: str) -> tuple[Axis, ...]:
    """The position axes that are named, each once; all of them if none is."""
    found = tuple(axis_of(value, name, what) for name in names) or value.type.positions
    if not found:
        raise fail(f"{what}: this value {value.type} has no position axis")
    if len({axis.name for axis in found}) < len(found):
        raise fail(f"{what}: the position axes {', '.join(a.name for a in found)} are not all different")
    return found
