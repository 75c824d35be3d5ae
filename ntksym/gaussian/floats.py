"""Quadrature in floating-point arrays: fast, and good for a dozen digits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from math import ceil, pi, sqrt
from typing import Any

import numpy as np

from ntksym.language.expressions import Expr, mul, numpy_function, symbols

# the most points in each direction, by how many directions there are
_MOST_POINTS = {1: 1 << 16, 2: 2048, 3: 192, 4: 64}
MOST_DIRECTIONS = max(_MOST_POINTS)
_ORDERS = (24, 36)
_WIDTH = 1.5


def grid(factors: tuple[Expr, ...], A: Any, m: Any, digits: int) -> tuple[float, float, int]:
    """(value, estimated error, points) of E[prod factors] at z = m + A x, by the trapezoidal rule.

    ``A`` is n by directions, up to four; the points are doubled until nothing changes, or there are too many.
    """
    size = A.shape[1]
    names = tuple(f"z{i + 1}" for i in range(len(m)))
    function = numpy_function(mul(*factors), names)
    reach = 8.5 + float(np.abs(A).sum(axis=1).max())
    points, old, count = 16, None, 0
    while True:
        value = _tensor(function, A, m, reach, points)
        count += points**size
        if old is not None and (abs(value - old) <= 10.0**-digits * abs(value) or 2 * points > _MOST_POINTS[size]):
            return value, 2 * abs(value - old) + 1e-14 * abs(value), count
        old, points = value, 2 * points


def _tensor(function: Callable[..., Any], A: Any, m: Any, reach: float, points: int) -> float:
    """The sum over the grid, one slice of the first direction at a time."""
    x = np.linspace(-reach, reach, points)
    w = (x[1] - x[0]) * np.exp(-(x**2) / 2) / sqrt(2 * pi)
    size = A.shape[1]
    rest = np.meshgrid(*([x] * (size - 1)), indexing="ij") if size > 1 else []
    weights = np.ones(())
    for _ in range(size - 1):
        weights = weights[..., None] * w
    total = 0.0
    for first, outer in zip(x, w, strict=True):
        z = [
            m[i] + A[i, 0] * first + sum((A[i, k + 1] * y for k, y in enumerate(rest)), np.zeros(weights.shape))
            for i in range(len(m))
        ]
        total += float(outer) * float(np.sum(weights * function(*z)))
    return total


def panels(factors: tuple[Expr, ...], A: Any, m: Any, breaks: Sequence[Sequence[Any]]) -> tuple[float, float, int]:
    """(value, estimated error, points) by Gauss-Legendre between the kinks, in one or two directions.

    Every factor is of one variable and smooth between its ``breaks``; two orders give the error.
    """
    places = [[float(b) for b in some] for some in breaks]
    (old, _), (value, count) = (_panels(factors, A, m, places, order) for order in _ORDERS)
    return value, 2 * abs(value - old) + 1e-14 * abs(value), count


def _panels(factors: tuple[Expr, ...], A: Any, m: Any, breaks: list[list[float]], order: int) -> tuple[float, int]:
    functions = [numpy_function(factor, symbols(factor)) for factor in factors]
    where = [int(symbols(factor)[0][1:]) - 1 for factor in factors]
    reach = 8.5 + float(np.abs(A).sum(axis=1).max())
    rule = np.polynomial.legendre.leggauss(order)
    size = A.shape[1]

    def line(start: Any, slopes: Any) -> tuple[float, int]:
        """The integral over x of all factors at start + slopes*x."""
        cuts = {(b - start[i]) / slopes[i] for k, i in enumerate(where) for b in breaks[k] if slopes[i]}
        x, w = _rule(cuts, reach, rule)
        for f, i in zip(functions, where, strict=True):
            w = w * f(start[i] + slopes[i] * x)
        return float(np.sum(w)), len(x)

    if size == 1:
        return line(m, A[:, 0])
    cuts = set()
    for k, i in enumerate(where):
        a, b = A[i]
        if a:
            centres = [(t - m[i]) / a for t in breaks[k]]
            cuts |= {c + s * abs(b / a) for c in centres for s in (-8, -4, -2, 0, 2, 4, 8)}
    x, w = _rule(cuts, reach, rule)
    slices = [line(m + A[:, 0] * first, A[:, 1]) for first in x]
    return float(np.dot(w, [value for value, _ in slices])), sum(count for _, count in slices)


def _rule(cuts: set[float], reach: float, rule: Any) -> tuple[Any, Any]:
    """Points and weights (the Gaussian's included) on panels between the cuts."""
    edges = [-reach, *sorted(c for c in cuts if -reach < c < reach), reach]
    nodes, weights = rule
    xs, ws = [], []
    for a, b in pairwise(edges):
        parts = max(1, ceil((b - a) / _WIDTH))
        half = (b - a) / parts / 2
        for k in range(parts):
            xs.append(a + half * (2 * k + 1 + nodes))
            ws.append(half * weights)
    x, w = np.concatenate(xs), np.concatenate(ws)
    return x, w * np.exp(-(x**2) / 2) / sqrt(2 * pi)
