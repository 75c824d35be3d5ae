"""Loss against learning rate, one line for each width and one panel for each parametrization."""

from __future__ import annotations

from typing import Any

from ntksym._lazy import lazy
from ntksym.reporting.figures._base import figure
from ntksym.validation.transfer_record import Curve, Sweep, TransferSweep

np = lazy("numpy")
figures = lazy("matplotlib.figure")

MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "*")


@figure.register
def transfer(record: TransferSweep) -> Any:
    """The larger the network, the darker its line; a vertical tick stands where its best rate lies."""
    picture = figures.Figure(figsize=(4.2 * len(record.sweeps) + 1.2, 4), layout="constrained")
    panels = np.atleast_1d(picture.subplots(1, len(record.sweeps), sharey=True))
    for panel, sweep in zip(panels, record.sweeps, strict=True):
        for i, curve in enumerate(sweep.curves):
            shade = str(0.65 * (1 - i / max(len(sweep.curves) - 1, 1)))
            _drawn(panel, record.rates, curve, f"{record.dim} = {curve.width}", MARKERS[i % len(MARKERS)], shade)
        panel.set_xscale("log", base=2)
        panel.set_yscale("log")
        panel.set_ylim(*_range(record))
        panel.set_xlabel(f"learning rate (at {record.dim} = {record.widths[0]})")
        panel.set_title(_title(sweep), fontsize=10)
    panels[0].set_ylabel("final loss")
    panels[-1].legend(frameon=False, fontsize=8)
    picture.suptitle(f"{record.program}, {record.optimizer}", fontsize=11)
    return picture


def _range(record: TransferSweep) -> tuple[float, float]:
    """From below the least loss to a little above those at the smallest rate: divergence squeezes the minima."""
    curves = [curve for sweep in record.sweeps for curve in sweep.curves]
    found = [loss for curve in curves for loss in curve.losses if loss is not None]
    slow = [curve.losses[0] for curve in curves if curve.losses[0] is not None]
    return 0.8 * min(found, default=0.1), 1.5 * max(slow, default=1.0)


def _title(sweep: Sweep) -> str:
    if sweep.drift is None or sweep.drift_error is None:
        return sweep.parametrization
    return f"{sweep.parametrization}: best rate ~ width^({sweep.drift:+.2f} ± {sweep.drift_error:.2f})"


def _drawn(panel: Any, rates: tuple[float, ...], curve: Curve, name: str, marker: str, shade: str) -> None:
    known = [(rate, loss) for rate, loss in zip(rates, curve.losses, strict=True) if loss is not None]
    if known:
        x, y = zip(*known, strict=True)
        panel.plot(x, y, color=shade, marker=marker, markersize=4, markerfacecolor="white", linewidth=1.2, label=name)
        if curve.best is not None:
            panel.plot([2**curve.best], [0.93 * min(y)], color=shade, marker="|", markersize=12, markeredgewidth=2)
