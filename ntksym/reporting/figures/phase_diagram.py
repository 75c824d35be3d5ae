"""The phase diagram: ordered and chaotic regions over the weights, the edge between them, and lines of equal depth."""

from __future__ import annotations

from typing import Any

from ntksym._lazy import lazy
from ntksym.phases.diagram import PhaseDiagram
from ntksym.records.escapes import one_line
from ntksym.reporting.figures._base import figure

np = lazy("numpy")
figures, patches = lazy("matplotlib.figure"), lazy("matplotlib.patches")
lines = lazy("matplotlib.lines")

DEPTHS = {1: "-", 2: "--", 5: "-.", 10: (0, (5, 1, 1, 1, 1, 1)), 30: ":"}
"""Depth scales that lines are drawn for, and their styles; those of which there is room for labels are the first."""
LABELLED = 4
CHAOTIC, BOUNDARY, EDGE = "0.86", 1.6, 3.2
# the smallest part of the plane that has room for its name
_NAMED = 0.02
_ROUNDING = 1e-9


@figure.register
def phase_diagram_figure(record: PhaseDiagram) -> Any:
    """Left with depth scales of correlations, right of lengths. Chaos is grey; hatched where no length is kept."""
    page = figures.Figure(figsize=(10.5, 5), layout="constrained")
    scales = {r"\xi_c": ("correlations", record.xi_c), r"\xi_q": ("lengths", record.xi_q)}
    for axes, (symbol, (what, scale)) in zip(page.subplots(1, 2, sharey=True), scales.items(), strict=True):
        _phases(axes, record)
        _depths(axes, record, scale)
        _edge(axes, record)
        axes.set_title(f"depth scale ${symbol}$ of {what}", fontsize=10)
        axes.set_xlabel(r"$\sigma_w$")
        axes.set_xlim(record.sigma_w[0], record.sigma_w[-1])
        axes.set_ylim(record.sigma_b[0], record.sigma_b[-1])
    page.axes[0].set_ylabel(r"$\sigma_b$")
    page.legend(handles=_key(record), loc="outside lower center", ncols=5, frameon=False, fontsize=8)
    page.suptitle(one_line(f"{record.title}: order and chaos"))
    return page


def _phases(axes: Any, record: PhaseDiagram) -> None:
    w, b = record.sigma_w, record.sigma_b
    axes.contourf(w, b, record.phase, levels=[0, 2], colors=[CHAOTIC])
    for region, hatch, _ in _unkept(record):
        axes.contourf(w, b, region.astype(float), levels=[0.5, 1.5], colors="none", hatches=[hatch])
    axes.contour(w, b, record.chi_1, levels=[1], colors="black", linewidths=BOUNDARY)
    for name, sign, shade in (("ordered", -1, "white"), ("chaotic", 1, CHAOTIC)):
        region = record.phase == sign
        if region.mean() > _NAMED:
            box = {"facecolor": shade, "edgecolor": "none", "pad": 3}
            x, y = _middle(w, b, region)
            axes.text(x, y, name, ha="center", va="center", fontsize=12, style="italic", bbox=box, zorder=5)


def _unkept(record: PhaseDiagram) -> list[tuple[Any, str, str]]:
    """Where lengths go to zero, and where to infinity, each with its hatch; the line sigma_b = 0 alone has no room."""
    found = ((record.q_star == 0, "....", "zero"), (np.isinf(record.q_star), "////", "infinity"))
    return [(region, hatch, where) for region, hatch, where in found if region[1:].any()]


def _middle(w: Any, b: Any, region: Any) -> tuple[float, float]:
    """A point inside of a region: in the middle of the row in its middle."""
    row = int(np.median(np.nonzero(region.any(axis=1))[0]))
    columns = np.nonzero(region[row])[0]
    return float(w[columns].mean()), float(b[row])


def _depths(axes: Any, record: PhaseDiagram, scale: Any) -> None:
    """Lines of equal depth: of its inverse, which is zero where the depth is infinite, so nothing is steep there."""
    with np.errstate(divide="ignore"):
        rate = np.ma.masked_invalid(np.minimum(1 / scale, 10))
    for number, (depth, style) in enumerate(DEPTHS.items()):
        drawn = axes.contour(
            record.sigma_w, record.sigma_b, rate, levels=[1 / depth], colors="black", linewidths=0.8, linestyles=[style]
        )
        if number < LABELLED:
            axes.clabel(drawn, fmt=lambda _, depth=depth: str(depth), fontsize=7)


def _edge(axes: Any, record: PhaseDiagram) -> None:
    """The edge where its lengths are stable and where they are not, and the points at which that changes."""
    curve = record.edge
    if curve is None or not len(curve.q):
        return
    stable = np.abs(curve.chi_parallel) <= 1 + _ROUNDING
    for part, style in ((stable, "-"), (~stable, ":")):
        w, b = (np.where(part, x, np.nan) for x in (curve.sigma_w, curve.sigma_b))
        axes.plot(w, b, color="black", linewidth=EDGE, linestyle=style)
    ends = [(float(point.sigma_w), float(point.sigma_b)) for point in curve.half_stable]
    if np.ptp(curve.sigma_w) + np.ptp(curve.sigma_b) < _ROUNDING:
        ends.append((curve.sigma_w[0], curve.sigma_b[0]))
    for x, y in ends:
        axes.plot(x, y, "o", color="black", markerfacecolor="white", markersize=8, markeredgewidth=2, clip_on=False)


def _key(record: PhaseDiagram) -> list[Any]:
    """What lines and shades mean."""

    def line(style: Any, width: float, label: str) -> Any:
        return lines.Line2D([], [], color="black", linewidth=width, linestyle=style, label=label)

    found = [
        patches.Patch(facecolor="white", edgecolor="black", label=r"ordered, $\chi_1 < 1$"),
        patches.Patch(facecolor=CHAOTIC, edgecolor="black", label=r"chaotic, $\chi_1 > 1$"),
    ]
    for _, hatch, where in _unkept(record):
        found.append(patches.Patch(facecolor="none", hatch=hatch, label=f"lengths go to {where}"))
    found.append(line("-", BOUNDARY, "between the phases"))
    if record.edge is not None and len(record.edge.q):
        found.append(line("-", EDGE, r"edge of chaos, $\chi_1 = 1$"))
        if (np.abs(record.edge.chi_parallel) > 1 + _ROUNDING).any():
            found.append(line(":", EDGE, "edge, unstable lengths"))
    found += [line(style, 0.8, f"depth scale {depth}") for depth, style in DEPTHS.items()]
    return found
