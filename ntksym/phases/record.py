"""What the analyses of order and chaos answer with: records of plain numbers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from ntksym.phases.numbers import SHORT, depth_scale, text
from ntksym.phases.rendering import edge_table, edge_text, report_table, report_text
from ntksym.records.evidence import Evidence
from ntksym.records.tables import Table, Tabular


@dataclass(frozen=True)
class FixedPoint:
    """A length that a block keeps; ``q`` is None where it keeps every length.

    ``chi_1`` is how squared small differences between inputs grow there, ``chi_parallel`` how a change of length does
    (at infinity: how lengths themselves grow). ``stability`` is stable, unstable, half-stable or marginal.
    """

    q: Any
    chi_1: Any
    chi_parallel: Any
    stability: str = "unknown"

    @property
    def xi_q(self) -> Any:
        """Over how many copies a difference from q falls by a factor e."""
        return depth_scale(self.chi_parallel)

    def to_json(self, digits: int | None) -> dict[str, Any]:
        """Numbers as decimal texts."""
        names = ("q", "chi_1", "chi_parallel", "xi_q")
        return {**{name: text(getattr(self, name), digits) for name in names}, "stability": self.stability}

    def as_floats(self) -> FixedPoint:
        """The same in double precision."""
        q = None if self.q is None else float(self.q)
        return replace(self, q=q, chi_1=float(self.chi_1), chi_parallel=float(self.chi_parallel))


@dataclass(frozen=True)
class CorrelationPoint:
    """A correlation that a block keeps, and the slope of its map there."""

    c: Any
    slope: Any

    @property
    def is_stable(self) -> bool:
        return bool(abs(self.slope) <= 1 + 1e-12)

    @property
    def xi_c(self) -> Any:
        """Over how many copies a difference from c falls by a factor e."""
        return depth_scale(self.slope)

    def to_json(self, digits: int | None) -> dict[str, Any]:
        """Numbers as decimal texts."""
        return {name: text(getattr(self, name), digits) for name in ("c", "slope", "xi_c")}


@dataclass(frozen=True)
class PhaseReport(Tabular):
    """What many copies of a block do to inputs, at given weights.

    ``at`` is the length that inputs of norm sqrt(d) go to, one of ``fixed_points``; ``correlations`` are those that are
    kept there, None where all are. ``phase`` is ordered, critical or chaotic.
    """

    title: str
    values: tuple[tuple[str, Any], ...]
    phase: str
    at: FixedPoint
    fixed_points: tuple[FixedPoint, ...]
    correlations: tuple[CorrelationPoint, ...] | None
    evidence: Evidence
    digits: int | None

    @property
    def q_star(self) -> Any:
        return self.at.q

    @property
    def chi_1(self) -> Any:
        return self.at.chi_1

    @property
    def chi_perp(self) -> Any:
        """How squared differences grow between inputs of equal length: chi_1."""
        return self.at.chi_1

    @property
    def chi_parallel(self) -> Any:
        return self.at.chi_parallel

    @property
    def xi_q(self) -> Any:
        return self.at.xi_q

    @property
    def correlation(self) -> CorrelationPoint | None:
        """The stable correlation nearest to one."""
        stable = [point for point in self.correlations or () if point.is_stable]
        return max(stable, key=lambda point: point.c, default=None)

    @property
    def c_star(self) -> Any:
        return None if self.correlation is None else self.correlation.c

    @property
    def xi_c(self) -> Any:
        return None if self.correlation is None else self.correlation.xi_c

    @property
    def notes(self) -> tuple[str, ...]:
        """What the numbers do not say: where any length or any correlation is kept."""
        found = ["every length is kept"] if self.at.q is None else []
        found += ["every correlation is kept"] if self.correlations is None else []
        unknown = self.correlations is not None and self.correlation is None
        return (*found, *(["no stable correlation was found"] if unknown else []))

    def to_text(self) -> str:
        """The phase and its numbers, then every length that is kept."""
        return report_text(self)

    def to_table(self) -> Table:
        """A row for every length that is kept."""
        return report_table(self)

    def to_json(self) -> dict[str, Any]:
        """A plain JSON object; numbers are decimal texts, null where there is no single one."""
        names = ("q_star", "c_star", "chi_1", "chi_parallel", "chi_perp", "xi_q", "xi_c")
        return {
            "schema": "ntksym.phase_report/1",
            "title": self.title,
            "values": {name: text(value, self.digits) for name, value in self.values},
            "phase": self.phase,
            **{name: text(getattr(self, name), self.digits) for name in names},
            "fixed_points": [point.to_json(self.digits) for point in self.fixed_points],
            "correlations": None if self.correlations is None else [c.to_json(self.digits) for c in self.correlations],
            "evidence": str(self.evidence),
        }


@dataclass(frozen=True)
class EdgePoint:
    """One point of the edge: the weights, the length that is kept, and how far both equations are from being met.

    ``q_star`` is None where every length is kept. ``residuals`` are Q(q*) - q* and chi_1 - 1 at these numbers.
    ``exact`` is sigma_w as an expression, where it is known to be one.
    """

    sigma_w: Any
    sigma_b: Any
    q_star: Any
    chi_1: Any
    chi_parallel: Any
    stability: str
    residuals: tuple[Any, Any]
    evidence: Evidence
    exact: Any = None

    @property
    def xi_q(self) -> Any:
        """Over how many copies a difference from q* falls by a factor e; infinite where it falls by a power."""
        return depth_scale(self.chi_parallel)

    def to_json(self, digits: int | None) -> dict[str, Any]:
        """Numbers as decimal texts."""
        names = ("sigma_w", "sigma_b", "q_star", "chi_1", "chi_parallel", "xi_q")
        return {
            **{name: text(getattr(self, name), digits) for name in names},
            "stability": self.stability,
            "residuals": [text(x, SHORT) for x in self.residuals],
            "evidence": str(self.evidence),
        }


@dataclass(frozen=True)
class EdgeOfChaos(Tabular):
    """All weights at which a block is critical at some length, for one sigma_b; stable ones first.

    Where there are none ``absence`` says why; many lengths between the two ``searched`` were looked at, and for all
    between the two ``proved``, if any, it is proved by enclosures.
    """

    title: str
    sigma_b: Any
    points: tuple[EdgePoint, ...]
    absence: str
    proved: tuple[float, float] | None
    searched: tuple[float, float]
    digits: int | None

    @property
    def point(self) -> EdgePoint | None:
        """The first point, a stable one if there is any."""
        return self.points[0] if self.points else None

    def to_text(self) -> str:
        """A line for every point of the edge, or for the reason why there is none."""
        return edge_text(self)

    def to_table(self) -> Table:
        """A row for every point of the edge."""
        return edge_table(self)

    def to_json(self) -> dict[str, Any]:
        """A plain JSON object: the first point's numbers, then all points, or why there is none."""
        points = [point.to_json(self.digits) for point in self.points]
        return {
            "schema": "ntksym.edge_of_chaos/1",
            "title": self.title,
            **(points[0] if points else {"sigma_b": text(self.sigma_b, self.digits)}),
            "points": points,
            "absence": self.absence,
            "proved": None if self.proved is None else [text(x, None) for x in self.proved],
            "searched": [text(x, None) for x in self.searched],
        }
