"""What a block does to the correlation of two inputs of one length: its fixed points, and how fast they are reached."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ntksym._lazy import lazy
from ntksym.gaussian import GaussianError
from ntksym.gaussian.unevaluated import Unevaluated
from ntksym.phases.maps import LengthMap
from ntksym.phases.record import CorrelationPoint
from ntksym.phases.roots import brackets, float_root, precise_root
from ntksym.phases.systems import floats, precise

sympy = lazy("sympy")
mpmath = lazy("mpmath")

# angles between two inputs; nearer to 0 and pi rounding hides how a correlation changes
_ANGLES = (5e-3, 3.1365)
_GRID, _COARSE = 160, 9
_ROUNDING = 1e-11
# lengths that stand for 0 and infinity, and up to what a map there is its limit
_SMALL, _LARGE, _LIMIT = 1e-8, 1e40, 1e-6

Values = Mapping[Any, Any]


def correlation_points(
    maps: LengthMap, values: Values, q: Any, digits: int | None
) -> tuple[CorrelationPoint, ...] | None:
    """The fixed points of the correlation at a length that is kept, from -1 to 1; None where every correlation is kept.

    At lengths 0 and infinity they are those of the limit of the map, in double precision; none where no number can be
    had of it.
    """
    if q is not None and mpmath.isinf(q):
        return _far_out(maps, values)
    length = _SMALL if q == 0 else 1 if q is None else q
    moved = _moved(maps, values, length)
    c = np.cos(np.linspace(*_ANGLES[::-1], _GRID))
    y, tolerance = moved(c), _LIMIT if q == 0 else _ROUNDING
    if np.abs(y).max() < tolerance:
        return None
    found = [special for special in (-1.0, 0.0, 1.0) if abs(moved(np.array([special]))) < tolerance]
    inside = [float_root(moved, low, high).value for low, high in brackets(c, y)]
    inside = [x for x in inside if min((abs(x - special) for special in found), default=1) > _ROUNDING]
    if q == 0 or digits is None:
        return tuple(_float_point(maps, values, length, x) for x in sorted((*found, *inside)))
    inside = [_sharpened(maps, values, length, root, digits) for root in inside]
    return tuple(_precise_point(maps, values, length, x, digits) for x in sorted((*found, *inside)))


def _moved(maps: LengthMap, values: Values, q: Any) -> Callable[[Any], Any]:
    """By how much one copy changes a correlation at a length q, for arrays."""
    known = {**values, maps.q: float(q), maps.q2: float(q)}
    (after,) = floats([maps.q_map], {**values, maps.q: float(q)})
    return lambda c: floats([maps.both], {**known, maps.r: float(q) * c})[0] / after - c


def _far_out(maps: LengthMap, values: Values) -> tuple[CorrelationPoint, ...] | None:
    """The fixed points in the limit of large lengths, of closed forms: anything else is out of reach there."""
    if any(d.answer.expression.has(Unevaluated) for d in maps.both.definitions if d.answer):
        return ()
    q = mpmath.mpf(_LARGE)

    def moved(c: Any, digits: int) -> Any:
        (r,) = precise([maps.both], {**values, maps.q: q, maps.q2: q, maps.r: q * c}, digits)
        return r / after - c

    try:
        (after,) = precise([maps.q_map], {**values, maps.q: q}, 40)
        c = np.cos(np.linspace(*_ANGLES[::-1], _COARSE))
        y = np.array([float(moved(mpmath.mpf(x), 15)) for x in c])
        if np.abs(y).max() < _LIMIT:
            return None
        roots = [float(precise_root(moved, (low + high) / 2, 15).value) for low, high in brackets(c, y)]
        slopes = [_slope(maps, values, q, x, 15) for x in (*roots, 1.0)]
    except GaussianError:
        return ()
    return tuple(CorrelationPoint(x, float(slope)) for x, slope in zip((*roots, 1.0), slopes, strict=True))


def _sharpened(maps: LengthMap, values: Values, q: Any, guess: float, digits: int) -> Any:
    """The root in 1 - c, so that no digits are lost next to 1."""
    (after,) = precise([maps.q_map], {**values, maps.q: q}, digits + 30)

    def moved(gap: Any, work: int) -> Any:
        known = {**values, maps.q: q, maps.q2: q, maps.r: (1 - gap) * q}
        return precise([maps.both], known, work)[0] / after - (1 - gap)

    with mpmath.workdps(digits + 25):
        return 1 - precise_root(moved, 1 - guess, digits).value


def _float_point(maps: LengthMap, values: Values, q: Any, c: float) -> CorrelationPoint:
    known = {**values, maps.q: float(q), maps.q2: float(q), maps.r: float(q) * c}
    slope, after = floats([maps.chi_1 if c == 1 else maps.slope, maps.q_map], known)
    return CorrelationPoint(c, float(slope * q / after))


def _precise_point(maps: LengthMap, values: Values, q: Any, c: Any, digits: int) -> CorrelationPoint:
    with mpmath.workdps(digits + 25):
        return CorrelationPoint(mpmath.mpf(c), _slope(maps, values, q, c, digits + 5))


def _slope(maps: LengthMap, values: Values, q: Any, c: Any, digits: int) -> Any:
    """The slope of the map of correlations."""
    known = {**values, maps.q: q, maps.q2: q, maps.r: q * c}
    slope, after = precise([maps.chi_1 if c == 1 else maps.slope, maps.q_map], known, digits)
    return slope * q / after
