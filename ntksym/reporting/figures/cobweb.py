"""Cobwebs: the maps of lengths and correlations, and the staircases between them and the diagonal."""

from __future__ import annotations

from typing import Any

from ntksym._lazy import lazy
from ntksym.phases.cobweb import Cobweb
from ntksym.records.escapes import one_line
from ntksym.reporting.figures._base import figure

np = lazy("numpy")
figures = lazy("matplotlib.figure")

STAIRS = (("-", "0.0"), ("--", "0.45"))


@figure.register
def cobweb_figure(record: Cobweb) -> Any:
    """Left the lengths, right the correlations of two inputs; circles stand at what is kept."""
    report = record.report
    page = figures.Figure(figsize=(10, 5), layout="constrained")
    lengths, correlations = page.subplots(1, 2)
    kept = [float(point.q) for point in report.fixed_points if point.q is not None]
    _web(lengths, record.q, record.q_after, record.q_orbits, [q for q in kept if q <= record.q[-1]])
    lengths.set(xlabel="$q$", ylabel="$q$ after one copy", xlim=(0, record.q[-1]))
    lengths.set_ylim(0, 1.05 * float(min(record.q_after.max(), 2 * record.q[-1])))
    lengths.set_title(f"lengths: $q^* = {_number(report.q_star)}$, $\\chi_\\parallel = {_number(report.chi_parallel)}$")
    kept = [float(point.c) for point in report.correlations or ()]
    _web(correlations, record.c, record.c_after, record.c_orbits, kept)
    correlations.set(xlabel="$c$", ylabel="$c$ after one copy", xlim=(-1, 1), ylim=(-1, 1), aspect="equal")
    correlations.set_title(f"correlations: $c^* = {_number(report.c_star)}$, $\\chi_1 = {_number(report.chi_1)}$")
    for axes in page.axes:
        axes.legend(frameon=False, fontsize=8, loc="upper left")
    at = ", ".join(f"{name} = {float(value):.4g}" for name, value in report.values)
    page.suptitle(one_line(f"{report.title} at {at}: {report.phase}"))
    return page


def _web(axes: Any, x: Any, after: Any, orbits: tuple[Any, ...], kept: list[float]) -> None:
    axes.plot(x, after, color="black", linewidth=2, label="map")
    axes.plot(x, x, color="0.6", linewidth=1, linestyle=":", label="nothing changes")
    for orbit, (style, shade) in zip(orbits, STAIRS, strict=True):
        stairs = np.repeat(orbit, 2)
        axes.plot(stairs[:-1], stairs[1:], color=shade, linestyle=style, linewidth=0.9, label=f"from {orbit[0]:.3g}")
    if kept:
        axes.plot(kept, kept, "o", color="black", markerfacecolor="white", markersize=7, label="kept", clip_on=False)


def _number(value: Any) -> str:
    return r"\mathrm{any}" if value is None else f"{float(value):.4g}".replace("inf", r"\infty")
