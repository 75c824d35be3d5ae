"""A validation: how far off every prediction is, and the ones furthest off with their extrapolation."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import Any

from ntksym._lazy import lazy
from ntksym.records.escapes import one_line
from ntksym.reporting.figures._base import figure
from ntksym.validation.fits import design
from ntksym.validation.record import AGREES, Check, Validation

np = lazy("numpy")
figures = lazy("matplotlib.figure")

COLUMNS, MOST = 3, 9
PANEL = (3.6, 2.7)


@figure.register
def validation_figure(record: Validation) -> Any:
    """Above: t of every prediction within its limits. Below: measured numbers, fitted law and prediction."""
    measured = [check for check in record.checks if check.t is not None]
    worst = sorted(measured, key=lambda check: -abs(check.t or 0.0))[:MOST]
    kept = sorted(worst, key=record.checks.index)
    rows = ceil(len(kept) / COLUMNS)
    made = figures.Figure(figsize=(PANEL[0] * COLUMNS, PANEL[1] * rows + 2.4), layout="constrained")
    grid = made.add_gridspec(rows + 1, COLUMNS, height_ratios=[1.9, *[PANEL[1]] * rows])
    made.suptitle(one_line(f"{record.program}: predicted and measured, {record.samples} networks of each width"))
    _overview(made.add_subplot(grid[0, :]), record, measured)
    for place, check in enumerate(kept):
        axes = made.add_subplot(grid[1 + place // COLUMNS, place % COLUMNS])
        (_slope_panel if check.prediction.law.growth else _limit_panel)(axes, record, check)
        axes.set_title(one_line(f"{check.prediction.quantity}: {check.verdict}"), fontsize=9)
        axes.tick_params(labelsize=7)
    return made


def _overview(axes: Any, record: Validation, checks: Sequence[Check]) -> None:
    places = np.arange(1, len(checks) + 1)
    good = np.array([check.verdict == AGREES for check in checks], bool)
    t = np.array([check.t for check in checks], float)
    axes.axhspan(-record.limit, record.limit, color="0.92", label=f"agrees up to {record.limit:.1f}")
    axes.axhline(0, color="0.6", linewidth=0.8)
    axes.plot(places[good], t[good], "o", color="black", markersize=3, label="agrees")
    axes.plot(places[~good], t[~good], "X", color="black", markersize=8, label="does not")
    axes.set_xlabel("prediction", fontsize=8)
    axes.set_ylabel("t", fontsize=8)
    axes.tick_params(labelsize=7)
    axes.plot([], [], "--", color="black", linewidth=1, label="predicted")
    axes.plot([], [], "-", color="0.4", label="law fitted to the widths")
    axes.plot([], [], "D", color="black", markerfacecolor="white", label="extrapolated")
    axes.legend(fontsize=7, loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)


def _points(axes: Any, x: Any, check: Check) -> None:
    values, errors = (np.array([getattr(point, name) for point in check.points]) for name in ("value", "error"))
    axes.errorbar(x, values, errors, fmt="o", color="black", markersize=3, capsize=2, linewidth=1)


def _law(check: Check, widths: Any, coefficients: Any) -> Any:
    return design(check.prediction.law, widths)[:, : len(coefficients)] @ coefficients


def _limit_panel(axes: Any, record: Validation, check: Check) -> None:
    """Against 1/n: measured numbers, the fitted law, and the same with the predicted coefficient in it."""
    widths = np.array([point.width for point in check.points], float)
    law = check.prediction.law
    fine = np.linspace(0, 1 / widths.min(), 200)[1:]
    predicted = np.array(check.coefficients)
    predicted[law.term] = check.prediction.expected
    _points(axes, 1 / widths, check)
    axes.plot(fine, _law(check, 1 / fine, np.array(check.coefficients)), "-", color="0.4")
    axes.plot(fine, _law(check, 1 / fine, predicted), "--", color="black", linewidth=1)
    if law.powers[law.term] == 0:
        axes.errorbar(0, check.measured, check.error, fmt="D", color="black", markerfacecolor="white", capsize=3)
    axes.set_xlabel(f"1/{record.dim}", fontsize=8)


def _slope_panel(axes: Any, record: Validation, check: Check) -> None:
    """The logarithm against log n, the fitted law, and a line of the predicted slope from the largest width."""
    widths = np.array([point.width for point in check.points], float)
    fine = np.geomspace(widths.min(), widths.max(), 200)
    fitted = _law(check, fine, np.array(check.coefficients))
    _points(axes, np.log2(widths), check)
    axes.plot(np.log2(fine), fitted, "-", color="0.4")
    predicted = fitted[-1] + check.prediction.expected * np.log(fine / widths.max())
    axes.plot(np.log2(fine), predicted, "--", color="black", linewidth=1)
    axes.set_xlabel(f"log2 {record.dim}", fontsize=8)
    axes.set_ylabel("log", fontsize=8)
