"""Streaming moments: count, mean and centred second moments that merge in any order (Welford; Chan et al. 1979).

Sums of squares are never formed, so a large mean costs no digits. Moments are kept for several groups of samples at
once (a leading axis): differences between the groups give the error of anything computed from the whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np

Array = Any

LARGEST = 1e150
"""Numbers beyond this count as not finite: sums of their squares are not."""
GROUPS = 32
"""Sample i belongs to group i modulo this: a split that does not depend on how samples are chunked."""


@dataclass(frozen=True)
class Moments:
    """For each group: how many samples were finite and how many not, their mean, and their centred second moments.

    ``squares`` holds the sum of (x - mean)^2, ``products`` the sum of all (x_i - mean_i)(x_j - mean_j) if wanted.
    """

    count: Array
    rejected: Array
    mean: Array
    squares: Array
    products: Array | None = None

    @staticmethod
    def empty(length: int, *, products: bool = False, groups: int = GROUPS) -> Moments:
        """No samples yet, of ``length`` numbers each."""
        zeros = np.zeros((groups, length))
        return Moments(
            np.zeros(groups, np.int64),
            np.zeros(groups, np.int64),
            zeros,
            zeros.copy(),
            np.zeros((groups, length, length)) if products else None,
        )

    @staticmethod
    def of(samples: Array, *, products: bool = False) -> Moments:
        """Of an array (samples, length), as one group; rows that are not finite are counted and left out."""
        finite = (np.abs(samples) < LARGEST).all(-1)
        kept = samples[finite]
        mean = kept.mean(0) if len(kept) else np.zeros(samples.shape[1])
        centred = kept - mean
        return Moments(
            np.array([len(kept)]),
            np.array([len(samples) - len(kept)]),
            mean[None],
            (centred**2).sum(0)[None],
            (centred.T @ centred)[None] if products else None,
        )

    @property
    def groups(self) -> int:
        return len(self.count)

    def merge(self, other: Moments) -> Moments:
        """Both sets of samples together, group by group."""
        count = self.count + other.count
        share = _column(other.count / np.maximum(count, 1), 2)
        step = other.mean - self.mean
        weight = _column(self.count, 2) * share
        products = None
        if self.products is not None and other.products is not None:
            outer = step[:, :, None] * step[:, None, :]
            products = self.products + other.products + _column(self.count, 3) * share[..., None] * outer
        return Moments(
            count,
            self.rejected + other.rejected,
            self.mean + step * share,
            self.squares + other.squares + weight * step**2,
            products,
        )

    def merge_at(self, start: int, other: Moments) -> Moments:
        """``other`` merged into the groups from ``start`` on."""
        stop = start + other.groups
        joined = self.rows(slice(start, stop)).merge(other)
        return Moments(*(_replaced(a, start, stop, b) for a, b in zip(self.arrays(), joined.arrays(), strict=True)))

    def rows(self, which: Any) -> Moments:
        """Some of the groups."""
        return Moments(*(None if array is None else array[which] for array in self.arrays()))

    def arrays(self) -> tuple[Array, ...]:
        return self.count, self.rejected, self.mean, self.squares, self.products

    def pooled(self) -> Moments:
        """All groups as one."""
        return reduce(Moments.merge, (self.rows(slice(g, g + 1)) for g in range(self.groups)))

    def without(self) -> list[Moments]:
        """For each group that has samples, all the others as one."""
        filled = [self.rows(slice(g, g + 1)) for g in range(self.groups) if self.count[g]]
        empty = Moments.empty(self.mean.shape[1], products=self.products is not None, groups=1)
        before, after = [empty], [empty]
        for group in filled[:-1]:
            before.append(before[-1].merge(group))
        for group in filled[:0:-1]:
            after.append(after[-1].merge(group))
        return [a.merge(b) for a, b in zip(before, reversed(after), strict=True)]

    # --- files ---

    def to_arrays(self) -> dict[str, Array]:
        """By name, for ``numpy.savez``."""
        names = ("count", "rejected", "mean", "squares", "products")
        return {name: array for name, array in zip(names, self.arrays(), strict=True) if array is not None}

    @staticmethod
    def from_arrays(arrays: Mapping[str, Array]) -> Moments:
        count, rejected, mean, squares = (arrays[name] for name in ("count", "rejected", "mean", "squares"))
        return Moments(count, rejected, mean, squares, arrays.get("products"))


def _column(counts: Array, ndim: int) -> Array:
    return counts.reshape(-1, *(1,) * (ndim - 1))


def _replaced(array: Array, start: int, stop: int, part: Array) -> Array:
    if array is None:
        return None
    out = array.copy()
    out[start:stop] = part
    return out
