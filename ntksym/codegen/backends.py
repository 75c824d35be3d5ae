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
from ntksym.codegen.functions import angles, interpolated, jax_functions, numpy_functions, products_and_angles
from ntksym.codegen.scalars import COLUMNS
from ntksym.codegen.statements import Window
from ntksym.codegen.store import Kept, loaded
from ntksym.codegen.threads import for_each

jax = lazy("jax")
jnp = lazy("jax.numpy")

Array = Any
AT_ONCE = 1 << 20
"""Entries of pairs that are computed together at most: some lines of them are kept, of eight bytes each."""
SHARES = 4
"""Of a block with positions, for each thread: those of a symmetric matrix differ in length."""
ALL = 1 << 31
"""A reach beyond all columns."""


@dataclass(frozen=True)
class Functions:
    """What a kernel is computed with.

    ``counts(parameters)`` gives the rounds of each loop, ``point(squares, parameters, counts, tables)`` what pairs read
    of single inputs, arrays as ``Side.kept`` has them, and the kernels of each input with itself, ``pairs(given, left,
    right, parameters, counts, entries, tables, reach=)`` the kernels: ``given`` are, for each input, inner products,
    followed by c and g where these are needed, which ``angles(number of the input, products, vectors of both sides,
    inverse norms of both)`` finds; at positions it is what ``at_entries(vectors of both sides, inverse norms of both,
    entries, whether c and g are needed)`` gives, or the vectors alone, where ``pairs`` finds all that.
    ``entries`` are those of each space, ``tables`` those of each window, both empty where there are no positions. Of
    row i only the first ``reach`` + i + 1 columns need to be computed, the last of which is of the same input. With
    positions, ``threads`` share the rows.
    ``interpolated(c, g, table, left, right)`` reads kernels from a table of functions of c. Results are arrays
    (outputs, rows, columns); they may be overwritten when the same thread calls again, for the same input. ``placed``
    and ``mirrored`` put a block into a matrix.
    """

    counts: Callable[..., Any]
    point: Callable[..., Any]
    pairs: Callable[..., Any]
    angles: Callable[..., Any]
    at_entries: Callable[..., Any]
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
    left, square = values[:, : max(row - column, 0)], np.tril(values[:, max(row - column, 0) :], -1)
    _placed(left, result, row, column)
    _placed(left.T, result, column, row)
    if square.size:
        _placed(square + square.T, result, row, row)


def _stacked(part: Any, shape: tuple[int, ...]) -> tuple[Array, ...]:
    """What ``point`` kept as arrays: numbers and series, of a loop with an axis for its rounds."""
    if isinstance(part, tuple):
        rows, series = part
        return (_filled([rows], shape)[0], *series)
    out = [_filled([rows for rows, _ in part], shape)]
    for arrays in zip(*(series for _, series in part), strict=True):
        terms = max(map(len, arrays))
        out.append(np.stack([np.pad(x, ((0, terms - len(x)), (0, 0))) for x in arrays]))
    return tuple(out)


def _filled(rounds: Sequence[Sequence[Any]], shape: tuple[int, ...]) -> Array:
    """Numbers of inputs, those of a round one below the other, all with as many positions as those with the most."""
    numbers = [each for rows in rounds for each in rows]
    shapes = {np.shape(each) for each in numbers}
    if len(shapes) == 1 and shapes.pop()[-1:] == shape[-1:]:
        return np.array(rounds, float)
    most = max((np.shape(each)[:-1] for each in numbers), default=shape[:-1]) if len(shape) > 1 else ()
    out = np.zeros((len(rounds), max(map(len, rounds), default=0), *most, shape[-1]))
    for rows, into in zip(rounds, out, strict=True):
        for row, each in zip(into, rows, strict=True):
            row[tuple(map(slice, np.shape(each)[:-1]))] = each
    return out


def numpy_backend(kept: Kept) -> Functions:
    names = _arrays(kept, numpy_functions())

    def point(squares: list[Array], *given: Any) -> tuple[Any, Array]:
        rows, own = names["point"](squares, *given)
        shape = squares[0].shape
        return tuple(_stacked(part, shape) for part in rows), _filled([own], shape)[0]

    def pairs(products: Sequence[Array], left: Any, right: Any, *numbers: Any, **_: Any) -> Array:
        return _blocks(names["pairs"](products, *_sides(kept, left, right), *numbers), products)

    found = (lambda _, *given: angles(*given)), products_and_angles
    return Functions(names["counts"], point, pairs, *found, interpolated, _placed, _mirrored)


def jax_backend(kept: Kept) -> Functions:
    own = numpy_backend(kept)
    compiled = jax.jit(_arrays(kept, jax_functions())["pairs"], static_argnums=4)

    def pairs(
        products: Sequence[Array], left: Any, right: Any, parameters: Any, counts: Any, *positions: Any, **_: Any
    ) -> Array:
        with jax.enable_x64(True):
            sides = _sides(kept, left, right)
            found = compiled(list(products), *sides, tuple(parameters), tuple(counts), *positions)
            return _blocks([np.asarray(x) for x in found], products)

    return replace(own, pairs=pairs)


def numba_backend(kept: Kept) -> Functions:
    own, module, buffers = numpy_backend(kept), loaded(kept), Buffers()
    still = [k for k, window in enumerate(kept.windows) if Window(*window).keeps_diagonals]

    def point(squares: list[Array], parameters: Any, counts: Any, tables: Any) -> tuple[Any, Array]:
        if not kept.spaces:
            found: tuple[Any, Array] = own.point(squares, parameters, counts, tables)
            return found
        moved = [x for k in still for x in (tables[k].place, tables[k].factor)]
        parts = module.point(*squares, *moved, np.array(parameters, float), np.array(counts, np.int64))
        return tuple((x,) for x in parts), np.zeros((0, *squares[0].shape))

    def pairs(
        given: Sequence[Array],
        left: Any,
        right: Any,
        parameters: Any,
        counts: Any,
        *positions: Any,
        reach: int = ALL,
        threads: int = 1,
    ) -> Array:
        shape = (given[0].shape[-1], given[1].shape[-1]) if kept.spaces else given[0].shape
        results = buffers.array("results", (len(kept.outputs), *shape))
        sides = [x for parts in zip(left, right, strict=True) for pair in zip(*parts, strict=True) for x in pair]
        flat = [x for several in positions for arrays in several for x in arrays]
        numbers = [*given, *sides, *flat, np.array(parameters, float), np.array(counts, np.int64)]
        if not kept.spaces:
            module.pairs(*numbers, *results)
            return results
        rows, columns = shape
        most = max(len(each.left) for each in positions[0])
        strip = max(min(AT_ONCE // most, COLUMNS) // columns, 1)
        share = strip * -(-rows // (strip * SHARES * threads))

        def some(start: int) -> None:
            stop = min(start + share, rows)
            work = buffers.array("work", (kept.lines, most, strip * columns))
            module.pairs(*numbers, start, stop, strip, reach, work, *results)

        for_each(some, reversed(range(0, rows, share)), threads)
        return results

    def angles(k: int, G: Array, *sides: Array) -> tuple[Array, Array]:
        c, g = (buffers.array(f"{name}{k}", G.shape) for name in "cg")
        module.angles(G, *sides, c, g)
        return c, g

    def at_entries(left: Array, right: Array, *_: Any) -> list[Array]:
        return [left, right]

    def interpolated(c: Array, g: Array, table: Array, left: Array, right: Array) -> Array:
        results = buffers.array("results", (len(table), *c.shape))
        module.interpolated(c, g, table, left, right, results)
        return results

    placed, mirrored = module.placed, module.mirrored
    return Functions(own.counts, point, pairs, angles, at_entries, interpolated, placed, mirrored)


class Buffers(threading.local):
    """Arrays that each thread makes once and uses again: fresh memory costs as much as filling it."""

    def __init__(self) -> None:
        self.arrays: dict[str, Array] = {}

    def array(self, name: str, shape: tuple[int, ...]) -> Array:
        """A contiguous array of this shape with what was left in it."""
        size = math.prod(shape)
        if name not in self.arrays or self.arrays[name].size < size:
            self.arrays[name] = np.empty(size)
        return self.arrays[name][:size].reshape(shape)


def _sides(kept: Kept, left: Sequence[Sequence[Array]], right: Sequence[Sequence[Array]]) -> tuple[Any, Any]:
    """What is known of the inputs of rows and of columns, as generated array functions read it."""
    if kept.spaces:
        return left, right
    standing = [[each[..., :, None] for each in part] for part in left]
    return standing, [[each[..., None, :] for each in part] for part in right]


def _blocks(found: Sequence[Array], products: Sequence[Array]) -> Array:
    """Kernels as an array (outputs, rows, columns); those of positions have an axis for their one entry."""
    shape = products[0].shape[-2:]
    return np.stack([np.broadcast_to(x[0] if np.ndim(x) == 3 else x, shape) for x in found])


backends: dict[str, Callable[[Kept], Functions]] = {
    "numba": numba_backend,
    "numpy": numpy_backend,
    "jax": jax_backend,
}
