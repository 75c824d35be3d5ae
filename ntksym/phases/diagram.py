"""The phase diagram over sigma_w and sigma_b: at each of many points the length that is kept, phase and depth scales.

Expectations that depend on the length alone are taken once, on a grid, and interpolated: a diagram then costs algebra.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ntksym._lazy import lazy
from ntksym.errors import PhaseError
from ntksym.phases.blocks import BIAS, WEIGHT, Block, block_of
from ntksym.phases.curve import EdgeCurve, edge_curve
from ntksym.phases.far import far_answers
from ntksym.phases.fixed_points import LENGTHS, growth
from ntksym.phases.maps import LengthMap
from ntksym.phases.systems import System, algebra, answers
from ntksym.records.tables import Shown

interpolate = lazy("scipy.interpolate")

PHASES = ("ordered", "critical", "chaotic")
# nodes of the tables in the length, and in length and angle
_FINE, _COARSE, _ANGLES = 1600, 120, 80
# halvings of a bracket, in the logarithm of the length or in the angle
_HALVINGS = 44
_RANGE = (5e-3, 3.1365)
_ON_THE_EDGE = 1e-9
_DIGITS = 15


@dataclass(frozen=True)
class PhaseDiagram(Shown):
    """Arrays over a grid: rows are ``sigma_b``, columns ``sigma_w``.

    ``q_star`` is the length that inputs of norm sqrt(d) go to (0 and inf are limits), ``phase`` -1 where it is ordered,
    1 where chaotic and 0 on the edge. ``c_star`` is the stable correlation, nan in these limits; ``xi_q`` and ``xi_c``
    are depth scales, inf where convergence is by a power or there is none. ``edge`` is the edge of chaos, None for
    a block in which it is no curve.
    """

    title: str
    sigma_w: Any
    sigma_b: Any
    phase: Any
    q_star: Any
    c_star: Any
    chi_1: Any
    chi_parallel: Any
    xi_q: Any
    xi_c: Any
    edge: EdgeCurve | None

    def to_text(self) -> str:
        """How much of the grid each phase has."""
        grid = ((WEIGHT, self.sigma_w), (BIAS, self.sigma_b))
        axes = ", ".join(f"{name} from {at.min():g} to {at.max():g}" for name, at in grid)
        shares = ", ".join(f"{np.mean(self.phase == sign):.0%} {PHASES[sign + 1]}" for sign in (-1, 0, 1))
        return f"{self.title}: {axes}: {shares}"

    def to_json(self) -> dict[str, Any]:
        """A plain JSON object; null where there is no number, the text "inf" for infinity."""
        names = ("sigma_w", "sigma_b", "phase", "q_star", "c_star", "chi_1", "chi_parallel", "xi_q", "xi_c")
        arrays = {name: _listed(getattr(self, name)) for name in names}
        edge = None if self.edge is None else self.edge.to_json()
        return {"schema": "ntksym.phase_diagram/1", "title": self.title, **arrays, "edge": edge}


def phase_diagram(
    source: Any,
    *,
    sigma_w: Any = None,
    sigma_b: Any = None,
    block: str | None = None,
    **values: Any,
) -> PhaseDiagram:
    """The phases of a block over arrays of ``sigma_w`` and ``sigma_b`` (200 numbers each, up to 4 and 2, if not given).

    Numbers are good to about eight digits; ``phase_report`` gives more at a point. Other arguments are those of
    ``phase_report``. Raises PhaseError for a block that has no map of lengths, or several layers of weights.

    Example:
        >>> import ntksym as ns
        >>> diagram = ns.phase_diagram("erf", sigma_w=[0.5, 1.5, 2.5], sigma_b=[0.0, 0.5])
        >>> diagram.phase
        array([[-1,  1,  1],
               [-1,  1,  1]])
    """
    found = block_of(source, block, values, free=(WEIGHT, BIAS))
    w = np.asarray(np.linspace(0.02, 4, 200) if sigma_w is None else sigma_w, dtype=float)
    b = np.asarray(np.linspace(0, 2, 200) if sigma_b is None else sigma_b, dtype=float)
    if not ((w > 0).all() and (b >= 0).all() and w.ndim == b.ndim == 1):
        raise PhaseError("sigma_w and sigma_b are arrays of numbers, positive and not negative")
    B, W = (x.ravel() for x in np.meshgrid(b, w, indexing="ij"))
    grids = {found.symbol(WEIGHT): W, found.symbol(BIAS): B}
    given = {**{s: float(x) for s, x in found.given}, **{s: x for s, x in grids.items() if s is not None}}
    table = _Table(found)
    q = table.kept(given, W**2 + B**2)
    chi, parallel = (table.limit(system, given, q) for system in (found.maps.chi_1, found.maps.chi_parallel))
    c, slope = _correlations(found, given, q, chi)
    scales = (_depth_scale(x) for x in (parallel, slope))
    phase = np.where(np.abs(chi - 1) < _ON_THE_EDGE, 0, np.sign(chi - 1)).astype(int)
    phase, q, c, chi, parallel, xi_q, xi_c = (x.reshape(len(b), len(w)) for x in (phase, q, c, chi, parallel, *scales))
    return PhaseDiagram(found.title, w, b, phase, q, c, chi, parallel, xi_q, xi_c, _edge(source, block, values))


def _edge(source: Any, block: str | None, values: Mapping[str, Any]) -> EdgeCurve | None:
    try:
        return edge_curve(source, block=block, **values)
    except PhaseError:
        return None


class _Table:
    """Interpolated expectations of a block in the logarithm of the length."""

    def __init__(self, block: Block) -> None:
        self.maps, self.numbers = block.maps, block.numbers
        self.systems = (growth(block.maps), block.maps.chi_1, block.maps.chi_parallel)
        arguments = [x for system in self.systems for d in system.definitions for _, x in d.arguments]
        if {s.name for x in arguments for s in x.free_symbols} & {WEIGHT, BIAS}:
            raise PhaseError(f"{block.title}: a diagram is made of blocks with one layer of weights")
        x = np.log(np.geomspace(*LENGTHS, _FINE))
        numbers = {s: np.asarray(float(x)) for s, x in block.numbers.items()}
        known = answers(self.systems, {**numbers, self.maps.q: np.exp(x)})
        # far out the derivatives of sigmoids overflow: the table ends there
        finite = np.isfinite([*known.values()]).all(axis=0)
        self.x = x[finite]
        self.splines = {s: interpolate.CubicSpline(self.x, y[finite]) for s, y in known.items()}

    def limit(self, system: System, given: Mapping[Any, Any], q: Any) -> Any:
        """A system at a length for each of the weights, infinity included."""
        far = far_answers(system, self.maps.q, self.numbers, _DIGITS)
        known = {**{s: float(x) for s, x in far.items()}, **given}
        return np.where(np.isinf(q), algebra(system.output, known, q.shape), self.at(system, given, q))

    def at(self, system: System, given: Mapping[Any, Any], q: Any) -> Any:
        """A system at a length for each of the weights; beyond the table at its ends."""
        x = np.clip(np.log(np.maximum(q, LENGTHS[0])), self.x[0], self.x[-1])
        known = {**given, self.maps.q: np.exp(x)}
        known.update({d.symbol: self.splines[d.symbol](x) for d in system.definitions})
        return np.array(algebra(system.output, known, x.shape))

    def kept(self, given: Mapping[Any, Any], start: Any) -> Any:
        """The next fixed point in the direction of the first step: 0 and infinity where there is none."""
        x = np.log(np.clip(start, *LENGTHS))
        up = self._moves(given, x) > 0
        low, high = (np.full(x.shape, end) for end in (self.x[0], self.x[-1]))
        reached = np.zeros(x.shape, dtype=bool)
        before = x
        for node in range(_COARSE):
            after = x + (node + 1) / _COARSE * (np.where(up, self.x[-1], self.x[0]) - x)
            crossed = ~reached & ((self._moves(given, after) > 0) != up)
            low[crossed] = np.minimum(before, after)[crossed]
            high[crossed] = np.maximum(before, after)[crossed]
            reached |= crossed
            before = after
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            rising = self._moves(given, middle) > 0
            low, high = np.where(rising, middle, low), np.where(rising, high, middle)
        return np.where(reached, np.exp((low + high) / 2), np.where(up, np.inf, 0.0))

    def _moves(self, given: Mapping[Any, Any], x: Any) -> Any:
        return self.at(self.systems[0], given, np.exp(x)) - 1


class _Angles:
    """Interpolated expectations of two inputs, in the logarithm of their length and the angle between them."""

    def __init__(self, maps: LengthMap, numbers: Mapping[Any, Any], shortest: float, longest: float) -> None:
        self.maps = maps
        angle = np.linspace(*_RANGE, _ANGLES)
        length = np.geomspace(shortest * (1 - 1e-9), longest * (1 + 1e-9), _COARSE)
        fixed = {s: np.asarray(float(x)) for s, x in numbers.items()}
        rows = []
        for q in length:
            alike = np.full(_ANGLES, q)
            known = {**fixed, maps.q: alike, maps.q2: alike, maps.r: q * np.cos(angle)}
            rows.append(answers([maps.both, maps.slope], known))
        self.splines = {
            symbol: interpolate.RectBivariateSpline(np.log(length), angle, np.array([row[symbol] for row in rows]))
            for symbol in rows[0]
        }

    def at(self, system: System, given: Mapping[Any, Any], q: Any, angle: Any) -> Any:
        """A system at lengths and angles."""
        known = {**given, self.maps.q: q, self.maps.q2: q, self.maps.r: q * np.cos(angle)}
        known.update({d.symbol: self.splines[d.symbol].ev(np.log(q), angle) for d in system.definitions})
        return algebra(system.output, known, q.shape)


def _correlations(block: Block, given: Mapping[Any, Any], q: Any, chi: Any) -> tuple[Any, Any]:
    """The stable correlation and the slope there: 1 and chi_1 in the ordered phase, else by bisection in the angle.

    Where the length goes to 0 or infinity there is no number for it.
    """
    finite = np.isfinite(q) & (q > 0)
    c, slope = np.where(finite, 1.0, np.nan), np.where(finite, chi, np.nan)
    chaotic = np.nonzero(finite & (chi > 1))[0]
    if not len(chaotic):
        return c, slope
    some, q = {s: x[chaotic] if np.ndim(x) else x for s, x in given.items()}, q[chaotic]
    table = _Angles(block.maps, block.numbers, q.min(), q.max())
    low, high = (np.full(q.shape, end) for end in _RANGE)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        apart = table.at(block.maps.both, some, q, middle) / q < np.cos(middle)
        low, high = np.where(apart, middle, low), np.where(apart, high, middle)
    c[chaotic] = np.cos(low)
    slope[chaotic] = table.at(block.maps.slope, some, q, low)
    return c, slope


def _depth_scale(slope: Any) -> Any:
    size = np.abs(slope)
    with np.errstate(divide="ignore"):
        scale = -1 / np.log(size)
    return np.where(size >= 1, np.inf, scale)


def _listed(array: Any) -> Any:
    if array.ndim > 1:
        return [_listed(row) for row in array]
    return [None if np.isnan(x) else "inf" if np.isinf(x) else x for x in array.tolist()]
