"""Eigenvalues against degree, with the law of large degrees."""

from __future__ import annotations

from typing import Any

from ntksym._lazy import lazy
from ntksym.dynamics.spectrum import SPHERE, Spectrum
from ntksym.records.escapes import one_line
from ntksym.reporting.figures._base import figure

np = lazy("numpy")
figures = lazy("matplotlib.figure")

PARITIES = (("even", "o", "-"), ("odd", "s", "--"))


@figure.register
def spectrum_figure(record: Spectrum) -> Any:
    """Even and odd degrees apart, on logarithmic axes; eigenvalues that are zero are left out."""
    page = figures.Figure(figsize=(6.4, 4.4), layout="constrained")
    axes = page.subplots()
    values, _ = record.numbers()
    degrees = np.arange(len(values))
    sphere = record.on == SPHERE
    # the law is one of k + d/2 - 1, which is a straight line in it
    x = degrees + (record.d or 0) / 2 - 1 if sphere else degrees
    seen = (values > 1e-14 * values.max()) & (x > 0) if sphere else values > 1e-14 * values.max()
    for parity, (name, marker, line) in enumerate(PARITIES):
        here = seen & (degrees % 2 == parity)
        axes.plot(x[here], values[here], marker, color="black", markerfacecolor="white", label=f"{name} degrees")
        law = record.decay[parity] if record.decay else None
        if law is not None and law.power is not None and here.any():
            axes.plot(x[here], float(law.coefficient) * x[here] ** -law.power, line, color="0.5", label=str(law))
    shift = f" + {(record.d or 0) / 2 - 1:g}" if sphere and record.d != 2 else ""
    axes.set(yscale="log", xscale="log" if sphere else "linear", xlabel=f"degree{shift}", ylabel="eigenvalue")
    axes.legend(frameon=False, fontsize=8)
    axes.set_title(one_line(record.title), fontsize=10)
    return page
