"""The records of order and chaos as one line of text, and as tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ntksym.phases.numbers import SHORT, text
from ntksym.records.tables import Cell, Table

if TYPE_CHECKING:
    from ntksym.phases.record import EdgeOfChaos, EdgePoint, PhaseReport

HEADS = {
    "sigma_w": r"\sigma_w",
    "sigma_b": r"\sigma_b",
    "q_star": "q^*",
    "chi_1": r"\chi_1",
    "chi_parallel": r"\chi_\parallel",
    "xi_q": r"\xi_q",
    "q": "q^*",
    "c": "c^*",
    "xi_c": r"\xi_c",
    "slope": "c'",
}


def edge_text(edge: EdgeOfChaos) -> str:
    """One line for each point of the edge, or for the reason why there is none."""
    if not edge.points:
        low, high = edge.proved or edge.searched
        how = f" ({'proved' if edge.proved else 'looked at'} for q from {low:g} to {high:g})"
        return f"{edge.title}: no edge of chaos at sigma_b = {text(edge.sigma_b, edge.digits)}: {edge.absence}{how}"
    return "\n".join(f"{edge.title}: {_point_text(point, edge.digits)}" for point in edge.points)


def _point_text(point: EdgePoint, digits: int | None) -> str:
    length = "every length is kept" if point.q_star is None else f"q* = {text(point.q_star, digits)}"
    slopes = f"chi_1 = 1, chi_parallel = {text(point.chi_parallel, 6)}"
    left = " and ".join(f"{text(x, SHORT)}" for x in point.residuals)
    exactly = "" if point.exact is None or point.exact.is_Integer else f" = {point.exact}"
    return (
        f"sigma_w{exactly} = {text(point.sigma_w, digits)} at sigma_b = {text(point.sigma_b, digits)} "
        f"({length}, {point.stability}; {slopes}; residuals of q* and chi_1: {left})"
    )


def edge_table(edge: EdgeOfChaos) -> Table:
    """A row for every point."""
    names = ("sigma_w", "sigma_b", "q_star", "chi_1", "chi_parallel", "xi_q")
    rows = (
        (
            *(_cell(getattr(point, name), edge.digits) for name in names),
            Cell(point.stability),
            Cell(" ".join(str(text(x, SHORT)) for x in point.residuals)),
        )
        for point in edge.points
    )
    heads = (*map(_head, names), Cell("stability"), Cell("residuals"))
    note = edge.absence or f"evidence: {edge.points[0].evidence}"
    return Table(f"{edge.title}: edge of chaos", heads, tuple(rows), (note,))


def report_text(report: PhaseReport) -> str:
    """The phase in one line, then every length that is kept."""
    at = ", ".join(f"{name} = {text(value, report.digits)}" for name, value in report.values)
    names = ("q_star", "c_star", "chi_1", "chi_parallel", "xi_q", "xi_c")
    numbers = ", ".join(f"{name} = {_shown(getattr(report, name), report.digits)}" for name in names)
    lines = [f"{report.title} at {at}: {report.phase}", f"  {numbers}"]
    for point in report.fixed_points:
        where = "every length" if point.q is None else f"length {text(point.q, report.digits)}"
        slopes = f"chi_1 = {text(point.chi_1, report.digits)}, chi_parallel = {text(point.chi_parallel, report.digits)}"
        lines.append(f"  {where}: {point.stability}, {slopes}")
    lines += [f"  {note}" for note in report.notes]
    return "\n".join(lines)


def report_table(report: PhaseReport) -> Table:
    """A row for every length that is kept."""
    names = ("q", "chi_1", "chi_parallel", "xi_q")
    rows = (
        (*(_cell(getattr(point, name), report.digits) for name in names), Cell(point.stability))
        for point in report.fixed_points
    )
    at = ", ".join(f"{name} = {text(value, report.digits)}" for name, value in report.values)
    chosen = ", ".join(f"{n} = {_shown(getattr(report, n), report.digits)}" for n in ("q_star", "c_star", "xi_c"))
    title = f"{report.title} at {at}: {report.phase}"
    notes = (chosen, *report.notes, f"evidence: {report.evidence}")
    return Table(title, (*map(_head, names), Cell("stability")), tuple(rows), notes)


def _shown(value: Any, digits: int | None) -> str:
    return "any" if value is None else str(text(value, digits))


def _head(name: str) -> Cell:
    return Cell(name, HEADS[name])


def _cell(value: Any, digits: int | None) -> Cell:
    return Cell(_shown(value, digits))
