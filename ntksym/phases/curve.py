"""The whole edge of chaos, with the length that is kept as its parameter: sigma_w^2(q) and sigma_b^2(q)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ntksym._lazy import lazy
from ntksym.errors import PhaseError
from ntksym.phases.blocks import BIAS, WEIGHT, block_of
from ntksym.phases.criticality import Criticality, criticality
from ntksym.phases.edge import point_at
from ntksym.phases.fixed_points import grid, roots_in
from ntksym.phases.numbers import text
from ntksym.phases.record import EdgePoint
from ntksym.phases.systems import System, evidence_of, floats, precise
from ntksym.records.tables import Shown

sympy = lazy("sympy")
mpmath = lazy("mpmath")


@dataclass(frozen=True)
class EdgeCurve(Shown):
    """The edge of chaos for all sigma_b: arrays over rising lengths q, those at which both variances are positive.

    ``weight`` and ``bias`` are sigma_w^2 and sigma_b^2 as expressions in the symbol q, where all expectations have
    closed forms. A length on the curve is stable where |chi_parallel| <= 1; that changes at the points ``half_stable``.
    """

    title: str
    q: Any
    sigma_w: Any
    sigma_b: Any
    chi_parallel: Any
    weight: Any
    bias: Any
    half_stable: tuple[EdgePoint, ...]
    digits: int | None

    def to_json(self) -> dict[str, Any]:
        """A plain JSON object: arrays as numbers, expressions and half-stable points as texts."""
        return {
            "schema": "ntksym.edge_curve/1",
            "title": self.title,
            **{name: getattr(self, name).tolist() for name in ("q", "sigma_w", "sigma_b", "chi_parallel")},
            "weight": None if self.weight is None else str(self.weight),
            "bias": None if self.bias is None else str(self.bias),
            "half_stable": [point.to_json(self.digits) for point in self.half_stable],
        }

    def to_text(self) -> str:
        """The expressions, if there are any, and the half-stable points."""
        lines = [f"{self.title}: edge of chaos"]
        if self.weight is not None:
            lines += [f"  sigma_w^2 = {self.weight}", f"  sigma_b^2 = {self.bias}"]
        names = ("sigma_b", "sigma_w", "q_star")
        for point in self.half_stable:
            numbers = ", ".join(f"{name} = {text(getattr(point, name), self.digits)}" for name in names)
            lines.append(f"  half-stable at {numbers}")
        return "\n".join(lines)


def edge_curve(source: Any, *, digits: int | None = None, block: str | None = None, **values: Any) -> EdgeCurve:
    """The edge of chaos of a block for all sigma_b.

    From chi_1 = 1 and q = Q(q); for a perceptron sigma_w^2 = 1/<phi'^2> and sigma_b^2 = q - sigma_w^2 <phi^2>, means
    over N(0, q). Arguments are those of ``edge_of_chaos``; ``digits`` are those of the half-stable points. Raises
    PhaseError for a block in which both equations are not linear in sigma_w^2 and sigma_b^2.

    Example:
        >>> import ntksym as ns
        >>> print(ns.edge_curve("erf"))
        erf: edge of chaos
          sigma_w^2 = pi*sqrt(4*q + 1)/4
          sigma_b^2 = q - sqrt(4*q + 1)*asin(2*q/(2*q + 1))/2
    """
    found = block_of(source, block, values, free=(WEIGHT, BIAS))
    critical = criticality(found)
    if critical.bias is None:
        raise PhaseError(f"{found.title}: the block {found.maps.name} has no sigma_b that lengths are linear in")
    q = grid()
    systems = [critical.weight, critical.bias, critical.parallel]
    weight, bias, parallel = floats(systems, critical.values(0, q))
    on = (weight > 0) & (bias >= 0)
    closed = (None, None)
    if evidence_of(critical.bias).kind == "exact":
        closed = tuple(_closed(system, critical) for system in systems[:2])
    half_stable = tuple(_half_stable(critical, critical.bias, digits))
    roots = np.sqrt(weight[on]), np.sqrt(bias[on])
    return EdgeCurve(found.title, q[on], *roots, parallel[on], *closed, half_stable, digits)


def _closed(system: System, critical: Criticality) -> Any:
    return sympy.simplify(system.closed.subs(critical.block.numbers).subs(critical.q, sympy.Symbol("q", positive=True)))


def _half_stable(critical: Criticality, bias: System, digits: int | None) -> Iterator[EdgePoint]:
    """Where chi_parallel = chi_1 = 1 at a length that is not zero: there the stability of the edge changes."""
    marginal = System(critical.parallel.definitions, critical.parallel.output - 1)
    values = critical.values(0, None)
    for q in roots_in(marginal, critical.q, values, digits):
        at = {**values, critical.q: q}
        if digits is None:
            sigma = np.sqrt(floats([bias], at)[0])
        else:
            with mpmath.workdps(digits + 10):
                sigma = mpmath.sqrt(precise([bias], at, digits + 8)[0])
        if mpmath.isfinite(sigma) and mpmath.im(sigma) == 0:
            yield point_at(critical, sigma, q, digits)
