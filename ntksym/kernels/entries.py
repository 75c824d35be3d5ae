"""Entries of kernels with positions: which of them the outputs need, and windows over them in numbers.

From the one entry of an output the windows lead back to entries of earlier lines: to all pairs of positions from a mean
over positions, to the diagonal ones alone where positions were flattened.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import prod
from typing import Any

import numpy as np

from ntksym.codegen.backends import AT_ONCE, Functions
from ntksym.codegen.entries import Entries, Table
from ntksym.codegen.scalars import TERMS
from ntksym.codegen.statements import Move, Window
from ntksym.codegen.store import Kept
from ntksym.kernels.labelled import Labelled, moved
from ntksym.kernels.sides import Side

Array = Any
Shape = tuple[int, ...]
AT_MOST = 64
"""Rows of a block, and columns, at most."""
Positions = tuple[tuple[Entries, ...], tuple[Table, ...]]


@dataclass(frozen=True)
class Moves:
    """What moves of one point's positions lead to: sums of ``weight`` times positions ``place`` of the source.

    Both have the axes (positions of the target, positions of shared axes, terms); missing terms have the weight 0.
    """

    place: Array
    weight: Array

    def diagonal(self) -> tuple[Array, Array]:
        """Places and factors of diagonals, as in ``Table``; without rows where positions are summed."""
        _, shared, terms = self.place.shape
        if terms > 1:
            return np.zeros((0, 0), np.uint32), np.zeros((0, 0))
        return self.place[..., 0].astype(np.uint32), self.weight[..., 0] / np.sqrt(shared)


@lru_cache(maxsize=16)
def positions_of(module: Kept, shapes: tuple[Shape, ...]) -> Positions:
    """The entries of each space that the outputs need, and the table of each window; ``shapes`` are those of positions.

    Both are empty for a module without positions.
    """
    lengths: dict[int, tuple[Shape, Shape]] = {0: ((), ())}
    lengths.update({space: (shape, shape) for space, shape in zip(module.places, shapes, strict=True)})
    windows = [Window(*fields) for fields in module.windows]
    moves = []
    for window in windows:
        shared = tuple(zip(*window.shared, strict=True)) or ((), ())
        places = zip(module.spaces[window.source], lengths[window.source], module.spaces[window.target], strict=True)
        sides = [
            _moves(steps, *place, axes)
            for steps, place, axes in zip((window.left, window.right), places, shared, strict=True)
        ]
        lengths[window.target] = (sides[0][1], sides[1][1])
        moves.append((sides[0][0], sides[1][0]))
    sizes = {space: (prod(left), prod(right)) for space, (left, right) in lengths.items()}
    needed = _needed(windows, moves, sizes)
    entries = {
        space: Entries(*(x.astype(np.uint32) for x in divmod(np.flatnonzero(mask), max(sizes[space][1], 1))))
        for space, mask in needed.items()
    }
    none = Entries(np.zeros(0, np.uint32), np.zeros(0, np.uint32))
    tables = []
    for window, (left, right) in zip(windows, moves, strict=True):
        index, weight = _terms(left, right, entries[window.target], sizes[window.source][1])
        rank = np.cumsum(needed[window.source]) - 1
        index = np.where(weight != 0, rank[index], 0).astype(np.uint32)
        tables.append(Table(index, weight, *left.diagonal()))
    return tuple(entries.get(space, none) for space in range(len(module.spaces))), tuple(tables)


def _moves(steps: tuple[Move, ...], axes: Any, lengths: Shape, target: Any, shared: Any) -> tuple[Moves, Shape]:
    """Moves along positions of one point, and the lengths of the target's axes."""
    count = prod(lengths)
    x = Labelled(tuple(f"L:{axis}" for axis in axes), np.eye(count).reshape(count, *lengths))
    for op, attrs in steps:
        x = moved(x, op, "L", dict(attrs))
    data = x.arranged(tuple(f"L:{axis}" for axis in (*target, *shared)))
    shape = data.shape[1 : 1 + len(target)]
    matrix = np.moveaxis(data.reshape(count, prod(shape), -1), 0, -1)
    of, common, place = np.nonzero(matrix)
    group = of * matrix.shape[1] + common
    size = np.bincount(group, minlength=matrix.shape[0] * matrix.shape[1])
    term = np.arange(len(group)) - (np.cumsum(size) - size)[group]
    out = Moves(*(np.zeros((*matrix.shape[:2], max(size.max(initial=0), 1)), dtype) for dtype in (np.int64, float)))
    out.place[of, common, term] = place
    out.weight[of, common, term] = matrix[of, common, place]
    return out, shape


def _terms(left: Moves, right: Moves, entries: Entries, width: int) -> tuple[Array, Array]:
    """The entries (left position times ``width`` plus right one) that a target's are sums of, and their weights."""
    index = left.place[entries.left][..., :, None] * width + right.place[entries.right][..., None, :]
    weight = left.weight[entries.left][..., :, None] * right.weight[entries.right][..., None, :]
    shape = len(index), prod(index.shape[1:])
    missing = (0, 0), (0, -shape[1] % TERMS)
    return np.pad(index.reshape(shape), missing), np.pad(weight.reshape(shape) / left.place.shape[1], missing)


def _needed(
    windows: list[Window], moves: list[tuple[Moves, Moves]], sizes: dict[int, tuple[int, int]]
) -> dict[int, Array]:
    """Which entries of each space lead to the one of space 0."""
    needed = {space: np.zeros(left * right, bool) for space, (left, right) in sizes.items()}
    needed[0][:] = True
    before = -1
    while before < (before := sum(int(mask.sum()) for mask in needed.values())):
        for window, (left, right) in zip(windows, moves, strict=True):
            targets = Entries(*divmod(np.flatnonzero(needed[window.target]), max(sizes[window.target][1], 1)))
            index, weight = _terms(left, right, targets, sizes[window.source][1])
            needed[window.source][index[weight != 0]] = True
    return needed


def block_size(entries: tuple[Entries, ...], whole: bool) -> tuple[int, int]:
    """Rows and columns of a block of pairs; ``whole`` blocks are computed at once, others some rows at a time.

    They are powers of two, of which that of rows is not the larger one: where the rows of a block begin, the columns of
    the last block in these rows have begun.
    """
    pairs = max(AT_ONCE // max(len(each.left) for each in entries), 1)
    columns = _power_of_two(min(pairs, AT_MOST))
    rows = _power_of_two(min(pairs // columns, columns)) if whole else columns
    return rows, columns


def _power_of_two(x: int) -> int:
    """The largest one that is not above x."""
    return 1 << x.bit_length() - 1


def given_at(module: Kept, functions: Functions, rows: Side, columns: Side) -> list[Array]:
    """What the pairs of a block start from."""
    out: list[Array] = []
    for k, (space, needed) in enumerate(zip(module.places, module.angles, strict=True)):
        sides = rows.vectors[k], columns.vectors[k], rows.inverse[k], columns.inverse[k]
        out += functions.at_entries(*sides, rows.bound[2][space], needed)
    return out
