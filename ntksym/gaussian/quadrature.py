"""Strategy 4: numbers by quadrature, with an error estimated from two resolutions.

Smooth functions: the trapezoidal rule over independent standard Gaussians, which converges faster than any
power of its step. Kinks: one or two variables by nested tanh-sinh between them. More variables, or no more
than ``FLOAT_DIGITS`` digits: in floating-point arrays (file ``floats``), drawn at random where they are many.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from ntksym._lazy import lazy
from ntksym.gaussian.expectation import name_of
from ntksym.gaussian.floats import expectations
from ntksym.gaussian.pieces import has_kinks, pieces, to_mpf
from ntksym.gaussian.terms import NotMine
from ntksym.language.expressions import Expr, mpmath_function, mul, symbols, to_sympy
from ntksym.records.evidence import Kind

mpmath = lazy("mpmath")
sympy = lazy("sympy")

FLOAT_DIGITS = 12
# the most points in each direction, by how many directions there are
_MOST_POINTS = {1: 1 << 14, 2: 700}


class Integral(NamedTuple):
    """A value, an estimate of its error, how many points were used, and whether these were drawn."""

    value: Any
    bound: Any
    nodes: int
    kind: Kind = "quadrature"


def integrate(factors: tuple[Expr, ...], covariance: Any, mean: Any, digits: int) -> Integral:
    """E[prod factors] for numbers in ``covariance`` and ``mean`` (mpmath), to ``digits`` digits if it can be."""
    with mpmath.workdps(digits + 15):
        rows = _root(covariance)
        size = len(rows[0]) if rows else 0
        kinks = any(map(has_kinks, factors))
        if size == 0:
            names = tuple(map(name_of, range(len(mean))))
            value = mpmath_function(mul(*factors), names)(*mean)
            return Integral(value, abs(value) * mpmath.mpf(10) ** -digits, 1)
        if size > 2 or digits <= FLOAT_DIGITS:
            found = expectations(factors, *(np.array(x, dtype=float)[None] for x in (covariance, mean)))
            return Integral(mpmath.mpf(found.value[0]), mpmath.mpf(found.bound[0]), found.nodes, found.kind)
        nested = kinks and all(len(symbols(factor)) <= 1 for factor in factors)
        return _nested(factors, rows, mean, digits) if nested else _trapezoid(factors, rows, mean, digits)


@lru_cache(maxsize=256)
def smooth_function(expr: Expr, names: tuple[str, ...]) -> Callable[..., Any]:
    """An expression without kinks as a function of mpmath numbers, common parts computed once."""
    function: Callable[..., Any] = sympy.lambdify(
        [sympy.Symbol(name, real=True) for name in names], to_sympy(expr), "mpmath", cse=True
    )
    return function


def _root(covariance: Any) -> list[list[Any]]:
    """Rows a_i with z_i = m_i + a_i.x for independent standard x, as few x as there are directions."""
    n = len(covariance)
    K = [list(row) for row in covariance]
    columns = []
    tiny = mpmath.mpf(10) ** (-mpmath.mp.dps + 8)
    scale = [covariance[i][i] for i in range(n)]
    for k in range(n):
        if K[k][k] <= tiny * scale[k] or not scale[k]:
            continue
        column = [K[i][k] / mpmath.sqrt(K[k][k]) if i >= k else mpmath.mpf(0) for i in range(n)]
        columns.append(column)
        K = [[K[i][j] - column[i] * column[j] for j in range(n)] for i in range(n)]
    return [[column[i] for column in columns] for i in range(n)]


# --- smooth --------------------------------------------------------------------------------------------


def _trapezoid(factors: tuple[Expr, ...], rows: Any, mean: Any, digits: int) -> Integral:
    """Trapezoidal rule in mpmath, one or two directions; the step is halved until nothing changes."""
    size = len(rows[0])
    names = tuple(map(name_of, range(len(mean))))
    product = mul(*factors)
    function = mpmath_function(product, names) if has_kinks(product) else smooth_function(product, names)
    reach = _reach(rows, digits)
    if size == 1:
        return _line(lambda x: function(*(m + row[0] * x for m, row in zip(mean, rows, strict=True))), reach, digits)
    goal = mpmath.mpf(10) ** -digits
    step, old, count = mpmath.mpf(1) / 2, None, 0
    while True:
        points = int(reach / step)
        grid = [step * k for k in range(-points, points + 1)]
        weights = [step * mpmath.exp(-(x**2) / 2) / mpmath.sqrt(2 * mpmath.pi) for x in grid]
        value = mpmath.mpf(0)
        floor = mpmath.mpf(10) ** (-digits - 12) * step**2
        for x, w in zip(grid, weights, strict=True):
            start = [m + row[0] * x for m, row in zip(mean, rows, strict=True)]
            for y, v in zip(grid, weights, strict=True):
                if w * v > floor:
                    value += w * v * function(*(s + row[1] * y for s, row in zip(start, rows, strict=True)))
        count += len(grid) ** size
        if old is not None and (abs(value - old) <= goal * abs(value) or 4 * points > _MOST_POINTS[size]):
            return Integral(value, 2 * abs(value - old) + goal * abs(value) / 10, count)
        old, step = value, step / 2


def _line(function: Callable[[Any], Any], reach: Any, digits: int) -> Integral:
    """One direction: each step half as long as the one before uses the values of that one again."""
    goal = mpmath.mpf(10) ** -digits
    total, old, level = mpmath.mpf(0), None, 1
    while True:
        half = int(mpmath.ceil(reach)) << level
        new = range(-half, half + 1) if level == 1 else range(-half + 1, half, 2)
        density = _density(level, half, mpmath.mp.prec)
        total += mpmath.fdot((density[abs(k)], function(mpmath.ldexp(k, -level))) for k in new)
        value = mpmath.ldexp(total, -level)
        if old is not None and (abs(value - old) <= goal * abs(value) or 4 * half > _MOST_POINTS[1]):
            return Integral(value, 2 * abs(value - old) + goal * abs(value) / 10, 2 * half + 1)
        old, level = value, level + 1


@lru_cache(maxsize=32)
def _density(level: int, half: int, prec: int) -> list[Any]:
    """The density of a standard Gaussian at k / 2**level, k from 0; kept, as they take as long as the function."""
    with mpmath.workprec(prec):
        root = mpmath.sqrt(2 * mpmath.pi)
        return [mpmath.exp(-(mpmath.ldexp(k, -level) ** 2) / 2) / root for k in range(half + 1)]


def _reach(rows: Any, digits: int) -> Any:
    """How far out to go: beyond it the Gaussian is negligible, even times one exponential of each variable."""
    return mpmath.sqrt(2 * mpmath.log(10) * (digits + 12)) * mpmath.mpf("1.1") + max(map(_size, rows))


def _size(row: Any) -> Any:
    return sum(abs(a) for a in row)


# --- kinks ---------------------------------------------------------------------------------------------


def _nested(factors: tuple[Expr, ...], rows: Any, mean: Any, digits: int) -> Integral:
    """Tanh-sinh quadrature between the kinks, for one or two directions."""
    size = len(rows[0])
    cut = [breaks_of(factor) for factor in factors]
    functions = [mpmath_function(factor, symbols(factor)) for factor in factors]
    where = [int(symbols(factor)[0][1:]) - 1 if symbols(factor) else 0 for factor in factors]
    reach = _reach(rows, digits)
    count = 0

    def weighted(x: Any, value: Any) -> Any:
        return mpmath.exp(-(x**2) / 2) / mpmath.sqrt(2 * mpmath.pi) * value

    def line(chosen: list[int], start: Any, slopes: Any) -> tuple[Any, Any]:
        """The integral over one direction of the chosen factors of start + slopes*x."""
        inside = {-reach, mpmath.mpf(0), reach}
        for k in chosen:
            i = where[k]
            if slopes[i]:
                inside |= {x for b in cut[k] if abs(x := (b - start[i]) / slopes[i]) < reach}

        def f(x: Any) -> Any:
            nonlocal count
            count += 1
            return weighted(x, mpmath.fprod(functions[k](start[where[k]] + slopes[where[k]] * x) for k in chosen))

        value, error = mpmath.quad(f, sorted(inside), error=True)
        return value, error

    everything = list(range(len(factors)))
    if size == 1:
        value, error = line(everything, mean, [row[0] for row in rows])
    else:
        outer = [k for k in everything if not rows[where[k]][1]]
        inner = [k for k in everything if rows[where[k]][1]]
        worst = mpmath.mpf(0)
        slopes = [row[1] for row in rows]

        def slice_at(x: Any) -> Any:
            nonlocal worst
            start = [m + row[0] * x for m, row in zip(mean, rows, strict=True)]
            value, error = line(inner, start, slopes)
            worst = max(worst, error)
            return weighted(x, value * mpmath.fprod(functions[k](start[where[k]]) for k in outer))

        places = {-reach, mpmath.mpf(0), reach}
        for k in everything:
            a, b = rows[where[k]]
            for t in cut[k]:
                if a:
                    centre = (t - mean[where[k]]) / a
                    width = abs(b / a)
                    places |= {x for x in (centre - 4 * width, centre, centre + 4 * width) if abs(x) < reach}
        value, error = mpmath.quad(slice_at, sorted(places), error=True)
        error += worst
    return Integral(value, 2 * abs(error) + abs(value) * mpmath.mpf(10) ** (-digits - 2), count)


def breaks_of(factor: Expr) -> list[Any]:
    """Where a factor has kinks or jumps, at the working precision; none where they are not known."""
    if not has_kinks(factor):
        return []
    try:
        return [to_mpf(b, mpmath.mp.dps) for b in pieces(factor).breaks]
    except NotMine:
        return []
