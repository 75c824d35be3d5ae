"""The inputs of one side of a Gram matrix, as compiled kernels read them: blocks, products, what each pair needs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from ntksym.codegen.backends import Functions
from ntksym.codegen.functions import inverse as reciprocal
from ntksym.codegen.scalars import COLUMNS
from ntksym.errors import KernelError

Array = Any
Block = tuple[int, int, int, int]
"""First row, end of rows, first column, end of columns."""
ROWS = 128
"""Of a block, which with its results fits into the second cache."""
PANEL = 4 * ROWS
"""Rows whose inner products are taken at once."""
EQUAL = 16 * float(np.finfo(float).eps)
"""How far squared norms may be apart, relative to them, that differ by rounding only."""


@dataclass(frozen=True)
class Side:
    """The inputs of one side: their vectors, inverse norms, and what pairs read of each.

    ``kept`` are, for each part of the routine, numbers (names, N) and Hermite coefficients (terms, N), in a loop with
    an axis for its rounds. ``own`` are the kernels of each input with itself, ``roots`` (kernels, N) their roots.
    ``sizes`` are the dimensions that the inputs have, ``bound`` the parameters, numbers of rounds, entries and tables
    that come with them.

    With positions P, vectors are (P, N, d), inverse norms (P, N), and numbers (names, P, N); ``own`` and ``roots`` are
    empty then.
    """

    vectors: tuple[Array, ...]
    inverse: tuple[Array, ...]
    kept: tuple[tuple[Array, ...], ...]
    own: Array
    roots: Array
    sizes: Mapping[str, Any]
    bound: tuple[Any, ...]

    def part(self, start: int, stop: int) -> Side:
        """Some of the inputs."""
        return Side(
            tuple(v[..., start:stop, :] for v in self.vectors),
            tuple(v[..., start:stop] for v in self.inverse),
            tuple(tuple(np.ascontiguousarray(x[..., start:stop]) for x in part) for part in self.kept),
            self.own[:, start:stop],
            np.ascontiguousarray(self.roots[:, start:stop]),
            self.sizes,
            self.bound,
        )

    def __len__(self) -> int:
        return int(self.inverse[0].shape[-1])

    @property
    def one_norm(self) -> bool:
        """Whether all inputs have the same norm, up to rounding, and one vector each."""
        if len(self.inverse) != 1 or not len(self) or self.inverse[0].ndim > 1:
            return False
        low, high = self.inverse[0].min(), self.inverse[0].max()
        return bool(low > 0 and high - low <= EQUAL / 2 * high)


def side_of(vectors: Sequence[Array], sizes: Mapping[str, Any], functions: Functions, bound: tuple[Any, ...]) -> Side:
    """The side of inputs, each of the ``vectors`` an array (N, d), or (N, positions.., d).

    Raises KernelError where kernels are no numbers.
    """
    vectors = [
        np.ascontiguousarray(x.reshape(len(x), prod(x.shape[1:-1]), x.shape[-1]).swapaxes(0, 1) if x.ndim > 2 else x)
        for x in vectors
    ]
    squares = [np.einsum("...j,...j->...", x, x) / max(x.shape[-1], 1) for x in vectors]
    if not all(np.isfinite(square).all() for square in squares):
        raise KernelError("the squares of the inputs are too large for floating-point numbers")
    inverse = [reciprocal(np.sqrt(square)) for square in squares]
    kept, own = _points(squares, functions, bound)
    return Side(tuple(vectors), tuple(inverse), kept, own, np.sqrt(own), sizes, bound)


def unit_side(functions: Functions, bound: tuple[Any, ...]) -> Side:
    """A side of one input of norm one, without its vector."""
    kept, own = _points([np.ones(1)], functions, bound)
    return Side((), (np.ones(1),), kept, own, np.sqrt(own), {}, bound)


def _points(squares: list[Array], functions: Functions, bound: tuple[Any, ...]) -> tuple[Any, Array]:
    parameters, counts, _, tables = bound
    rows, own = functions.point(squares, parameters, counts, tables)
    kept = tuple(_stacked(part, squares[0].shape) for part in rows)
    found = _filled([own], squares[0].shape)[0]
    if any(np.isnan(x.min(initial=0)) for x in (found, *(part[0] for part in kept))):
        raise KernelError(
            "a zero input meets an activation that jumps at 0, where the formulas have no limit; use evaluate(), "
            "or set sigma_b"
        )
    return kept, found


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
    most = max((np.shape(each)[:-1] for each in numbers), default=shape[:-1]) if len(shape) > 1 else ()
    out = np.zeros((len(rounds), max(map(len, rounds), default=0), *most, shape[-1]))
    for rows, into in zip(rounds, out, strict=True):
        for row, each in zip(into, rows, strict=True):
            row[tuple(map(slice, np.shape(each)[:-1]))] = each
    return out


# --- blocks ----------------------------------------------------------------------------------------------------


def panels(rows: int, columns: int, symmetric: bool) -> Iterator[Block]:
    """Panels of rows that cover a matrix; of a symmetric one what is not right of a square on the diagonal."""
    for i in range(0, rows, PANEL):
        k = min(i + PANEL, rows)
        yield i, k, 0, k if symmetric else columns


def blocks(panel: Block, symmetric: bool, rows: int = ROWS, columns: int = COLUMNS) -> Iterator[Block]:
    """Blocks that cover a panel; of a symmetric matrix those that reach the diagonal or what is left of it.

    Those of the last rows, which are the longest there, come first, so that all threads end together.
    """
    for i in reversed(range(panel[0], panel[1], rows)):
        k = min(i + rows, panel[1])
        for j in range(0, k if symmetric else panel[3], columns):
            yield i, k, j, min(j + columns, k if symmetric else panel[3])


def products(rows: Side, columns: Side) -> list[Array]:
    """Inner products, divided by the dimension."""
    out = []
    for x, y in zip(rows.vectors, columns.vectors, strict=True):
        found = x @ y.T
        found /= max(x.shape[1], 1)
        out.append(found)
    return out
