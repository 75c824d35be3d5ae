"""The usual picture of a coordinate check: the size of every change against the width, one panel for each step."""

from __future__ import annotations

from itertools import cycle
from typing import Any

from ntksym._lazy import lazy
from ntksym.reporting.figures._base import figure
from ntksym.validation.coordinates_record import CoordCheck, Coordinate

np = lazy("numpy")

figures, lines = lazy("matplotlib.figure"), lazy("matplotlib.lines")

MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "*")
STYLES = ("-", "--", ":", "-.")


@figure.register
def coordinates(check: CoordCheck) -> Any:
    """Measured sizes on lines of the predicted slope (thick, grey); a slope that is violated is filled."""
    values = list(dict.fromkeys(row.value for row in check.rows))
    looks = dict(zip(values, zip(cycle(MARKERS), _styles(len(values)), strict=False), strict=False))
    picture = figures.Figure(figsize=(3.1 * (check.steps + 1) + 2.4, 4.2), layout="constrained")
    panels = picture.subplots(1, check.steps + 1, sharey=True)
    for step, panel in enumerate(panels):
        for row in check.rows:
            if row.step == step:
                _drawn(panel, check.widths, row, *looks[row.value])
        panel.set_xscale("log", base=2)
        panel.set_yscale("log", base=2)
        panel.set_xticks(check.widths, [str(width) for width in check.widths])
        panel.minorticks_off()
        panel.set_xlabel(check.dim)
        panel.set_title(f"change after step {step}" if step else "at the start", fontsize=10)
    panels[0].set_ylabel("root mean square")
    names = {row.value: f"{row.value} {row.operation}" for row in check.rows}
    handles = [_key(names[value], *looks[value]) for value in values]
    columns = 1 + len(values) // 24
    picture.legend(handles=handles, loc="outside right center", fontsize=7, frameon=False, ncols=columns)
    picture.suptitle(
        f"{check.program}: {check.parametrization}, {check.optimizer}. Grey: predicted slopes", fontsize=11
    )
    return picture


def _styles(count: int) -> list[str]:
    """One style of line for as many values as there are markers, then the next."""
    return [STYLES[i // len(MARKERS) % len(STYLES)] for i in range(count)]


def _drawn(panel: Any, widths: tuple[int, ...], row: Coordinate, marker: str, style: str) -> None:
    known = [(x, y, e) for x, y, e in zip(widths, row.logs, row.errors, strict=True) if y is not None]
    if not known:
        return
    x, y, error = (np.array(column, float) for column in zip(*known, strict=True))
    if row.predicted is not None:
        line = y.mean() + float(row.predicted) * (np.log2(x) - np.log2(x).mean())
        panel.plot(x, 2**line, color="0.85", linewidth=5, solid_capstyle="round", zorder=1)
    inside = "black" if row.verdict == "violated" else "white"
    spread = (2**y - 2 ** (y - error), 2 ** (y + error) - 2**y)
    panel.errorbar(
        x,
        2**y,
        spread,
        color="black",
        marker=marker,
        linestyle=style,
        markerfacecolor=inside,
        markersize=5,
        linewidth=1,
    )


def _key(name: str, marker: str, style: str) -> Any:
    return lines.Line2D([], [], color="black", marker=marker, linestyle=style, markerfacecolor="white", label=name)
