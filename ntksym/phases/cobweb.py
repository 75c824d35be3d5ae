"""The maps of a block as curves, with the staircases that lengths and correlations climb down on them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ntksym.phases.blocks import BIAS, WEIGHT, block_of
from ntksym.phases.fixed_points import LENGTHS
from ntksym.phases.record import PhaseReport
from ntksym.phases.report import phase_report
from ntksym.phases.systems import floats

_POINTS, _STEPS = 201, 60
# how far the curve of lengths reaches, in lengths that are kept, and where staircases begin
_REACH, _SHORT = 2.5, 0.04
_CORRELATIONS = (-0.9, 0.97)
# the limit of small lengths
_SMALL = 1e-8
# angles between two inputs; correlations next to one take longer, and cannot be seen
_ANGLES = (3.1365, 5e-3)


@dataclass(frozen=True)
class Cobweb:
    """The q-map and the c-map of a block: arrays of points of the curves, and orbits, each an array of iterates.

    ``c_after`` is the map of correlations of two inputs of the length ``at``: q*, or one next to its limit.
    """

    report: PhaseReport
    q: Any
    q_after: Any
    q_orbits: tuple[Any, ...]
    at: float
    c: Any
    c_after: Any
    c_orbits: tuple[Any, ...]


def cobweb(source: Any, *, sigma_w: Any = 1, sigma_b: Any = 0, block: str | None = None, **values: Any) -> Cobweb:
    """The maps of a block at given weights as curves; arguments and errors are those of ``phase_report``."""
    report = phase_report(source, sigma_w=sigma_w, sigma_b=sigma_b, block=block, **values)
    found = block_of(source, block, {WEIGHT: sigma_w, BIAS: sigma_b, **values})
    maps, numbers, q_star = found.maps, found.numbers, report.q_star

    def lengths(q: Any) -> Any:
        return floats([maps.q_map], {**numbers, maps.q: q})[0]

    singled_out = q_star is not None and 0 < q_star < np.inf
    longest = _REACH * (q_star if singled_out else found.start)
    at = float(np.clip(q_star, _SMALL, LENGTHS[1])) if q_star is not None else 1.0
    after = float(lengths(np.array(at)))

    def correlations(c: Any) -> Any:
        return floats([maps.both], {**numbers, maps.q: at, maps.q2: at, maps.r: at * c})[0] / after

    q, c = np.linspace(longest / _POINTS**2, longest, _POINTS), np.cos(np.linspace(*_ANGLES, _POINTS))
    return Cobweb(
        report,
        q,
        lengths(q),
        _orbits(lengths, (_SHORT * longest, longest), longest),
        at,
        c,
        correlations(c),
        _orbits(correlations, _CORRELATIONS, 1.0),
    )


def _orbits(step: Callable[[Any], Any], starts: tuple[float, ...], end: float) -> tuple[Any, ...]:
    """What copy after copy makes of each start, as long as it stays below the end."""
    x = [np.array(starts)]
    for _ in range(_STEPS):
        x.append(step(x[-1]))
    return tuple(orbit[: _inside(orbit <= end)] for orbit in np.array(x).T)


def _inside(below: Any) -> int:
    """How many there are before the first that is not."""
    return len(below) if below.all() else int(np.argmin(below))
