"""What each operation does in JAX: one rule for each operation that only reads values.

Arrays have the interpreter's layout: a batch axis (of length 1 where nothing differs between the inputs of a
batch), the position axes in the order of the type, then the coordinate axis; a matrix has rows and columns last.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import reduce
from operator import add, mul
from string import ascii_letters
from typing import Any

import numpy as np

from ntksym._lazy import lazy
from ntksym.language.interpret_rules import ROTARY_BASE, Step
from ntksym.language.types import MatrixType
from ntksym.sampling.functions import jax_function

jax = lazy("jax")
jnp = lazy("jax.numpy")

Array = Any

BATCH, COORD, ROW, COLUMN = "(batch)", "(coord)", "(row)", "(column)"
"""Names for the axes of an array that are not position axes; no position axis can be called so."""


@dataclass(frozen=True, slots=True)
class Operation(Step):
    """One operation to carry out in JAX. ``coin`` is a random key if dropout is on.

    ``narrow`` are the arrays read, with a coordinate axis of length one where a number was only repeated along it.
    """

    narrow: tuple[Array, ...] = ()

    def subscripts(self, i: int) -> list[str]:
        """Names for the axes of the i-th array."""
        type = self.types[i]
        last = [ROW, COLUMN] if isinstance(type, MatrixType) else [COORD]
        return [BATCH, *(axis.name for axis in type.positions), *last]


rules: dict[str, Callable[[Operation], Array]] = {}
"""The array that an operation gives, by the operation's name."""


def rule(op: str) -> Callable[[Callable[[Operation], Array]], Callable[[Operation], Array]]:
    def register(function: Callable[[Operation], Array]) -> Callable[[Operation], Array]:
        rules[op] = function
        return function

    return register


def einsum(arrays: Iterable[Array], axes: Iterable[list[str]], out: list[str]) -> Array:
    """A sum of products over named axes; an axis of length one broadcasts, and never costs a copy."""
    letters: dict[str, str] = {}
    reduced, texts, seen = [], [], set[str]()
    for array, names in zip(arrays, axes, strict=True):
        kept = [i for i, length in enumerate(array.shape) if length > 1]
        reduced.append(array.reshape([array.shape[i] for i in kept]))
        texts.append("".join(letters.setdefault(names[i], ascii_letters[len(letters)]) for i in kept))
        seen.update(names[i] for i in kept)
    present = [name for name in out if name in seen]
    result = jnp.einsum(f"{','.join(texts)}->{''.join(letters[name] for name in present)}", *reduced)
    return jnp.expand_dims(result, [i for i, name in enumerate(out) if name not in seen])


# --- weights ---------------------------------------------------------------------------------------------


@rule("constant")
def _constant(step: Operation) -> Array:
    value = step.node.attr("value")
    return jnp.full(
        (1, *step.numbers.shape(step.node.type)), float(step.numbers.number(value)) if value else 0.0, step.dtype
    )


@rule("matmul")
def _matmul(step: Operation) -> Array:
    over, kept = (ROW, COLUMN) if step.node.attr("transpose") else (COLUMN, ROW)
    reads = [over if name == COORD else name for name in step.subscripts(1)]
    out = [BATCH, *(axis.name for axis in step.positions), kept]
    return einsum(step.arrays, [step.subscripts(0), reads], out)


@rule("lookup")
def _lookup(step: Operation) -> Array:
    table, tokens = step.aligned()
    if not step.types[0].positions:
        # a token outside of the table gives nan, never another token's row
        return jnp.take(table.reshape(table.shape[-2:]).T, tokens, axis=0, mode="fill")
    shape = jnp.broadcast_shapes(tokens.shape, table.shape[:-2])
    rows = jnp.broadcast_to(table, (*shape, *table.shape[-2:]))
    index = jnp.broadcast_to(tokens, shape)[..., None, None]
    return jnp.take_along_axis(rows, index, axis=-1)[..., 0]


# --- coordinatewise --------------------------------------------------------------------------------------


@rule("linear")
def _linear(step: Operation) -> Array:
    coefficients = map(step.numbers.number, step.node.attr("coefficients"))
    return reduce(add, map(mul, coefficients, step.aligned()))


@rule("map")
def _map(step: Operation) -> Array:
    phi = step.node.attr("phi")
    return jax_function(phi.expr, phi.symbols)(*step.aligned())


@rule("normalise")
def _normalise(step: Operation) -> Array:
    (x,) = step.arrays
    # the result does not depend on the scale, so the scale needs no derivative; no square overflows or vanishes
    size = jax.lax.stop_gradient(jnp.abs(x).max(-1, keepdims=True))
    x = x / jnp.where(size > 0, size, 1)
    if step.node.attr("centre"):
        x = x - x.mean(-1, keepdims=True)
    square = jnp.mean(x * x, -1, keepdims=True)
    # what centring leaves of equal coordinates is rounding, and stands for 0/0; nan stays nan
    vanishes = square <= (8 * jnp.finfo(x.dtype).eps) ** 2
    return jnp.where(vanishes, 0, x / jnp.sqrt(jnp.where(vanishes, 1, square)))


@rule("dropout")
def _dropout(step: Operation) -> Array:
    (x,) = step.arrays
    if step.coin is None:
        return x
    keep = 1 - float(step.node.attr("rate"))
    return jnp.where(jax.random.bernoulli(step.coin, keep, x.shape), x / keep, 0)


@rule("rotate")
def _rotate(step: Operation) -> Array:
    """Coordinates 2i and 2i+1 at position t turn by the angle t * base**(-2i/d)."""
    (x,) = step.arrays
    d, axis = x.shape[-1], step.axis(step.node.attr("axis"))
    if d % 2:
        raise step.error(f"ns.rotate turns pairs of coordinates, but the value {step.types[0]} has {d} of them")
    angle = np.arange(x.shape[axis])[:, None] * ROTARY_BASE ** (-np.arange(0, d, 2) / d)
    angle = angle.reshape(x.shape[axis], *(1,) * (x.ndim - axis - 2), d // 2)
    cos, sin = jnp.asarray(np.cos(angle), x.dtype), jnp.asarray(np.sin(angle), x.dtype)
    even, odd = x[..., 0::2], x[..., 1::2]
    return jnp.stack([even * cos - odd * sin, even * sin + odd * cos], axis=-1).reshape(x.shape)


# --- sums over axes --------------------------------------------------------------------------------------


@rule("contract")
def _contract(step: Operation) -> Array:
    out = [BATCH, *(axis.name for axis in step.positions), "(one)"]
    return einsum(step.arrays, [step.subscripts(0), step.subscripts(1)], out)


@rule("mix")
def _mix(step: Operation) -> Array:
    out = [BATCH, *(axis.name for axis in step.positions), COORD]
    mixed = einsum(step.narrow, [step.subscripts(0), step.subscripts(1)], out)
    return jnp.broadcast_to(mixed, (mixed.shape[0], *step.numbers.shape(step.node.type)))


@rule("pool")
def _pool(step: Operation) -> Array:
    (x,) = step.arrays
    axes = tuple(step.axis(name) for name in step.node.attr("axes"))
    return x.mean(axes) if step.node.attr("mean") else x.sum(axes)


@rule("softmax")
def _softmax(step: Operation) -> Array:
    (x,) = step.arrays
    axis = step.axis(step.node.attr("axis"))
    top = jax.lax.stop_gradient(x.max(axis, keepdims=True))
    return _share(jnp.exp(x - jnp.where(jnp.isneginf(top), 0, top)), axis)


@rule("top_k")
def _top_k(step: Operation) -> Array:
    """Of equal entries the first are kept."""
    (x,) = step.arrays
    axis, k = step.axis(step.node.attr("axis")), step.numbers.length(step.node.attr("k"), "the k of top_k")
    if k > x.shape[axis]:
        raise step.error(f"ns.top_k keeps {k} entries, but the axis {step.node.attr('axis')} has {x.shape[axis]}")
    order = jnp.argsort(-jax.lax.stop_gradient(x), axis=axis, stable=True)
    return _share(jnp.where(jnp.argsort(order, axis=axis) < k, x, 0), axis)


def _share(x: Array, axis: int) -> Array:
    """x over its sum along an axis; zero where that is zero."""
    total = x.sum(axis, keepdims=True)
    return jnp.where(total != 0, x / jnp.where(total != 0, total, 1), 0)


@rule("mask")
def _mask(step: Operation) -> Array:
    (x,) = step.arrays

    def index(key: str) -> Any:
        axis = step.axis(step.node.attr(key))
        return np.arange(x.shape[axis]).reshape(-1, *(1,) * (x.ndim - axis - 1))

    return jnp.where(index("key") <= index("query"), x, -jnp.inf)
