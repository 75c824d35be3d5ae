"""Phases at a point: what many copies of a block do to lengths, differences and correlations of inputs."""

from __future__ import annotations

from typing import Any

from ntksym._lazy import lazy
from ntksym.errors import PhaseError
from ntksym.phases.blocks import BIAS, WEIGHT, block_of
from ntksym.phases.correlations import correlation_points
from ntksym.phases.fixed_points import LENGTHS, approached, fixed_points
from ntksym.phases.numbers import decimal
from ntksym.phases.record import PhaseReport
from ntksym.phases.systems import evidence_of

mpmath = lazy("mpmath")

# chi_1 of numbers in double precision, or of more digits, is one up to this
_ROUNDING = 1e-12


def phase_report(
    source: Any,
    *,
    sigma_w: Any = 1,
    sigma_b: Any = 0,
    digits: int | None = None,
    block: str | None = None,
    **values: Any,
) -> PhaseReport:
    """The phase of a block at given weights, with all lengths and correlations that it keeps.

    Args:
        source: a program, or an activation: its name, a text such as ``z*Phi(z)``, a record.
        sigma_w, sigma_b: standard deviations of weights (times the root of the fan-in) and biases; numbers, or texts
            such as ``sqrt(2)``.
        digits: significant digits, in mpmath; None computes in double precision, to about twelve.
        block: which repeat of the program, if there are several.
        values: numbers for other hyperparameters and dimensions (``L=100``).

    Raises PhaseError for a block that has no map of lengths, and for missing numbers.

    Example:
        >>> import ntksym as ns
        >>> report = ns.phase_report("tanh", sigma_w=1.5, sigma_b=0.1)
        >>> print(f"{report.phase}: q* = {report.q_star:.4f}, c* = {report.c_star:.4f}, xi_c = {report.xi_c:.1f}")
        chaotic: q* = 0.8133, c* = 0.1801, xi_c = 14.8
    """
    found = block_of(source, block, {WEIGHT: sigma_w, BIAS: sigma_b, **values})
    maps, numbers = found.maps, found.numbers
    points = fixed_points(maps, numbers, digits)
    at = approached(maps, numbers, points, found.start)
    if at is None:
        low, high = LENGTHS
        raise PhaseError(f"{found.title}: no length is kept between {low:g} and {high:g}, nor 0 or infinity")
    correlations = correlation_points(maps, numbers, at.q, digits)
    named = tuple((s.name, decimal(x, digits)) for s, x in found.given)
    known = evidence_of(maps.q_map, maps.chi_1)
    return PhaseReport(found.title, named, _phase(at.chi_1, digits), at, points, correlations, known, digits)


def _phase(chi: Any, digits: int | None) -> str:
    tolerance = _ROUNDING if digits is None else mpmath.mpf(10) ** -(digits - 2)
    if abs(chi - 1) <= tolerance:
        return "critical"
    return "ordered" if chi < 1 else "chaotic"
