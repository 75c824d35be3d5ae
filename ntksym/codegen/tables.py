"""A kernel that is a function of one number, the cosine, as a table of polynomials.

On either side of c = 0 the variable is w = sqrt(2 (1 - |c|)), twice the sine of half of the acute angle: a kernel of
ReLU networks behaves like a root of 1 - c at the ends, and is analytic in w. The table is as accurate as the kernel
itself, and costs the same at any depth.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from ntksym.codegen.scalars import DEGREE

Array = Any

PIECES = (32, 64, 128, 256, 512, 1024)
"""Pieces on either side: as few as do."""
POINTS = 2 * PIECES[1] * (DEGREE + 1)
"""How often a kernel is computed for a table of usual size."""
ERROR = 1e-13
"""How far a table may be from the kernel at any of the points in between that are looked at: relative to it in the
pieces next to c = 1 and -1, relative to its largest value in the piece elsewhere, where it may change its sign."""
BETWEEN = (-0.999999, -0.99, -0.6, -0.05, 0.4, 0.83, 1.0)
"""These points, in a piece from -1 to 1."""


@dataclass(frozen=True)
class Table:
    """``coefficients`` (outputs, pieces of the side c >= 0 and then of c < 0, powers), and the error found."""

    coefficients: Array
    error: float

    @property
    def pieces(self) -> int:
        """How many on either side."""
        return int(self.coefficients.shape[1]) // 2


def tabulated(kernel: Callable[[Array, Array], Array]) -> Table | None:
    """The table of a kernel, a function of arrays c and g = 1 - |c| that gives an array (outputs, N), or None.

    None is the answer for a kernel that no table of this size holds to ``ERROR``: one that vanishes at c = -1, say.
    """
    for count in PIECES:
        table = _table(kernel, count)
        if table is not None and table.error <= ERROR:
            return table
    return None


def _table(kernel: Callable[[Array, Array], Array], count: int) -> Table | None:
    angles = np.pi * (2 * np.arange(DEGREE + 1) + 1) / (2 * (DEGREE + 1))
    values = _at(kernel, np.cos(angles), count)
    if not np.isfinite(values).all():
        return None
    weights = values @ np.cos(np.outer(angles, np.arange(DEGREE + 1))) * (2 / (DEGREE + 1))
    weights[..., 0] /= 2
    coefficients = np.ascontiguousarray(weights @ _chebyshev())
    places = np.array(BETWEEN)
    exact = _at(kernel, places, count)
    found = coefficients @ places ** np.arange(DEGREE + 1)[:, None]
    size = np.broadcast_to(np.abs(exact).max(-1, keepdims=True), exact.shape).copy()
    size[:, ::count] = np.abs(exact[:, ::count])  # next to an end every digit of a small number counts
    with np.errstate(divide="ignore", invalid="ignore"):
        error = np.nanmax(np.abs(found - exact) / size)
    return Table(coefficients, float(error))


def _at(kernel: Callable[[Array, Array], Array], places: Array, count: int) -> Array:
    """A kernel at these places of every piece: an array (outputs, pieces, places)."""
    w = (np.arange(count)[:, None] + (places + 1) / 2).ravel() * (np.sqrt(2) / count)
    g = np.minimum(w * w / 2, 1.0)
    found = kernel(np.concatenate([1 - g, g - 1]), np.concatenate([g, g]))
    return found.reshape(len(found), 2 * count, len(places))


@lru_cache(maxsize=1)
def _chebyshev() -> Array:
    """Chebyshev polynomials in powers, one to a row."""
    out = np.zeros((DEGREE + 1, DEGREE + 1))
    for k in range(DEGREE + 1):
        powers = np.polynomial.chebyshev.cheb2poly([0.0] * k + [1.0])
        out[k, : len(powers)] = powers
    return out
