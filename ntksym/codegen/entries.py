"""Entries of lines with positions, and windows over them, as arrays: what generated statements do with NumPy and JAX.

What is known of single inputs has the axes (positions, inputs), what is known of pairs (entries, rows, columns).
"""

from __future__ import annotations

from typing import Any, NamedTuple

Array = Any


class Entries(NamedTuple):
    """The entries of a space that are computed: the positions of the left and of the right point."""

    left: Array
    right: Array


class Table(NamedTuple):
    """A ``Window`` in numbers: an entry of the target is a sum of ``weight`` times the entries ``index`` of the source.

    Both have the axes (entries, terms). Where the window keeps diagonals, term k of the entry (l, r) is the one of the
    positions ``place[l, k]`` and ``place[r, k]``, weighted by ``factor[l, k] factor[r, k]``; else these have no rows.
    """

    index: Array
    weight: Array
    place: Array
    factor: Array


def standing(x: Array, entries: Entries) -> Array:
    """What is known of the inputs of the rows, at entries."""
    return x[entries.left][:, :, None]


def lying(x: Array, entries: Entries) -> Array:
    """What is known of the inputs of the columns, at entries."""
    return x[entries.right][:, None]


def along(x: Array, table: Table) -> Array:
    """A line's entries moved and averaged."""
    return (x[table.index] * table.weight[..., None, None]).sum(1)


def along_alone(x: Array, table: Table) -> Array:
    """Diagonals moved and averaged."""
    return ((table.factor**2)[:, None] @ x.take(table.place, axis=0))[:, 0]


def gap(
    c: Array,
    signs: Array,
    g: Array,
    table: Table,
    entries: Entries,
    left: Array,
    right: Array,
    rows: Array,
    columns: Array,
) -> Array:
    """1 - |c| of covariances that are means of others, as ``scalars.gaps``."""
    u, v = (
        (x[table.place] * table.factor[..., None] * over[:, None])[positions]
        for x, over, positions in ((left, rows, entries.left), (right, columns, entries.right))
    )
    found = 0 * c
    for k in range(table.place.shape[1]):
        x, y, source = u[:, k, :, None], v[:, k, None], table.index[:, k]
        turned = (signs[source] < 0) != (c < 0)
        found = found + x * y * (turned * 2 + (1 - 2 * turned) * g[source]) + (x - y) ** 2 / 2
    return found
