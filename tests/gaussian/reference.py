"""Gaussian expectations straight from their definition: mpmath integrals, sharing no code with ntksym.gaussian.

An integrand is a plain Python function with a list of its kinks. Two variables are integrated by Gauss-Legendre
between the kinks: on one grid for all functions of a list of kinks, or, for correlations near one, in the
coordinates u = x, v = rho*x + sqrt(1 - rho^2)*y.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any

import mpmath
import numpy as np

DPS = 34
REACH, WIDTH, ORDER = 14.5, 3.2, 30
Function = Callable[[Any], Any]


@lru_cache(maxsize=8)
def legendre(order: int) -> list[tuple[Any, Any]]:
    """Nodes and weights on (-1, 1) by Newton's method."""
    rule = []
    for k in range(1, order + 1):
        x = mpmath.cos(mpmath.pi * (k - mpmath.mpf(1) / 4) / (order + mpmath.mpf(1) / 2))
        for _ in range(8):
            before, now = mpmath.mpf(1), x
            for j in range(2, order + 1):
                before, now = now, ((2 * j - 1) * x * now - (j - 1) * before) / j
            slope = order * (x * now - before) / (x * x - 1)
            x -= now / slope
        rule.append((x, 2 / ((1 - x * x) * slope**2)))
    return rule


def nodes(cuts: Sequence[Any], reach: float = REACH, spread: Any = 1) -> list[tuple[Any, Any]]:
    """Points and weights on (-reach, reach), the standard Gaussian density among the weights.

    They are as dense as functions of spread*x need.
    """
    edges = sorted({mpmath.mpf(-reach), mpmath.mpf(reach), *(mpmath.mpf(c) for c in cuts if abs(c) < reach)})
    found = []
    for a, b in pairwise(edges):
        parts = max(1, int(mpmath.ceil((b - a) * max(1, spread) / WIDTH)))
        half = (b - a) / parts / 2
        for k in range(parts):
            centre = a + half * (2 * k + 1)
            found += [(centre + half * x, half * w * density(centre + half * x)) for x, w in legendre(ORDER)]
    return found


def density(x: Any) -> Any:
    return mpmath.exp(-(x**2) / 2) / mpmath.sqrt(2 * mpmath.pi)


def single(f: Function, kinks: Sequence[Any], spread: Any, steep: Any = 0) -> Any:
    """E[f(u)] for u ~ N(0, spread^2); ``steep``: the largest spread of another function inside of f."""
    dense = nodes([k / spread for k in kinks], spread=max(spread, steep))
    return mpmath.fsum(w * f(spread * x) for x, w in dense)


def pair(f: Function, g: Function, kinks: Sequence[Any], p: Any, q: Any, rho: Any) -> Any:
    """E[f(u) g(v)] for variances p, q and correlation rho; both functions have the kinks."""
    with mpmath.workdps(DPS):
        p, q, rho = mpmath.mpf(p), mpmath.mpf(q), mpmath.mpf(rho)
        a, b = mpmath.sqrt(p), mpmath.sqrt(q)
        if abs(rho) == 1:
            both = [*kinks, *(k * rho * a / b for k in kinks)]
            return single(lambda u: f(u) * g(rho * u * b / a), both, a, b)
        if abs(rho) < 0.8:
            return _on_grid(f, g, tuple(kinks), p, q, rho)
        return _along(f, g, kinks, a, b, rho)


SCALE = 1 << 220


def _fixed(values: Sequence[Any]) -> Any:
    return np.array([int(value * SCALE) for value in values], dtype=object)


@lru_cache(maxsize=32)
def _grid(kinks: tuple[Any, ...], p: Any, q: Any, rho: Any) -> tuple[list[Any], list[Any], Any]:
    """Points for u and for v, and the density of both relative to the weights, as integers."""
    a, b = mpmath.sqrt(p), mpmath.sqrt(q)
    us, vs = nodes([k / a for k in kinks], spread=a), nodes([k / b for k in kinks], spread=b)
    c = 1 - rho**2
    root = mpmath.sqrt(c)
    rows = []
    for x, w in us:
        exponents = ((x * (2 * rho * y - rho**2 * x) - rho**2 * y * y) / (2 * c) for y, _ in vs)
        rows.append(_fixed([w * v * mpmath.exp(e) / root for (_, v), e in zip(vs, exponents, strict=True)]))
    return [a * x for x, _ in us], [b * y for y, _ in vs], np.array(rows)


def _on_grid(f: Function, g: Function, kinks: tuple[Any, ...], p: Any, q: Any, rho: Any) -> Any:
    us, vs, K = _grid(kinks, p, q, rho)
    total = (K @ _fixed(list(map(g, vs)))) @ _fixed(list(map(f, us)))
    return mpmath.mpf(int(total)) / SCALE**3


def _along(f: Function, g: Function, kinks: Sequence[Any], a: Any, b: Any, rho: Any) -> Any:
    rest = mpmath.sqrt(1 - rho**2)
    assert rest < 1e-4, "between 0.8 and 1 use the grid"
    cuts = [k / a for k in kinks] + [k / b / rho + s * rest for k in kinks for s in (-12, -6, 0, 6, 12)]
    # five Gauss-Hermite points are exact up to rest**10
    x5 = [mpmath.sqrt(5 + s * mpmath.sqrt(10)) for s in (-1, 1)]
    w5 = [(7 - s * 2 * mpmath.sqrt(10)) / 60 * mpmath.mpf(1) for s in (-1, 1)]
    short = [(mpmath.mpf(0), mpmath.mpf(8) / 15)]
    for x, w in zip(x5, w5, strict=True):
        short += [(x, w), (-x, w)]

    def inner(x: Any) -> Any:
        near = [c for k in kinks if abs(c := (k / b - rho * x) / rest) < 13]
        rule = nodes(near, 13.0) if near else short
        return f(a * x) * mpmath.fsum(w * g(b * (rho * x + rest * y)) for y, w in rule)

    return mpmath.fsum(w * inner(x) for x, w in nodes(cuts, spread=max(a, b)))
