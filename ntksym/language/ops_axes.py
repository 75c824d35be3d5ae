"""The primitive operations that move axes or positions and leave the numbers as they are."""

from __future__ import annotations

from math import prod

from ntksym.language.dims import Axis, Dim, Size, SizeLike, as_length
from ntksym.language.ops_checks import axes_of, axis_of, checked, new_axis, operation, record, whole
from ntksym.language.source import fail
from ntksym.language.trace import Value
from ntksym.language.types import Type


@operation("split")
def split(x: Value, name: str, parts: SizeLike) -> Value:
    """The coordinate axis n as a position axis of ``parts`` and a coordinate axis of n / parts."""
    x = checked(x, "ns.split")
    axis = Axis(new_axis(x, name, "ns.split"), as_length(parts, "the parts of ns.split"))
    inner = x.type.coord / axis.size
    if not inner.powers and inner.coefficient.denominator != 1:
        raise fail(f"ns.split: {x.type.coord} coordinates cannot be split into {parts} equal parts")
    return record("split", (x,), Type((*x.type.positions, axis), inner), axis=name)


@operation("merge")
def merge(x: Value, *axes: str | Axis | Dim) -> Value:
    """Position axes moved into the coordinate axis (before the coordinates, in the order given)."""
    x = checked(x, "ns.merge")
    found = axes_of(x, axes, "ns.merge")
    coord = x.type.coord
    for axis in found:
        coord = axis.size * coord
    names = tuple(axis.name for axis in found)
    return record("merge", (x,), Type(x.type.without(*names), coord), axes=names)


@operation("as_axis")
def as_axis(x: Value, name: str) -> Value:
    """The coordinate axis as a position axis; what is left is one number per position."""
    x = checked(x, "ns.as_axis")
    axis = Axis(new_axis(x, name, "ns.as_axis"), x.type.coord)
    return record("as_axis", (x,), Type((*x.type.positions, axis)), axis=name)


@operation("broadcast")
def broadcast(x: Value, n: SizeLike) -> Value:
    """A number per position, repeated along a coordinate axis of length n."""
    x = checked(x, "ns.broadcast")
    if not x.type.coord.is_one:
        raise fail(f"ns.broadcast repeats one number per position, but this value {x.type} has {x.type.coord}")
    length = as_length(n, "the length of ns.broadcast")
    return x if length.is_one else record("broadcast", (x,), Type(x.type.positions, length))


@operation("relabel")
def relabel(x: Value, axis: str | Axis | Dim, name: str) -> Value:
    """The same value with a position axis under another name, so that positions can be paired."""
    x = checked(x, "ns.relabel", tokens=True)
    old, name = axis_of(x, axis, "ns.relabel").name, new_axis(x, name, "ns.relabel")
    axes = tuple(Axis(name, a.size) if a.name == old else a for a in x.type.positions)
    return record("relabel", (x,), Type(axes, x.type.coord, x.type.kind), old=old, new=name)


@operation("pick")
def pick(x: Value, axis: str | Axis | Dim, index: int) -> Value:
    """One position along an axis (the last time step: -1)."""
    x = checked(x, "ns.pick", tokens=True)
    found = axis_of(x, axis, "ns.pick")
    name, length, index = found.name, found.size, whole(index, "ns.pick: the index")
    if not length.powers and not -length.coefficient <= index < length.coefficient:
        raise fail(f"ns.pick: the position axis {found} has no position {index}")
    return record("pick", (x,), Type(x.type.without(name), x.type.coord, x.type.kind), axis=name, index=index)


@operation("shift")
def shift(x: Value, axis: str | Axis | Dim, by: int = 1, length: int | None = None) -> Value:
    """Positions moved along an axis, zeros moving in and what passes the ends lost (a delay).

    With a ``length`` the axis has that many positions afterwards: zeros are added, or a part is cut out. Values put
    one behind the other are sums of such.
    """
    x, what = checked(x, "ns.shift"), "ns.shift"
    found, by = axis_of(x, axis, what), whole(by, "ns.shift: by")
    if length is None:
        return record("shift", (x,), x.type, axis=found.name, by=by)
    if whole(length, f"{what}: the length") < 1:
        raise fail(f"{what}: the length {length} is not positive")
    axes = tuple(Axis(a.name, as_length(length)) if a.name == found.name else a for a in x.type.positions)
    return record("shift", (x,), Type(axes, x.type.coord), axis=found.name, by=by, length=length)


@operation("patches")
def patches(
    x: Value,
    axes: tuple[str, ...],
    kernel: tuple[int, ...],
    stride: int = 1,
    padding: str = "same",
    name: str = "patch",
) -> Value:
    """The window around every position of the axes, its offsets as a new position axis.

    Window j starts at position j * stride with padding "valid", and (kernel - 1) // 2 before it with "same"
    (zeros outside) and "circular". The offsets are in row-major order of ``axes``.
    """
    x, what = checked(x, "ns.patches"), "ns.patches"
    if padding not in ("same", "valid", "circular"):
        raise fail(f'{what}: padding={padding!r} is not known; write "same", "valid" or "circular"')
    if not axes:
        raise fail(f"{what}: this value {x.type} has no position axis to take windows along")
    if len(axes) != len(kernel):
        raise fail(f"{what}: {len(kernel)} kernel sizes for {len(axes)} axes; give one for each of {', '.join(axes)}")
    kernel = tuple(whole(extent, f"{what}: a kernel size") for extent in kernel)
    if min(*kernel, whole(stride, f"{what}: the stride")) < 1:
        raise fail(f"{what}: the kernel {kernel} and the stride {stride} must be positive")
    extents = {axis.name: extent for axis, extent in zip(axes_of(x, axes, what), kernel, strict=True)}
    positions = tuple(
        Axis(a.name, _strided(a, extents[a.name], stride, padding)) if a.name in extents else a
        for a in x.type.positions
    )
    offsets = Axis(new_axis(x, name, what), as_length(prod(kernel)))
    names = tuple(extents)
    attrs = {"axes": names, "kernel": kernel, "stride": stride, "padding": padding, "axis": name}
    return record("patches", (x,), Type((*positions, offsets), x.type.coord), **attrs)


def _strided(axis: Axis, kernel: int, stride: int, padding: str) -> Size:
    """How many windows fit; exact for a number, and for a symbol where the stride divides it."""
    length = axis.size
    if not length.powers:
        n = int(length.coefficient)
        if padding == "valid" and n < kernel:
            raise fail(f"a window of {kernel} does not fit into the {n} positions of {axis.name}")
        return as_length((n - kernel) // stride + 1 if padding == "valid" else -(-n // stride))
    if padding == "valid" and kernel != stride:
        raise fail(
            f"windows without padding along the axis {axis}, whose length is a symbol, would have a length "
            'that is not a product of dimensions; give the axis a number, or use padding="same"'
        )
    return length / stride if stride != 1 else length
