"""The figure of a drift: sizes against width with the predicted slopes, and the kernel on its way."""

from __future__ import annotations

from itertools import cycle
from typing import Any

from ntksym._lazy import lazy
from ntksym.reporting.figures._base import figure
from ntksym.validation.drift_record import KERNEL, Drift, Quantity

matplotlib_figure = lazy("matplotlib.figure")

MARKERS = "osD^vP*X<>hp"
LINES = ("-", "--", ":", "-.")


@figure.register
def drift_figure(record: Drift) -> Any:
    """Left: drift at the end against width, dotted lines with the predicted slopes. Right: the kernel, step by step."""
    page = matplotlib_figure.Figure(figsize=(12, 4.6), layout="constrained")
    ends, course = page.subplots(1, 2)
    a = record.alphas.index(1.0) if 1.0 in record.alphas else 0
    for marker, grey, quantity in zip(cycle(MARKERS), cycle(("0.0", "0.4", "0.65")), record.quantities, strict=False):
        _end(ends, record, quantity, a, marker, grey)
    ends.set(xscale="log", yscale="log", xlabel=record.dim, ylabel="relative change at the end")
    ends.set_xticks(record.widths, map(str, record.widths))
    ends.minorticks_off()
    ends.set_title(f"{record.program}, {record.parametrization}, alpha = {record.alphas[a]:g}; dotted: predicted")
    ends.legend(fontsize="small", frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    _courses(course, record)
    return page


def _end(axes: Any, record: Drift, quantity: Quantity, a: int, marker: str, grey: str) -> None:
    ends = [curve[-1] for curve in quantity.drifts[a]]
    bars = [2 * end * error[-1] for end, error in zip(ends, quantity.errors[a], strict=True)]
    axes.errorbar(record.widths, ends, bars, color=grey, marker=marker, ms=5, lw=1, capsize=2, label=quantity.name)
    if quantity.predicted is not None:
        power = float(quantity.predicted)
        line = [ends[-1] * (width / record.widths[-1]) ** power for width in record.widths]
        axes.plot(record.widths, line, color=grey, lw=1, ls=":")


def _courses(axes: Any, record: Drift) -> None:
    """A line for every output scale and width: the darker the wider."""
    kernel = record[KERNEL]
    steps = range(1, record.steps + 1)
    for style, alpha, curves in zip(cycle(LINES), record.alphas, kernel.drifts, strict=False):
        for i, (width, curve) in enumerate(zip(record.widths, curves, strict=True)):
            grey = str(0.75 * (1 - (i + 1) / len(record.widths)))
            scale = f", alpha = {alpha:g}" if len(record.alphas) > 1 else ""
            label = f"{record.dim} = {width}{scale}" if i in (0, len(record.widths) - 1) else None
            axes.plot(steps, curve, color=grey, ls=style, lw=1.3, label=label)
    axes.set(yscale="log", xlabel="step", ylabel="relative change of the tangent kernel")
    axes.locator_params(axis="x", integer=True)
    axes.legend(fontsize="small", frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
