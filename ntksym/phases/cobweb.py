"""The maps of a block as curves, with the staircases that lengths and correlations climb down on them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
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


def cobweb(
    source: Any, *, sigma_w: Any = 1, sigma_b: Any = 0, block: str | None = None, **values: Any
) -> Cobweb:
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

    q, c = np.linspace(longest / _POINTS**2, longest, _POINTS), np.sin(np.linspace(-np.pi / 2, np.pi / 2, _POINTS))
    return Cobweb(
        report,
        q,
        lengths(q),
        tuple(_orbit(lengths, start, longest) for start in (_SHORT * longest, longest)),
        at,
        c,
        correlations(c),
        tuple(_orbit(correlations, start, 1.0) for start in _CORRELATIONS),
    )


def _orbit(step: Callable[[Any], Any], start: float, end: float) -> Any:
    """A start and what copy after copy makes of it, as long as it stays below the end."""

    def iterates() -> Iterator[float]:
        x = start
        for _ in range(_STEPS):
            yield x
            x = float(step(np.array([x]))[0])
            if not x <= end:
                return

    return np.array(list(iterates()))
