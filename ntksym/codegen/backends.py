"""What runs generated source.

A backend makes functions of a module's text: ``point`` for single inputs, ``pairs`` for blocks of pairs. numba is the
fast one, numpy the reference, jax for accelerators. (``KernelRecursion.evaluate`` is the oracle.)
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ntksym._lazy import lazy
from ntksym.codegen.functions import angles, interpolated, jax_functions, numpy_functions
from ntksym.codegen.store import Kept, loaded

jax = lazy("jax")
jnp = lazy("jax.numpy")

Array = Any


@dataclass(frozen=True)
class Functions:
    """What a kernel is computed with.

    ``counts(parameters)`` gives the rounds of each loop, ``point(squares, parameters, counts)`` what pairs read of
    single inputs, ``pairs(products, left, right, parameters, counts)`` the kernels of a block: ``products`` are, for
    each input, inner products, followed by c and g where these are needed; ``angles(products, units of both sides,
    inverse norms of both)`` finds them. ``interpolated(c, g, table, left, right)`` reads kernels from a table. Results
    are arrays (outputs, rows, columns); they may be overwritten when the same thread calls again. ``placed`` and
    ``mirrored`` put a block into a matrix.
    """

    counts: Callable[..., Any]
    point: Callable[..., Any]
    pairs: Callable[..., Any]
    angles: Callable[..., Any]
    interpolated: Callable[..., Any]
    placed: Callable[..., Any]
    mirrored: Callable[..., Any]


def _arrays(kept: Kept, functions: Mapping[str, Any]) -> dict[str, Any]:
    names = dict(functions)
    exec(compile(kept.arrays, f"<{kept.title}>", "exec"), names)
    return names


def _placed(values: Array, result: Array, row: int, column: int) -> None:
    result[row : row + values.shape[0], column : column + values.shape[1]] = values


def _mirrored(values: Array, result: Array, row: int, column: int) -> None:
    """As ``scalars.mirrored``."""
    if row == column:
        values = np.tril(values, -1)
        values = values + values.T
    _placed(values, result, row, column)
    _placed(values.T, result, column, row)


def numpy_backend(kept: Kept) -> Functions:
    names = _arrays(kept, numpy_functions())

    def pairs(products: Sequence[Array], left: Any, right: Any, parameters: Any, counts: Any) -> Array:
        found = names["pairs"](products, _standing(left), _lying(right), parameters, counts)
        return np.stack([np.broadcast_to(x, products[0].shape) for x in found])

    return Functions(names["counts"], names["point"], pairs, angles, interpolated, _placed, _mirrored)


def jax_backend(kept: Kept) -> Functions:
    own = numpy_backend(kept)
    compiled = jax.jit(_arrays(kept, jax_functions())["pairs"], static_argnums=4)

    def pairs(products: Sequence[Array], left: Any, right: Any, parameters: Any, counts: Any) -> Array:
        with jax.enable_x64(True):
            found = compiled(list(products), _standing(left), _lying(right), tuple(parameters), tuple(counts))
            return np.stack([np.broadcast_to(each, products[0].shape) for each in found])

    return replace(own, pairs=pairs)


def numba_backend(kept: Kept) -> Functions:
    own, module, buffers = numpy_backend(kept), loaded(kept), _Buffers()

    def pairs(products: Sequence[Array], left: Any, right: Any, parameters: Any, counts: Any) -> Array:
        results = buffers.array("results", (len(kept.outputs), *products[0].shape))
        sides = [x for parts in zip(left, right, strict=True) for pair in zip(*parts, strict=True) for x in pair]
        module.pairs(*products, *sides, np.array(parameters, float), np.array(counts, np.int64), *results)
        return results

    def angles(G: Array, *sides: Array) -> tuple[Array, Array]:
        c, g = (buffers.array(name, G.shape) for name in "cg")
        module.angles(G, *sides, c, g)
        return c, g

    def interpolated(c: Array, g: Array, table: Array, left: Array, right: Array) -> Array:
        results = buffers.array("results", (len(table), *c.shape))
        module.interpolated(c, g, table, left, right, results)
        return results

    return Functions(own.counts, own.point, pairs, angles, interpolated, module.placed, module.mirrored)


class _Buffers(threading.local):
    """Arrays that each thread makes once and uses again: fresh memory costs as much as filling it."""

    def __init__(self) -> None:
        self.arrays: dict[str, Array] = {}

    def array(self, name: str, shape: tuple[int, ...]) -> Array:
        """A contiguous array of this shape with what was left in it."""
        size = math.prod(shape)
        if name not in self.arrays or self.arrays[name].size < size:
            self.arrays[name] = np.empty(size)
        return self.arrays[name][:size].reshape(shape)


def _standing(kept: Sequence[Sequence[Array]]) -> list[list[Any]]:
    return [[each[..., :, None] for each in part] for part in kept]


def _lying(kept: Sequence[Sequence[Array]]) -> list[list[Any]]:
    return [[each[..., None, :] for each in part] for part in kept]


backends: dict[str, Callable[[Kept], Functions]] = {
    "numba": numba_backend,
    "numpy": numpy_backend,
    "jax": jax_backend,
}
