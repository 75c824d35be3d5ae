"""All lengths that a block keeps, at given weights: zero and infinity included, stable or not."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from ntksym._lazy import lazy
from ntksym.phases.far import far_out, near_zero
from ntksym.phases.maps import LengthMap
from ntksym.phases.record import FixedPoint
from ntksym.phases.roots import brackets, float_root, precise_root
from ntksym.phases.systems import System, floats, precise

mpmath = lazy("mpmath")

LENGTHS = (1e-6, 1e4)
"""Between which lengths fixed points are searched for; zero and infinity are limits, looked at on their own."""
_GRID = 180
# a slope this near to one says nothing about stability: the map is looked at on both sides
_MARGINAL = 1e-9
# how far from a marginal point: its second order then stands out of rounding
_ASIDE = 1e-3
# signs of numbers below may be rounding in double precision
_DOUBTFUL = 1e-9
# a map is the identity where it moves lengths by no larger part
_ROUNDING = 1e-12

Values = Mapping[Any, Any]


def grid() -> Any:
    """Lengths close enough together to see all roots apart."""
    return np.geomspace(*LENGTHS, _GRID)


def roots_in(system: System, q: Any, values: Values, digits: int | None) -> Iterator[Any]:
    """The lengths in LENGTHS at which a system changes its sign, in double precision or to ``digits`` digits."""

    def plain(at: Any) -> Any:
        return floats([system], {**values, q: at})[0]

    def exactly(at: Any, work: int) -> Any:
        return precise([system], {**values, q: at}, work)[0]

    x = grid()
    y = plain(x)
    for low, high in brackets(x, y):
        if np.abs(y[(x >= low) & (x <= high)]).max() < _DOUBTFUL and not _changes_sign(exactly, low, high):
            continue
        root = float_root(plain, low, high).value
        yield root if digits is None else precise_root(exactly, root, digits).value


def _changes_sign(f: Callable[[Any, int], Any], low: float, high: float) -> bool:
    return bool(f(mpmath.mpf(low), 30) * f(mpmath.mpf(high), 30) < 0)


def growth(maps: LengthMap) -> System:
    """Q(q)/q."""
    return System(maps.q_map.definitions, maps.q_map.output / maps.q)


def fixed_points(maps: LengthMap, values: Values, digits: int | None) -> tuple[FixedPoint, ...]:
    """All of them by rising length, for numbers of all parameters.

    One with the length None stands for every length, where the block keeps all of them.
    """
    if _is_identity(maps, values, digits):
        return (replace(_point(maps, values, None, digits), stability="marginal"),)
    found = [*_limits(maps, values, digits or 15)]
    excess = System(maps.q_map.definitions, maps.q_map.output / maps.q - 1)
    found += [_point(maps, values, q, digits) for q in roots_in(excess, maps.q, values, digits)]
    found = [replace(point, stability=stability(maps, values, point)) for point in found]
    return tuple(sorted((p if digits else p.as_floats() for p in found), key=lambda point: point.q))


def _is_identity(maps: LengthMap, values: Values, digits: int | None) -> bool:
    """Whether every length is kept, up to rounding."""
    if np.abs(floats([growth(maps)], {**values, maps.q: grid()})[0] - 1).max() > _ROUNDING:
        return False
    if digits is None:
        return True
    with mpmath.workdps(digits + 10):
        some = (mpmath.mpf(1) / 3, mpmath.mpf(1), mpmath.mpf(7))
        moved = (precise([growth(maps)], {**values, maps.q: q}, digits + 5)[0] - 1 for q in some)
        return all(abs(x) < mpmath.mpf(10) ** -digits for x in moved)


def _point(maps: LengthMap, values: Values, q: Any, digits: int | None) -> FixedPoint:
    systems, at = [maps.chi_1, maps.chi_parallel], {**values, maps.q: 1 if q is None else q}
    chi, parallel = map(float, floats(systems, at)) if digits is None else precise(systems, at, digits + 5)
    return FixedPoint(q, chi, parallel)


def _limits(maps: LengthMap, values: Values, digits: int) -> Iterator[FixedPoint]:
    with mpmath.workdps(digits + 10):
        ratio = near_zero(growth(maps), maps.q, values, digits)
        if mpmath.isfinite(ratio):
            yield FixedPoint(mpmath.mpf(0), near_zero(maps.chi_1, maps.q, values, digits), ratio)
        ratio = far_out(growth(maps), maps.q, values, digits)
        if ratio > mpmath.mpf(10) ** -digits:
            yield FixedPoint(mpmath.inf, far_out(maps.chi_1, maps.q, values, digits), ratio)


def stability(maps: LengthMap, values: Values, point: FixedPoint) -> str:
    """stable, unstable, or half-stable: approached from one side and left on the other."""
    slope = float(abs(point.chi_parallel))
    if mpmath.isinf(point.q):
        towards = slope > 1 if abs(slope - 1) > _MARGINAL else _sign_beside(maps, values, LENGTHS[1]) > 0
        return "stable" if towards else "unstable"
    if abs(slope - 1) > _MARGINAL:
        return "stable" if slope < 1 else "unstable"
    if point.q == 0:
        return "stable" if _sign_beside(maps, values, _ASIDE) < 0 else "unstable"
    below, above = (_sign_beside(maps, values, float(point.q) * (1 + side * _ASIDE)) for side in (-1, 1))
    if below == above:
        return "half-stable"
    return "stable" if below > above else "unstable"


def _sign_beside(maps: LengthMap, values: Values, q: float) -> float:
    return float(np.sign(floats([growth(maps)], {**values, maps.q: np.array(q)})[0] - 1))


def approached(maps: LengthMap, values: Values, points: tuple[FixedPoint, ...], start: float) -> FixedPoint | None:
    """The fixed point that a length goes to: the next one that is not unstable, in the direction of its first step."""
    step = _sign_beside(maps, values, start)
    stable = [point for point in points if point.stability != "unstable"]
    ahead = [p for p in stable if p.q is None or step == 0 or (p.q > start if step > 0 else p.q < start)]
    return min(ahead or stable, key=lambda p: 0 if p.q is None else abs(float(p.q) - start), default=None)
