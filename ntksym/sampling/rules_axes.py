"""The rules of the operations that move axes or positions and leave the numbers as they are."""

from __future__ import annotations

from itertools import product

import numpy as np

from ntksym._lazy import lazy
from ntksym.sampling.rules import Array, Operation, rule

jnp = lazy("jax.numpy")


@rule("split")
def _split(step: Operation) -> Array:
    (x,) = step.arrays
    return x.reshape(*x.shape[:-1], *step.numbers.shape(step.node.type)[-2:])


@rule("merge")
def _merge(step: Operation) -> Array:
    (x,) = step.arrays
    order = [step.axis(axis.name) for axis in step.positions] + [step.axis(name) for name in step.node.attr("axes")]
    moved = x.transpose(0, *order, x.ndim - 1)
    return moved.reshape(*moved.shape[: 1 + len(step.positions)], -1)


@rule("as_axis")
def _as_axis(step: Operation) -> Array:
    return step.arrays[0][..., None]


@rule("broadcast")
def _broadcast(step: Operation) -> Array:
    (x,) = step.arrays
    return jnp.broadcast_to(x, (*x.shape[:-1], step.numbers.shape(step.node.type)[-1]))


@rule("relabel")
def _relabel(step: Operation) -> Array:
    return step.arrays[0]


@rule("pick")
def _pick(step: Operation) -> Array:
    (x,) = step.arrays
    name, index = step.node.attr("axis"), step.node.attr("index")
    length = x.shape[step.axis(name)]
    if not -length <= index < length:
        raise step.error(f"ns.pick takes position {index}, but the axis {name} has {length} positions")
    return jnp.take(x, index % length, axis=step.axis(name))


@rule("shift")
def _shift(step: Operation) -> Array:
    (x,) = step.arrays
    axis = step.axis(step.node.attr("axis"))
    index = np.arange(step.node.attr("length", x.shape[axis])) - step.node.attr("by")
    inside = (index >= 0) & (index < x.shape[axis])
    taken = jnp.take(x, np.where(inside, index, 0), axis=axis)
    return jnp.where(inside.reshape(-1, *(1,) * (x.ndim - axis - 1)), taken, 0)


@rule("patches")
def _patches(step: Operation) -> Array:
    (x,) = step.arrays
    attr = step.node.attr
    stride, padding, extents = attr("stride"), attr("padding"), attr("kernel")
    axes = [step.axis(name) for name in attr("axes")]
    lengths = dict(zip((a.name for a in step.positions), step.numbers.positions(step.positions), strict=True))
    reaches = [(lengths[name] - 1) * stride + 1 for name in attr("axes")]
    widths = [(0, 0)] * x.ndim
    for axis, extent, reach in zip(axes, extents, reaches, strict=True):
        before = 0 if padding == "valid" else (extent - 1) // 2
        widths[axis] = before, max(reach + extent - 1 - before - x.shape[axis], 0)
    x = jnp.pad(x, widths, mode="wrap" if padding == "circular" else "constant")
    slices = []
    for offsets in product(*map(range, extents)):
        where = [slice(None)] * x.ndim
        for axis, offset, reach in zip(axes, offsets, reaches, strict=True):
            where[axis] = slice(offset, offset + reach, stride)
        slices.append(x[tuple(where)])
    # the offsets stand right before the coordinates
    return jnp.stack(slices, axis=-2)
