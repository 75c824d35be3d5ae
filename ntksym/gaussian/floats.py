"""Expectations in floating-point arrays, many covariances at once: fast, and good for a dozen digits.

Up to four smooth variables: the trapezoidal rule over independent standard Gaussians. One or two variables with kinks:
Gauss-Legendre between these. More variables: randomised quasi-Monte Carlo (file ``sampled``).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from math import pi, sqrt
from typing import Any, NamedTuple

import numpy as np

from ntksym.gaussian.expectation import name_of
from ntksym.gaussian.pieces import has_kinks, pieces, to_mpf
from ntksym.gaussian.sampled import Integrand, integrand, sampled
from ntksym.gaussian.terms import NotMine
from ntksym.language.expressions import Expr, mul, numpy_function, symbols
from ntksym.records.evidence import Kind

DIGITS = 13


class Grid(NamedTuple):
    """How far a grid reaches; its points in each direction: the first, their growth, the most; what change ends it."""

    reach: float
    first: int
    growth: float
    most: int
    change: float


# by how many directions there are: in double precision nothing is left beyond 8.5, in many directions less will do
_GRIDS = {
    1: Grid(8.5, 32, 2, 1 << 14, 1e-13),
    2: Grid(8.5, 32, 1.5, 1024, 1e-13),
    3: Grid(8.0, 24, 4 / 3, 128, 1e-10),
    4: Grid(7.5, 24, 4 / 3, 60, 1e-6),
}
# a grid in many directions whose error may be larger than this is held against samples
_POOR = 1e-5
# beyond this part of a grid's reach nothing should be left; what is left counts as error
_EDGE = 0.94
_ORDERS = (14, 20)
_PANEL = 2.0
_AT_ONCE = 1 << 20
# a variable that spreads wider meets a smooth function as something sharp, at 0: panels as fine as these break it up
_WIDE = 10.0
_SCALES = (0.0, *(sign * 2.0**k for sign in (1, -1) for k in range(-1, 10)))


class Estimates(NamedTuple):
    """For every covariance a value and an estimate of its error; how many points each took; what kind of sum it was."""

    value: Any
    bound: Any
    nodes: int
    kind: Kind


def expectations(factors: tuple[Expr, ...], covariance: Any, mean: Any) -> Estimates:
    """E[prod factors] of z1, z2, ... for each of many Gaussians.

    ``covariance`` is rows by n by n, may be singular, and ``mean`` is rows by n. Raises ``GaussianError`` for more
    variables than can be sampled.
    """
    A = roots(covariance)
    n = mean.shape[1]
    directions = A[:, :, A.any(axis=(0, 1))]
    breaks = [breaks_of(factor) for factor in factors]
    known = [b for b in breaks if b is not None]
    if n == 1 and len(known) == len(breaks) and A.max(initial=0) > _WIDE:
        return _by_width(factors, A, mean, known)
    if not any(map(has_kinks, factors)) and directions.shape[2] <= len(_GRIDS):
        found = Estimates(*grid(factors, directions, mean), "quadrature")
        return found if directions.shape[2] <= 2 else _or_sampled(found, factors, directions, mean)
    if n <= 2 and all(len(symbols(factor)) <= 1 for factor in factors) and len(known) == len(breaks):
        return Estimates(*panels(factors, A, mean, known), "quadrature")
    return Estimates(*sampled(factors, directions, mean), "sampled")


def _by_width(factors: tuple[Expr, ...], A: Any, mean: Any, breaks: Sequence[Sequence[float]]) -> Estimates:
    """Functions of one variable: where it is wide, with panels around 0 that are as fine as what they are there."""
    finer = [(*own, *_SCALES) for own in breaks]
    smooth = not any(breaks)
    wide = A[:, 0, 0] > _WIDE
    value, bound, most = np.empty(len(A)), np.empty(len(A)), 0
    for rows in (np.nonzero(~wide)[0], *_chunks(np.nonzero(wide)[0], A[:, 0, 0])):
        if len(rows):
            some = A[rows], mean[rows]
            is_grid = smooth and not wide[rows[0]]
            found = grid(factors, *some) if is_grid else panels(factors, *some, finer if wide[rows[0]] else breaks)
            value[rows], bound[rows], nodes = found
            most = max(most, nodes)
    return Estimates(value, bound, most, "quadrature")


def _chunks(rows: Any, spread: Any) -> Iterator[Any]:
    """Rows of about one width together, so that none pays for the reach of another, and not too many at once."""
    rows = rows[np.argsort(spread[rows])]
    while len(rows):
        width = spread[rows[0]]
        together = min(np.searchsorted(spread[rows], 2 * width, "right"), max(1, int(_AT_ONCE / (100 * width + 2000))))
        yield rows[:together]
        rows = rows[together:]


def _or_sampled(found: Estimates, factors: tuple[Expr, ...], A: Any, mean: Any) -> Estimates:
    """Samples wherever a grid in many directions is too coarse for a sharp function, if they do better."""
    poor = np.nonzero(found.bound > _POOR)[0]
    value, bound, nodes = sampled(factors, A[poor], mean[poor])
    better = bound < found.bound[poor]
    if not better.any():
        return found
    found.value[poor[better]], found.bound[poor[better]] = value[better], bound[better]
    return Estimates(found.value, found.bound, nodes, "sampled")


def roots(covariance: Any) -> Any:
    """Lower triangular A with A A^T the covariance, for many at once; a column is zero where nothing new is random."""
    K = np.array(covariance, dtype=float)
    rows, n, _ = K.shape
    A = np.zeros((rows, n, n))
    scale = np.diagonal(K, axis1=1, axis2=2).copy()
    for k in range(n):
        left = K[:, k, k]
        is_new = left > 4e-16 * scale[:, k]
        with np.errstate(divide="ignore", invalid="ignore"):
            column = np.where(is_new[:, None], K[:, :, k] / np.sqrt(left)[:, None], 0.0)
        column[:, :k] = 0.0
        A[:, :, k] = column
        K -= column[:, :, None] * column[:, None, :]
    return A


@lru_cache(maxsize=1024)
def breaks_of(factor: Expr) -> tuple[float, ...] | None:
    """Where a factor has kinks or jumps; None where these are not known."""
    if not has_kinks(factor):
        return ()
    try:
        return tuple(float(to_mpf(b, 30)) for b in pieces(factor).breaks) if len(symbols(factor)) == 1 else None
    except NotMine:
        return None


# --- smooth --------------------------------------------------------------------------------------------


def grid(factors: tuple[Expr, ...], A: Any, mean: Any) -> tuple[Any, Any, int]:
    """(values, estimated errors, points) of E[prod factors] at z = mean + A x, by the trapezoidal rule."""
    return gridded_means(integrand(factors, A.shape[1]), A, mean)


def gridded_means(of: Integrand, A: Any, mean: Any) -> tuple[Any, Any, int]:
    """(values, estimated errors, points) of the mean of an integrand at z = mean + A x, by the trapezoidal rule.

    ``A`` is rows by n by directions, up to four. The points are doubled until nothing changes, or there are too many.
    """
    size = A.shape[2]
    if size == 0:
        return of(np.arange(len(A)), mean[:, :, None])[:, 0], np.zeros(len(A)), 1
    plan = _GRIDS[size]
    spread = np.linalg.norm(A, axis=2).sum(axis=1) if size <= 2 else np.linalg.norm(A, axis=2).max(axis=1)
    value, bound = np.zeros(len(A)), np.full(len(A), np.inf)
    # a grid that steps over all that happens near 0 would agree with one twice as fine
    seen = 2 * (plan.reach + float(spread.max(initial=0))) * float(spread.max(initial=0))
    first = max(plan.first, int(min(seen, plan.most / plan.growth)))
    todo, points, old, count = np.arange(len(A)), first, None, 0
    while len(todo):
        reach = plan.reach + float(spread[todo].max())
        new, mass, edge = _tensor(of, todo, A[todo], mean[todo], reach, points)
        count += points**size
        if old is not None:
            change = np.abs(new - old)
            value[todo], bound[todo] = new, 2 * change + edge + 1e-15 * mass
            going = change > plan.change * mass
            todo, new = todo[going], new[going]
        points, old = int(plan.growth * points), new
        if points > plan.most:
            break
    return value, bound, count


def _tensor(of: Integrand, rows: Any, A: Any, mean: Any, reach: float, points: int) -> tuple[Any, Any, Any]:
    """The means of f and of |f| over a grid, and what of |f| lies near its edge."""
    total, mass, edge = np.zeros((3, len(A)))
    weight = 0.0
    for x, w in _blocks(A.shape[2], reach, points):
        weight += w.sum()
        outside = np.where((x**2).sum(axis=0) > (_EDGE * reach) ** 2, w, 0)
        step = max(1, _AT_ONCE // len(w))
        for start in range(0, len(A), step):
            some = slice(start, start + step)
            z = mean[some, :, None] + A[some] @ x
            f = of(rows[some], z)
            total[some] += f @ w
            mass[some] += np.abs(f) @ w
            edge[some] += np.abs(f) @ outside
    return total / weight, mass / weight, edge / weight


def _blocks(size: int, reach: float, points: int) -> Iterator[tuple[Any, Any]]:
    """Points (directions by points) and weights of the grid in a ball, as blocks of bearable length."""
    x = np.linspace(-reach, reach, points)
    log_weight = np.log((x[1] - x[0]) / sqrt(2 * pi)) - x**2 / 2
    inner = min(size, 2)
    rest = np.stack(np.meshgrid(*[x] * inner, indexing="ij")).reshape(inner, -1)
    rest_weight = np.sum(np.meshgrid(*[log_weight] * inner, indexing="ij"), axis=0).reshape(-1)
    for outer in np.ndindex((points,) * (size - inner)):
        first = x[list(outer)]
        near = (rest**2).sum(axis=0) + (first**2).sum() <= reach**2
        if near.any():
            repeated = np.broadcast_to(first[:, None], (len(first), near.sum()))
            yield np.concatenate([repeated, rest[:, near]]), np.exp(rest_weight[near] + log_weight[list(outer)].sum())


# --- kinks ---------------------------------------------------------------------------------------------


def panels(factors: tuple[Expr, ...], A: Any, mean: Any, breaks: Sequence[Sequence[float]]) -> tuple[Any, Any, int]:
    """(values, estimated errors, points) by Gauss-Legendre between the kinks, in one or two directions.

    ``A`` is rows by n by n, lower triangular. Every factor is of one variable and smooth between its ``breaks``; two
    orders give the error.
    """
    n = A.shape[1]
    groups = []
    for i in range(n):
        mine = [k for k, factor in enumerate(factors) if name_of(i) in symbols(factor)]
        function = numpy_function(mul(*(factors[k] for k in mine)), (name_of(i),))
        groups.append((function, sorted({float(b) for k in mine for b in breaks[k]})))
    number = float(numpy_function(mul(*(f for f in factors if not symbols(f))), ())())
    found = [_panels(groups, A, mean, order) for order in _ORDERS]
    (old, _, few), (value, mass, many) = found
    with np.errstate(invalid="ignore"):  # a mean may be infinite
        change = np.abs(value - old)
    return number * value, abs(number) * (2 * change + 1e-15 * mass), few + many


def _panels(groups: list[Any], A: Any, mean: Any, order: int) -> tuple[Any, Any, int]:
    rule = np.polynomial.legendre.leggauss(order)
    (f, own), *others = groups
    reach = _GRIDS[2].reach + float(np.linalg.norm(A, axis=2).sum(axis=1).max(initial=0))
    a = A[:, 0, 0]
    with np.errstate(divide="ignore", invalid="ignore"):
        cuts = [(t - mean[:, 0]) / a for t in own]
        if others:
            g, its = others[0]
            b, c = A[:, 1, 0], A[:, 1, 1]
            width = np.abs(c / b)
            cuts += [(t - mean[:, 1]) / b + s * width for t in its for s in (-8, -4, -2, -1, 0, 1, 2, 4, 8)]
    x, w = _rule(np.stack(cuts, -1) if cuts else np.zeros((len(A), 0)), reach, rule)
    with np.errstate(over="ignore", invalid="ignore"):
        value = np.broadcast_to(f(mean[:, :1] + a[:, None] * x), x.shape)
    # out there the Gaussian is nothing, and a quotient of two overflows (of a sigmoid's derivative) has no value
    value = np.where(np.isnan(value) & (np.abs(x) > _GRIDS[1].reach), 0.0, value)
    if not others:
        return (w * value).sum(-1), (w * np.abs(value)).sum(-1), x.shape[1]
    inner, inner_mass = np.zeros(x.shape), np.zeros(x.shape)
    count = (int(2 * reach / _PANEL) + 2 + len(its)) * order
    step = max(1, _AT_ONCE // (count * x.shape[1]))
    for start in range(0, len(A), step):
        some = slice(start, start + step)
        middle = mean[some, 1:] + b[some, None] * x[some]
        spread = np.broadcast_to(c[some, None], middle.shape)
        with np.errstate(divide="ignore", invalid="ignore"):
            places = np.stack([(t - middle) / spread for t in its], -1) if its else np.zeros((*middle.shape, 0))
        y, v = _rule(places, reach, rule)
        values = np.broadcast_to(g(middle[..., None] + spread[..., None] * y), y.shape)
        inner[some], inner_mass[some] = (v * values).sum(-1), (v * np.abs(values)).sum(-1)
    return (w * value * inner).sum(-1), (w * np.abs(value) * inner_mass).sum(-1), x.shape[1] * count


def _rule(cuts: Any, reach: float, rule: Any) -> tuple[Any, Any]:
    """Points and weights (the Gaussian's included) on panels between the cuts, along a new last axis.

    A cut that is nowhere (nan or infinite) makes an empty panel.
    """
    parts = int(2 * reach / _PANEL) + 1
    fixed = np.broadcast_to(np.linspace(-reach, reach, parts + 1), (*cuts.shape[:-1], parts + 1))
    edges = np.sort(np.concatenate([fixed, np.clip(np.nan_to_num(cuts, nan=reach), -reach, reach)], axis=-1), axis=-1)
    half = np.diff(edges) / 2
    nodes, weights = rule
    x = (edges[..., :-1] + half)[..., None] + half[..., None] * nodes
    w = half[..., None] * weights * np.exp(-(x**2) / 2) / sqrt(2 * pi)
    return x.reshape(*cuts.shape[:-1], -1), w.reshape(*cuts.shape[:-1], -1)
