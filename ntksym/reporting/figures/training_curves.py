"""Trained networks over the theory of infinitely wide ones: losses, outputs, and departures against width."""

from __future__ import annotations

from typing import Any

from ntksym._lazy import lazy
from ntksym.records.escapes import one_line
from ntksym.reporting.figures._base import figure
from ntksym.validation.training_curves import TrainingCurves

np = lazy("numpy")
figures = lazy("matplotlib.figure")


@figure.register
def training_curves_figure(record: TrainingCurves) -> Any:
    """Left: training losses. Middle: outputs of the widest networks in the predicted bands. Right: departures."""
    page = figures.Figure(figsize=(13, 4.2), layout="constrained")
    losses, outputs, departures = page.subplots(1, 3)
    _losses(losses, record)
    _outputs(outputs, record)
    largest = record.largest
    error = 2 * largest.std(1, ddof=1) / np.sqrt(largest.shape[1])
    departures.errorbar(record.widths, largest.mean(1), error, fmt="o", color="black", capsize=2, label="networks")
    widths = np.array(record.widths, dtype=float)
    line = largest[-1].mean() * (widths / widths[-1]) ** -0.5
    departures.plot(widths, line, color="0.5", ls="--", lw=1, label=f"{record.dim}$^{{-1/2}}$")
    departures.set(xscale="log", yscale="log", xlabel=record.dim, ylabel="departure from the linear prediction")
    departures.set_xticks(record.widths, map(str, record.widths))
    departures.minorticks_off()
    departures.legend(frameon=False, fontsize=8)
    page.suptitle(one_line(f"{record.title}, {largest.shape[1]} networks of each width"), fontsize=11)
    return page


def _losses(axes: Any, record: TrainingCurves) -> None:
    """Networks in grey, the darker the wider, and the predicted mean in black."""
    for i, (width, found) in enumerate(zip(record.widths, record.losses, strict=True)):
        grey = str(0.8 - 0.45 * i / max(len(record.widths) - 1, 1))
        for number, loss in enumerate(found):
            label = f"{record.dim} = {width}" if number == 0 else None
            axes.plot(record.times + 1, loss, color=grey, lw=0.8, label=label)
    axes.plot(record.times + 1, record.expected, color="black", lw=2, label="predicted mean")
    axes.set(xscale="log", yscale="log", xlabel="steps + 1", ylabel="training loss")
    axes.legend(frameon=False, fontsize=8)


def _outputs(axes: Any, record: TrainingCurves) -> None:
    """The first test input: mean and two standard deviations, and every one of the widest networks."""
    mean, std = record.mean[:, 0], record.std[:, 0]
    axes.fill_between(record.times + 1, mean - 2 * std, mean + 2 * std, color="0.9", lw=0, label="± 2 std")
    for number, network in enumerate(record.outputs[-1][:, :, 0]):
        label = f"{record.dim} = {record.widths[-1]}" if number == 0 else None
        axes.plot(record.times + 1, network, color="0.4", lw=0.8, label=label)
    axes.plot(record.times + 1, mean, color="black", lw=2, label="predicted mean")
    axes.set(xscale="log", xlabel="steps + 1", ylabel="output at the first test input")
    axes.legend(frameon=False, fontsize=8)
