"""Matrices that are put together of tiles, those of symmetric ones on and above the diagonal."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np

Array = Any


class Tile(NamedTuple):
    """Rows top ... bottom - 1 and columns left ... right - 1 of a matrix."""

    top: int
    bottom: int
    left: int
    right: int

    @property
    def rows(self) -> slice:
        return slice(self.top, self.bottom)

    @property
    def columns(self) -> slice:
        return slice(self.left, self.right)


@dataclass(frozen=True)
class Grid:
    """The tiles of a matrix, row by row. ``columns`` is None for the symmetric matrix of its rows with themselves."""

    rows: int
    columns: int | None
    side: int

    @property
    def symmetric(self) -> bool:
        return self.columns is None

    @property
    def shape(self) -> tuple[int, int]:
        return self.rows, self.rows if self.columns is None else self.columns

    def __iter__(self) -> Iterator[Tile]:
        rows, columns = self.shape
        for top in range(0, rows, self.side):
            for left in range(top if self.symmetric else 0, columns, self.side):
                yield Tile(top, min(top + self.side, rows), left, min(left + self.side, columns))

    def images(self, matrix: Array, tile: Tile) -> tuple[Array, ...]:
        """Views of a matrix where a tile's numbers stand: its place, and its mirror image below the diagonal."""
        place = matrix[tile.rows, tile.columns]
        mirrored = self.symmetric and tile.rows != tile.columns
        return (place, matrix[tile.columns, tile.rows].T) if mirrored else (place,)

    def write(self, matrix: Array, tile: Tile, numbers: Array) -> None:
        for image in self.images(matrix, tile):
            image[...] = numbers


class Matrices(Protocol):
    """Matrices of one grid that tiles are put into."""

    done: frozenset[Tile]
    """Tiles that were in place at the start."""

    def put(self, tile: Tile, numbers: tuple[Array, ...]) -> None:
        """Put a tile of each matrix in its place."""
        ...

    def finish(self) -> tuple[Array, ...]:
        """The matrices, once all tiles are in place."""
        ...

    def abandon(self) -> None:
        """Leave what another run can go on with, and nothing if no tile is in place."""
        ...


class InMemory:
    """New arrays."""

    done: frozenset[Tile] = frozenset()

    def __init__(self, count: int, grid: Grid, dtype: Any) -> None:
        self.grid = grid
        self.arrays = tuple(np.empty(grid.shape, dtype) for _ in range(count))

    def put(self, tile: Tile, numbers: tuple[Array, ...]) -> None:
        for matrix, part in zip(self.arrays, numbers, strict=True):
            self.grid.write(matrix, tile, part)

    def finish(self) -> tuple[Array, ...]:
        return self.arrays

    def abandon(self) -> None:
        """There is nothing to leave."""
