"""Brackets of smooth functions at two inputs, as series in the correlation: plain Python that numba compiles.

In orthonormal Hermite polynomials h_k of x = z / sqrt(K) a function has the coefficients a_k = E[f h_k], and a bracket
of functions of two inputs of correlation c is sum_k c^k a_k b_k (Mehler). A derivative by z moves the coefficients:
those of f^(j) are a_(k+j) sqrt((k+1) ... (k+j) / K^j), so no derivative is evaluated.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import pi, sqrt
from typing import Any

import numpy as np

Array = Any

TERMS = (48, 64, 96, 128, 192, 256, 384, 512)
"""How many coefficients are kept, as few as do."""
HIGHEST = 4
"""The highest derivative that a bracket has."""
_REACH = 12.5
# the step resolves h_k, which has the wave number sqrt(k), and three times as much in what it multiplies
_WAVES = 4


@dataclass(frozen=True)
class Grid:
    """Points x > 0; the weights of even h_k and of odd h_k, (points, terms / 2); sqrt((k+1) ... (k+j)), (j, k)."""

    points: Array
    even: Array
    odd: Array
    raised: Array


@lru_cache(maxsize=len(TERMS))
def grid(terms: int) -> Grid:
    """The trapezoidal rule for this many coefficients, with no point at zero."""
    step = 2 * pi / (_WAVES * sqrt(terms))
    x = step * (np.arange(int(_REACH / step) + 1) + 0.5)
    # with the root of the weight put in, h_k stays of order one
    h = np.empty((terms, len(x)))
    h[0] = np.exp(-(x**2) / 4)
    h[1] = x * h[0]
    for k in range(2, terms):
        h[k] = (x * h[k - 1] - sqrt(k - 1) * h[k - 2]) / sqrt(k)
    weights = np.ascontiguousarray((h * h[0] * step / sqrt(2 * pi)).T)
    raised = np.ones((HIGHEST + 1, terms))
    for j in range(1, HIGHEST + 1):
        raised[j] = raised[j - 1] * np.sqrt(np.arange(terms) + j)
    return Grid(x, np.ascontiguousarray(weights[:, ::2]), np.ascontiguousarray(weights[:, 1::2]), raised)


def derivatives(even: Array, odd: Array, spread: float, slots: Array, raised: Array, moved: Array) -> None:
    """The coefficients of the derivatives in ``slots``, rows (function, order), into ``moved``.

    ``even`` and ``odd`` hold those of the functions, (function, half of the terms).
    """
    terms = raised.shape[1]
    for slot in range(len(slots)):
        m, order = slots[slot]
        scale = 1.0
        for _ in range(order):
            scale /= spread
        for k in range(terms - order):
            j = k + order
            own = odd[m, j // 2] if j % 2 else even[m, j // 2]
            moved[slot, k] = scale * own * raised[order, k]
        for k in range(terms - order, terms):
            moved[slot, k] = 0.0


def brackets(moved: Array, c: float, two: Array, one: Array, found: Array) -> float:
    """Brackets of pairs of slots in ``two`` and of single ones (site, slot) in ``one``; gives the largest error.

    It is relative to the larger of the bracket and one. The rest of a series counts as what its last eighth adds. The
    points err by coefficients of h_k that are nine times as far out; where these fall like exp(-t sqrt(k)), by the
    last one to the power of three, and products of two last ones are known.
    """
    terms = moved.shape[2]
    cut = terms - terms // 8
    powers = np.empty(terms)
    power = 1.0
    for k in range(terms):
        powers[k] = power
        power *= c
    worst = 0.0
    for n in range(len(two)):
        head, rest, last = 0.0, 0.0, 0.0
        for k in range(cut):
            head += powers[k] * moved[0, two[n, 0], k] * moved[1, two[n, 1], k]
        for k in range(cut, terms):
            term = moved[0, two[n, 0], k] * moved[1, two[n, 1], k]
            rest += powers[k] * term
            last += abs(term)
        found[n] = head + rest
        worst = max(worst, max(abs(rest), last * sqrt(last)) / max(1.0, abs(found[n])))
    for n in range(len(one)):
        found[len(two) + n] = moved[one[n, 0], one[n, 1], 0]
    return worst


FUNCTIONS = (derivatives, brackets)
"""Those that generated code calls."""
