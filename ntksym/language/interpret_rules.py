"""What each operation does to arrays: the interpreter's rules, one for each operation that only reads values.

Here an array has a leading batch axis (of length 1 where nothing differs between the inputs of a batch),
then the position axes in the order of its type, then the coordinate axis; a weight matrix has rows and
columns last; token indices have no coordinate axis.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import reduce
from math import prod
from operator import add, mul
from typing import Any

from ntksym._lazy import lazy
from ntksym.errors import ProgramError
from ntksym.language.dims import Axis
from ntksym.language.expressions import numpy_function
from ntksym.language.interpret_sizes import Numbers
from ntksym.language.program import Node
from ntksym.language.types import MatrixType, Type

np = lazy("numpy")

Array = Any  # a numpy.ndarray; NumPy is loaded on first use

ROTARY_BASE = 10_000.0


@dataclass(frozen=True, slots=True)
class Step:
    """One operation to carry out: its node, the arrays it reads with their types, and the sizes.

    ``dtype`` is the floating type of constants; ``coin`` is a random generator if dropout is on.
    """

    node: Node
    arrays: tuple[Array, ...]
    types: tuple[Type | MatrixType, ...]
    numbers: Numbers
    dtype: Any
    coin: Any

    @property
    def positions(self) -> tuple[Axis, ...]:
        """The position axes of the result."""
        return self.node.type.positions

    def aligned(self, positions: tuple[Axis, ...] | None = None) -> list[Array]:
        """The arrays with the position axes of the result (or those given), so that they broadcast."""
        axes = self.positions if positions is None else positions
        return [aligned(array, type, axes) for array, type in zip(self.arrays, self.types, strict=True)]

    def axis(self, name: str) -> int:
        """Where a position axis stands in the first array."""
        return place(self.types[0], name)

    def error(self, message: str) -> ProgramError:
        return ProgramError(f"{self.node.source or self.node.name}: {message}")


def place(type: Type | MatrixType, name: str) -> int:
    """Where a position axis stands in an array of this type; the batch axis is first."""
    return 1 + [axis.name for axis in type.positions].index(name)


def aligned(array: Array, type: Type | MatrixType, positions: tuple[Axis, ...]) -> Array:
    """The array with its position axes in the order of ``positions``, of length 1 where it has none."""
    own = {axis.name for axis in type.positions}
    order = [place(type, axis.name) for axis in positions if axis.name in own]
    rest = range(1 + len(own), array.ndim)
    index = [slice(None) if axis.name in own else None for axis in positions]
    moved: Array = array.transpose(0, *order, *rest)[(slice(None), *index)]
    return moved


rules: dict[str, Callable[[Step], Array]] = {}
"""The array that an operation gives, by the operation's name."""


def rule(op: str) -> Callable[[Callable[[Step], Array]], Callable[[Step], Array]]:
    def register(function: Callable[[Step], Array]) -> Callable[[Step], Array]:
        rules[op] = function
        return function

    return register


# --- weights ---------------------------------------------------------------------------------------------


@rule("constant")
def _constant(step: Step) -> Array:
    value = step.node.attr("value")
    number = float(step.numbers.number(value)) if value else 0.0
    return np.full((1, *step.numbers.shape(step.node.type)), number, step.dtype)


@rule("matmul")
def _matmul(step: Step) -> Array:
    w, x = step.aligned()
    if step.node.attr("transpose"):
        w = w.swapaxes(-1, -2)
    if not step.types[0].positions:
        return np.tensordot(x, w.reshape(w.shape[-2:]), (-1, 1))
    return np.einsum("...rc,...c->...r", w, x)


@rule("lookup")
def _lookup(step: Step) -> Array:
    table, tokens = step.aligned()
    vocab = table.shape[-1]
    if tokens.size and not 0 <= tokens.min() <= tokens.max() < vocab:
        raise step.error(f"token indices from {tokens.min()} to {tokens.max()}, but the table has 0 to {vocab - 1}")
    rows = np.broadcast_to(table, (*np.broadcast_shapes(tokens.shape, table.shape[:-2]), *table.shape[-2:]))
    return np.take_along_axis(rows, tokens[..., None, None], axis=-1)[..., 0]


# --- coordinatewise --------------------------------------------------------------------------------------


@rule("linear")
def _linear(step: Step) -> Array:
    coefficients = map(step.numbers.number, step.node.attr("coefficients"))
    return reduce(add, map(mul, coefficients, step.aligned()))


@rule("map")
def _map(step: Step) -> Array:
    phi = step.node.attr("phi")
    value: Array = numpy_function(phi.expr, phi.symbols)(*step.aligned())
    return value


@rule("normalise")
def _normalise(step: Step) -> Array:
    (x,) = step.arrays
    size = np.abs(x).max(-1, keepdims=True)
    x = np.divide(x, size, out=np.zeros_like(x), where=size > 0)  # so that no square overflows or vanishes
    if step.node.attr("centre"):
        x = x - x.mean(-1, keepdims=True)
    rms = np.sqrt(np.mean(x * x, -1, keepdims=True))
    # what centring leaves of equal coordinates is rounding, and stands for 0/0
    return np.divide(x, rms, out=np.zeros_like(x), where=rms > 8 * np.finfo(x.dtype).eps)


@rule("dropout")
def _dropout(step: Step) -> Array:
    (x,) = step.arrays
    if step.coin is None:
        return x
    keep = 1 - float(step.node.attr("rate"))
    return np.where(step.coin.random(x.shape) < keep, x / keep, 0)


@rule("rotate")
def _rotate(step: Step) -> Array:
    """Coordinates 2i and 2i+1 at position t turn by the angle t * base**(-2i/d)."""
    (x,) = step.arrays
    d, axis = x.shape[-1], step.axis(step.node.attr("axis"))
    if d % 2:
        raise step.error(f"ns.rotate turns pairs of coordinates, but the value {step.types[0]} has {d} of them")
    frequency = ROTARY_BASE ** (-np.arange(0, d, 2) / d)
    angle = (np.arange(x.shape[axis])[:, None] * frequency).astype(x.dtype)
    angle = angle.reshape(x.shape[axis], *(1,) * (x.ndim - axis - 2), d // 2)
    even, odd = x[..., 0::2], x[..., 1::2]
    turned = [even * np.cos(angle) - odd * np.sin(angle), even * np.sin(angle) + odd * np.cos(angle)]
    return np.stack(turned, axis=-1).reshape(x.shape)


# --- sums over axes --------------------------------------------------------------------------------------


@rule("contract")
def _contract(step: Step) -> Array:
    return np.einsum("...c,...c->...", *step.aligned())[..., None]


@rule("mix")
def _mix(step: Step) -> Array:
    name = step.node.attr("axis")
    along = next(axis for type in step.types for axis in type.positions if axis.name == name)
    weights, x = np.broadcast_arrays(*step.aligned((*step.positions, along)))
    return np.einsum("...kc,...kc->...c", weights, x)


@rule("pool")
def _pool(step: Step) -> Array:
    (x,) = step.arrays
    axes = tuple(step.axis(name) for name in step.node.attr("axes"))
    return x.mean(axes) if step.node.attr("mean") else x.sum(axes)


@rule("softmax")
def _softmax(step: Step) -> Array:
    (x,) = step.arrays
    axis = step.axis(step.node.attr("axis"))
    top = x.max(axis, keepdims=True)
    e = np.exp(x - np.where(np.isneginf(top), 0, top))
    return _share(e, axis)


@rule("top_k")
def _top_k(step: Step) -> Array:
    """Of equal entries the first are kept."""
    (x,) = step.arrays
    axis, k = step.axis(step.node.attr("axis")), step.numbers.length(step.node.attr("k"), "the k of top_k")
    if k > x.shape[axis]:
        raise step.error(f"ns.top_k keeps {k} entries, but the axis {step.node.attr('axis')} has {x.shape[axis]}")
    rank = np.argsort(np.argsort(-x, axis=axis, kind="stable"), axis=axis)
    return _share(np.where(rank < k, x, 0), axis)


def _share(x: Array, axis: int) -> Array:
    """x over its sum along an axis; zero where that is zero."""
    total = x.sum(axis, keepdims=True)
    return np.divide(x, total, out=np.zeros_like(x), where=total != 0)


@rule("mask")
def _mask(step: Step) -> Array:
    (x,) = step.arrays

    def index(key: str) -> Array:
        axis = step.axis(step.node.attr(key))
        return np.arange(x.shape[axis]).reshape(-1, *(1,) * (x.ndim - axis - 1))

    return np.where(index("key") <= index("query"), x, -np.inf)


# --- moving axes -----------------------------------------------------------------------------------------


@rule("split")
def _split(step: Step) -> Array:
    (x,) = step.arrays
    return x.reshape(*x.shape[:-1], *step.numbers.shape(step.node.type)[-2:])


@rule("merge")
def _merge(step: Step) -> Array:
    (x,) = step.arrays
    order = [step.axis(axis.name) for axis in step.positions] + [step.axis(name) for name in step.node.attr("axes")]
    moved = x.transpose(0, *order, x.ndim - 1)
    kept = 1 + len(step.positions)
    return moved.reshape(*moved.shape[:kept], prod(moved.shape[kept:]))


@rule("as_axis")
def _as_axis(step: Step) -> Array:
    return step.arrays[0][..., None]


@rule("broadcast")
def _broadcast(step: Step) -> Array:
    (x,) = step.arrays
    return np.broadcast_to(x, (*x.shape[:-1], step.numbers.shape(step.node.type)[-1]))


@rule("relabel")
def _relabel(step: Step) -> Array:
    return step.arrays[0]


@rule("pick")
def _pick(step: Step) -> Array:
    (x,) = step.arrays
    name, index = step.node.attr("axis"), step.node.attr("index")
    length = x.shape[step.axis(name)]
    if not -length <= index < length:
        raise step.error(f"ns.pick takes position {index}, but the axis {name} has {length} positions")
    return x.take(index, axis=step.axis(name))


@rule("shift")
def _shift(step: Step) -> Array:
    (x,) = step.arrays
    axis, by = step.axis(step.node.attr("axis")), step.node.attr("by")
    return _padded(x, {axis: (by, step.node.attr("length", x.shape[axis]) - x.shape[axis] - by)})


def _padded(x: Array, ends: Mapping[int, tuple[int, int]]) -> Array:
    """x with as many zeros before and after the positions of axes, or fewer positions where a number is negative."""
    shape, source, target = list(x.shape), [slice(None)] * x.ndim, [slice(None)] * x.ndim
    for axis, (before, after) in ends.items():
        length = x.shape[axis]
        shape[axis] = before + length + after
        start, stop = max(before, 0), max(min(before + length, shape[axis]), 0)
        target[axis] = slice(start, max(start, stop))
        source[axis] = slice(start - before, max(start, stop) - before)
    out = np.zeros(shape, x.dtype)
    out[tuple(target)] = x[tuple(source)]
    return out


@rule("patches")
def _patches(step: Step) -> Array:
    (x,) = step.arrays
    attr = step.node.attr
    stride, padding = attr("stride"), attr("padding")
    lengths = dict(zip((a.name for a in step.positions), step.numbers.positions(step.positions), strict=True))
    x = np.moveaxis(x, 0, -1)  # inputs last in memory: kernels go by them
    axes = [step.axis(name) - 1 for name in attr("axes")]
    ends = {}
    for name, axis, extent in zip(attr("axes"), axes, attr("kernel"), strict=True):
        before = 0 if padding == "valid" else (extent - 1) // 2
        end = (lengths[name] - 1) * stride - before + extent
        ends[axis] = before, end - x.shape[axis]
        if padding == "circular":
            x = x.take(np.arange(-before, end) % x.shape[axis], axis=axis)
    if padding != "circular":
        x = _padded(x, ends)
    places, steps = list(x.shape[:-2]), list(x.strides[:-2])
    for name, axis in zip(attr("axes"), axes, strict=True):
        places[axis], steps[axis] = lengths[name], steps[axis] * stride
    windows = np.lib.stride_tricks.as_strided(
        x,
        (*places, *attr("kernel"), *x.shape[-2:]),
        (*steps, *(x.strides[axis] for axis in axes), *x.strides[-2:]),
        writeable=False,
    )
    x = windows.reshape(*places, prod(attr("kernel")), *x.shape[-2:])
    return np.moveaxis(x, -1, 0)
