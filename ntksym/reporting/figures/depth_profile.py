"""Correlations against depth: lines of theory, and points of finite networks."""

from __future__ import annotations

from itertools import cycle
from typing import Any

from ntksym._lazy import lazy
from ntksym.phases.profile import DepthProfile
from ntksym.records.escapes import one_line
from ntksym.reporting.figures._base import figure

np = lazy("numpy")
figures = lazy("matplotlib.figure")

LINES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)))
MARKERS = "osD^v"


@figure.register
def depth_profile_figure(record: DepthProfile) -> Any:
    """Left correlations, right lengths; bars are two standard errors."""
    report = record.report
    page = figures.Figure(figsize=(10.5, 4.6), layout="constrained")
    correlations, lengths = page.subplots(1, 2, width_ratios=(2, 1))
    copies = np.arange(len(record.q))
    for number, (cosine, c, style) in enumerate(zip(record.cosines, record.c, cycle(LINES), strict=False)):
        label = f"inputs with cosine {cosine:g}"
        correlations.plot(copies, c, color="black", linestyle=style, linewidth=1.2, label=label)
        if record.measured is not None:
            _points(correlations, copies[1:], record.measured.c[number], record.measured.error[number], number)
    if report.c_star is not None:
        correlations.axhline(float(report.c_star), color="0.75", linewidth=4, zorder=0, label="$c^*$")
    correlations.set(xlabel="copies of the block", ylabel="correlation $c$")
    lengths.plot(copies, record.q, color="black", linewidth=1.2)
    if report.q_star is not None and 0 < report.q_star < np.inf:
        lengths.axhline(float(report.q_star), color="0.75", linewidth=4, zorder=0)
    lengths.set(xlabel="copies of the block", ylabel="length $q$", ylim=(0, 1.1 * float(record.q.max())))
    for axes in page.axes:
        axes.locator_params(axis="x", integer=True)
    page.legend(loc="outside lower center", ncols=3, frameon=False, fontsize=8)
    at = ", ".join(f"{name} = {float(value):.4g}" for name, value in report.values)
    page.suptitle(one_line(f"{report.title} at {at}: {report.phase}{_networks(record)}"))
    return page


def _points(axes: Any, copies: Any, c: Any, error: Any, number: int) -> None:
    axes.errorbar(
        copies,
        c,
        2 * error,
        linestyle="none",
        color="black",
        marker=MARKERS[number % len(MARKERS)],
        markerfacecolor="white",
        markersize=4,
        linewidth=0.8,
    )


def _networks(record: DepthProfile) -> str:
    found = record.measured
    if found is None:
        return ""
    sizes = ", ".join(f"{name} = {size}" for name, size in found.sizes.items())
    return f"; points: {found.samples} networks, {sizes}"
