"""Hermite coefficients of an activation at given variances: what a dual without a closed form is made of.

For (u, v) ~ N(0, [[p, r], [r, q]]) and c = r / sqrt(p q), E[f(u) f(v)] = sum_k a_k(p) a_k(q) c^k (Mehler) with
a_k(p) = E[f(sqrt(p) z) He_k(z)] / sqrt(k!). What is left out of the sum is at most the root of
(sum_{k > K} a_k(p)^2) (sum_{k > K} a_k(q)^2), and by Parseval's theorem sum_k a_k(p)^2 = E[f^2].
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np

from ntksym.errors import KernelError

Array = Any

REST = MISSING = 1e-13
"""Parts of E[f^2]: what the coefficients left out may hold, and what all that were looked at may lack, rounding and
the quadrature of E[f^2] included."""
TERMS = (64, 128, 256, 512, 1024)
"""How many coefficients are looked at: first few, then more."""
REACH, STEPS = 14.0, (0.1, 0.05, 0.025, 0.0125)
"""Trapezoidal rule from -14 to 14, where the density is 1e-43; it converges exponentially for analytic functions."""
AGREEMENT = 1e-13
"""How well two steps, or two interpolations, must agree, relative to the root of E[f^2]."""
VARIANCES = (16, 32, 64, 128, 256)
"""Nodes at which coefficients, analytic in the root of the variance, are interpolated."""


def coefficients(f: Callable[[Array], Array], variance: Array, parity: int) -> tuple[Array, Array]:
    """a_k(p) of f, an array (terms, N) for N variances; of an odd or even f, those of its parity only.

    The number of terms, a multiple of 4, is the least for which the rest is below ``REST`` at every variance. The
    second array, (terms / 4, N), holds roots of rests, those of every fourth k: of the sums of squares from there on,
    as parts of the first square, the largest of all variances. Raises KernelError where more terms are needed than
    there are in ``TERMS``: for functions with corners or jumps.
    """
    p = np.atleast_1d(np.asarray(variance, float))
    roots = np.sqrt(p)
    low, high = (float(x) for x in (roots.min(initial=np.inf), roots.max(initial=0.0)))
    if p.size <= VARIANCES[0] or high - low < 1e-12 * high:
        found = _cut(_exact(f, roots, parity))
        return found, _rests(found, p.size)
    for count in VARIANCES:
        angles = np.pi * (2 * np.arange(count) + 1) / (2 * count)
        found = _cut(_exact(f, low + (high - low) * (np.cos(angles) + 1) / 2, parity))
        weights = found @ np.cos(np.outer(angles, np.arange(count))) * (2 / count)
        weights[:, 0] /= 2
        if np.abs(weights[:, -4:]).max() < AGREEMENT * np.sqrt((found**2).sum(0).max()):
            places = np.clip(2 * (roots - low) / (high - low) - 1, -1, 1)
            return weights @ np.polynomial.chebyshev.chebvander(places, count - 1).T, _rests(found, p.size)
    raise KernelError("a dual without a closed form varies too fast with its variance to be compiled; use evaluate()")


def _cut(found: Array) -> Array:
    """Only as many coefficients as are needed."""
    rest = np.cumsum(found[::-1] ** 2, 0)[::-1]
    needed = int((rest > REST * rest[:1]).any(1).sum())
    return np.ascontiguousarray(found[: min(-(-max(needed, 1) // 4) * 4, len(found))])


def _rests(found: Array, size: int) -> Array:
    """What sums of products lack that end before every fourth term, see ``coefficients``; infinite without a first."""
    rest = np.cumsum((found**2)[::-1], 0)[::-1][::4]
    with np.errstate(divide="ignore", invalid="ignore"):
        parts = np.nan_to_num(np.sqrt(rest) / abs(found[0]), nan=0.0, posinf=np.inf)
    return np.broadcast_to(parts.max(1, initial=0.0)[:, None], (len(rest), size))


def _exact(f: Callable[[Array], Array], roots: Array, parity: int) -> Array:
    """Coefficients at each of a few roots of variances, by two quadratures that must agree, until Parseval's sum is."""
    before: Array = None
    first, stride = _OF_PARITY[parity]
    for step in STEPS:
        nodes, density = _rule(step)
        with np.errstate(all="ignore"):
            values = np.broadcast_to(f(np.outer(nodes, roots)), (len(nodes), len(roots)))
            total = density @ values**2
        if not np.isfinite(total).all():
            raise KernelError("a dual without a closed form is too large for floating-point numbers; use evaluate()")
        size, found = np.sqrt(total), np.empty((0, len(roots)))
        for start, stop in pairwise((0, *TERMS)):
            found = np.concatenate([found, _hermite(step)[start + first : stop : stride] @ values])
            if (np.abs(total - (found**2).sum(0)) <= MISSING * total).all():
                break
        if before is not None and found.shape == before.shape and (np.abs(found - before) <= AGREEMENT * size).all():
            return found
        before = found
    raise KernelError(
        f"a dual without a closed form needs more than {TERMS[-1]} Hermite coefficients: its function has a corner or "
        "a jump, or varies fast; use evaluate()"
    )


@lru_cache(maxsize=8)
def _rule(step: float) -> tuple[Array, Array]:
    """Nodes, and weights of the normal density."""
    nodes = np.arange(-round(REACH / step), round(REACH / step) + 1) * step
    return nodes, np.exp(-nodes * nodes / 2) * (step / math.sqrt(2 * math.pi))


@lru_cache(maxsize=len(STEPS))
def _hermite(step: float) -> Array:
    """He_k(z) / sqrt(k!) times the density, for all k < TERMS[-1]: an array (k, nodes)."""
    nodes, density = _rule(step)
    rows = np.empty((TERMS[-1], len(nodes)))
    rows[:2] = density, nodes * density
    for k in range(1, TERMS[-1] - 1):
        rows[k + 1] = (nodes * rows[k] - math.sqrt(k) * rows[k - 1]) / math.sqrt(k + 1)
    return rows


_OF_PARITY = {0: (0, 1), 1: (0, 2), -1: (1, 2)}
"""The first order, and the step from one to the next."""
