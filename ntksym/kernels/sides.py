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
EQUAL = 16 * float(np.finfo(float).eps)
"""How far squared norms may be apart, relative to them, that differ by rounding only."""


@dataclass(frozen=True)
class Side:
    """The inputs of one side: their vectors, inverse norms, and what pairs read of each.

    ``kept`` are, for each part of the routine, numbers (names, N), Hermite coefficients (terms, N) and their rests, in
    a loop with an axis for its rounds. ``own`` are the kernels of each input with itself, ``roots`` (kernels, N) their
    roots. ``sizes`` are the dimensions that the inputs have, ``bound`` the parameters, numbers of rounds, entries and
    tables that come with them.

    With positions P, vectors are (P, d, N), inverse norms (P, N), and numbers (names, P, N); ``own`` and ``roots`` are
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
        if start == 0 and stop == len(self):
            return self
        return Side(
            tuple(v[start:stop] if v.ndim == 2 else np.ascontiguousarray(v[..., start:stop]) for v in self.vectors),
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

    ``bound`` is as in ``Side``: there are positions where there are entries. Raises KernelError where kernels are no
    numbers.
    """
    if bound[2]:
        vectors = [np.moveaxis(x, 0, -1).reshape(prod(x.shape[1:-1]), x.shape[-1], len(x)) for x in vectors]
    vectors = [np.ascontiguousarray(x) for x in vectors]
    squares = [np.einsum("pdn,pdn->pn" if bound[2] else "nd,nd->n", x, x) / max(x.shape[1], 1) for x in vectors]
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
    kept, own = functions.point(squares, parameters, counts, tables)
    if any(np.isnan(x.min(initial=0)) for x in (own, *(part[0] for part in kept))):
        raise KernelError(
            "a zero input meets an activation that jumps at 0, where the formulas have no limit; use evaluate(), "
            "or set sigma_b"
        )
    return kept, own


# --- blocks ----------------------------------------------------------------------------------------------------


def blocks(rows: int, columns: int, symmetric: bool, height: int = ROWS, width: int = COLUMNS) -> Iterator[Block]:
    """Blocks that cover a matrix; of a symmetric one those that reach the diagonal or are left of it.

    Those of the last rows, which are the longest there, come first, so that all threads end together.
    """
    for i in reversed(range(0, rows, height)):
        k = min(i + height, rows)
        for j in range(0, k if symmetric else columns, width):
            yield i, k, j, min(j + width, k if symmetric else columns)


def products(rows: Side, columns: Side, reach: int) -> list[Array]:
    """Inner products, divided by the dimension; 0 for the input of row i and that of column ``reach`` + i, the same.

    What is known of an input beside itself is not computed again, least of all as a close pair.
    """
    out = []
    for x, y in zip(rows.vectors, columns.vectors, strict=True):
        found = x @ y.T
        found /= max(x.shape[1], 1)
        np.fill_diagonal(found[:, reach:], 0.0)
        out.append(found)
    return out
