"""The edge of chaos: weights at which some length is a fixed point and small differences neither grow nor shrink."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from ntksym._lazy import lazy
from ntksym.phases.blocks import BIAS, WEIGHT, block_of, exact
from ntksym.phases.criticality import Criticality, criticality
from ntksym.phases.far import near_zero
from ntksym.phases.fixed_points import LENGTHS, grid, roots_in, stability
from ntksym.phases.intervals import is_positive_throughout
from ntksym.phases.numbers import FLOAT_DIGITS, decimal
from ntksym.phases.record import EdgeOfChaos, EdgePoint, FixedPoint
from ntksym.phases.systems import System, evidence_of, floats, precise
from ntksym.records.evidence import Evidence

sympy = lazy("sympy")
mpmath = lazy("mpmath")

PROVED = (1e-6, 1e3)
"""Between which lengths it is proved that there is no edge, where that can be done."""


def edge_of_chaos(
    source: Any, *, sigma_b: Any = 0, digits: int | None = None, block: str | None = None, **values: Any
) -> EdgeOfChaos:
    """The weights at which a block is critical: chi_1 = 1 at a length q* that it keeps.

    For ReLU by hand: derivation relu_edge, step "the edge"; for erf: derivation erf_edge.

    Args:
        source: a program, or an activation: its name, a text such as ``z*Phi(z)``, a record.
        sigma_b: the standard deviation of the biases, a number or a text such as ``sqrt(0.1)``.
        digits: significant digits, in mpmath; None computes in double precision, to about twelve.
        block: which repeat of the program, if there are several.
        values: numbers for other hyperparameters and dimensions (``L=100``).

    All solutions are given, stable lengths first, those with chi_parallel > 1 marked; where there is none, the reason.
    Raises PhaseError for a block that has no map of lengths, and for missing numbers.

    Example:
        >>> import ntksym as ns
        >>> ns.edge_of_chaos("tanh", sigma_b="0.2", digits=30).to_json()["sigma_w"]
        '1.30414584005651143066858923429'
        >>> ns.edge_of_chaos("relu").point.exact
        sqrt(2)
    """
    found = block_of(source, block, values, free=(WEIGHT, BIAS))
    bias = exact(sigma_b, BIAS)
    if found.maps.chi_1.output == sympy.oo:
        reason = "a function jumps, so equal inputs part at once: chi_1 is infinite at any weights"
        return EdgeOfChaos(found.title, decimal(bias, digits), (), reason, LENGTHS, LENGTHS, digits)
    critical = criticality(found)
    points = sorted(_points(critical, bias, digits), key=lambda point: point.stability == "unstable")
    reason, proved = ("", False) if points else _absence(critical, bias)
    sigma = decimal(bias, digits)
    return EdgeOfChaos(found.title, sigma, tuple(points), reason, PROVED if proved else None, LENGTHS, digits)


def _points(critical: Criticality, bias: Any, digits: int | None) -> Iterator[EdgePoint]:
    everywhere = _scale_invariant(critical, bias, digits)
    if everywhere is not None:
        yield everywhere
        return
    yield from _at_zero(critical, bias, digits)
    for q in roots_in(critical.excess, critical.q, critical.values(bias, None), digits):
        point = point_at(critical, bias, q, digits)
        if point.sigma_w > 0:
            yield point


def point_at(critical: Criticality, bias: Any, q: Any, digits: int | None) -> EdgePoint:
    """The point of the edge at a length q that has been found."""
    maps, symbol, values = critical.block.maps, critical.block.symbol(WEIGHT), critical.values(bias, q)
    systems = [maps.q_map, maps.chi_1, maps.chi_parallel]
    if digits is None:
        weight = float(np.sqrt(floats([critical.weight], values)[0]))
        after, chi, parallel = map(float, floats(systems, {**values, symbol: weight}))
    else:
        with mpmath.workdps(digits + 10):
            weight = mpmath.sqrt(precise([critical.weight], values, digits + 8)[0])
            after, chi, parallel = precise(systems, {**values, symbol: weight}, digits + 8)
    point = FixedPoint(q, chi, parallel)
    kind = stability(maps, {**critical.values(bias, None), symbol: weight}, point)
    known = _evidence(critical, digits)
    return EdgePoint(weight, decimal(bias, digits), q, chi, parallel, kind, (after - q, chi - 1), known)


def _evidence(critical: Criticality, digits: int | None) -> Evidence:
    """How the expectations are known, and the digits between which the excess changes its sign."""
    found = evidence_of(critical.excess)
    return replace(found, bound=10.0 ** -(digits or FLOAT_DIGITS), note="the sign changes within this part of q_star")


# --- edges at which no length is singled out ---------------------------------------------------------------------


def _scale_invariant(critical: Criticality, bias: Any, digits: int | None) -> EdgePoint | None:
    """The edge where every length is kept: the excess is zero as an expression."""
    if any(d.answer.evidence.kind != "exact" for d in critical.excess.definitions if d.answer):
        return None
    symbol = critical.block.symbol(BIAS)
    excess = critical.excess.closed.subs({} if symbol is None else {symbol: bias})
    if sympy.simplify(excess) != 0:
        return None
    weight = sympy.sqrt(sympy.simplify(critical.weight.closed))
    if critical.q in weight.free_symbols or not weight.is_positive:
        return None
    weight = weight.subs(critical.block.numbers)
    one = decimal(sympy.S.One, digits)
    zeros, sigmas = (one - one, one - one), (decimal(weight, digits), decimal(bias, digits))
    return EdgePoint(*sigmas, None, one, one, "marginal", zeros, Evidence("exact"), weight)


def _at_zero(critical: Criticality, bias: Any, digits: int | None) -> Iterator[EdgePoint]:
    """The edge at length zero, where the block maps zero to itself."""
    if bias != 0:
        return
    values, work = critical.values(bias, None), digits or 15
    systems = (critical.weight, critical.excess, critical.parallel)
    with mpmath.workdps(work + 10):
        weight, excess, parallel = (near_zero(system, critical.q, values, work) for system in systems)
        if abs(excess) > mpmath.mpf(10) ** -work or not (weight > 0 and mpmath.isfinite(weight)):
            return
        root, zero = mpmath.sqrt(weight), mpmath.mpf(0)
        point = FixedPoint(zero, zero + 1, parallel)
        kind = stability(critical.block.maps, {**values, critical.block.symbol(WEIGHT): root}, point)
        weight, sigma_b, zero, one, slope = (decimal(x, digits) for x in (root, bias, zero, zero + 1, parallel))
    known = replace(evidence_of(critical.excess), note="the limit of small lengths")
    yield EdgePoint(weight, sigma_b, zero, one, slope, kind, (zero, zero), known)


def _absence(critical: Criticality, bias: Any) -> tuple[str, bool]:
    """Why there is no edge, in words, and whether that is proved for all lengths in PROVED."""
    values = critical.values(bias, None)
    weight, excess = floats([critical.weight, critical.excess], critical.values(bias, grid()))
    if not (weight > 0).any():
        proved = critical.weight.output == 0 or _is_signed(critical.weight, -1, critical, values)
        return "chi_1 = 1 has no solution with sigma_w > 0: differences grow at any weights", proved
    gain = (excess * grid())[weight > 0]
    if not ((gain > 0).all() or (gain < 0).all()):
        return "wherever chi_1 = 1 and a length is kept, sigma_w^2 would be negative", False
    sign = 1 if gain[0] > 0 else -1
    how = "adds to" if sign > 0 else "takes from"
    reason = (
        f"wherever chi_1 = 1, one copy of the block {how} the square of every length, {min(sign * gain):.3g} at least, "
        "so none is kept"
    )
    return reason, _is_signed(critical.excess, sign, critical, values)


def _is_signed(system: System, sign: int, critical: Criticality, values: dict[Any, Any]) -> bool:
    """Whether a system is proved to have a sign: as a closed form, or by enclosures for all lengths in PROVED."""
    if evidence_of(system).kind == "exact" and sympy.simplify(sign * system.closed.subs(values)).is_positive:
        return True
    return is_positive_throughout(System(system.definitions, sign * system.output), critical.q, values, PROVED)
