"""Errors of kernel regression against the number of inputs: lines of theory, points of drawn training sets."""

from __future__ import annotations

from itertools import cycle
from typing import Any

from ntksym._lazy import lazy
from ntksym.dynamics.learning_curves import LearningCurve
from ntksym.records.escapes import one_line
from ntksym.reporting.figures._base import figure

figures = lazy("matplotlib.figure")

STYLES = (("-", "o"), ("--", "s"), ("-.", "^"), (":", "D"), ((0, (5, 1, 1, 1, 1, 1)), "v"))


@figure.register
def learning_curve_figure(record: LearningCurve) -> Any:
    """A line for every degree that the target has; bars are two standard errors."""
    page = figures.Figure(figsize=(6.4, 4.4), layout="constrained")
    axes = page.subplots()
    shown = [k for k, power in enumerate(record.powers) if power > 0]
    for k, (line, marker) in zip(shown, cycle(STYLES), strict=False):
        axes.plot(record.counts, record.errors[:, k], color="black", ls=line, lw=1.2, label=f"degree {k}")
        if record.sampled is not None and record.sampled_errors is not None:
            axes.errorbar(
                record.counts,
                record.sampled[:, k],
                2 * record.sampled_errors[:, k],
                fmt=marker,
                color="black",
                markerfacecolor="white",
                markersize=5,
                lw=0.8,
                capsize=2,
            )
    axes.set(xscale="log", yscale="log", xlabel="training inputs", ylabel="mean squared error")
    axes.legend(frameon=False, fontsize=8)
    points = f"; points: {record.samples} training sets" if record.samples else ""
    axes.set_title(one_line(f"{record.title}{points}"), fontsize=9)
    return page
