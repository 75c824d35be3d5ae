"""Figures of checks and sweeps: every value has a line, what is violated is filled, what is zero is not drawn."""

from __future__ import annotations

from fractions import Fraction

import pytest

from ntksym.reporting.figures import figure, image
from ntksym.validation.coordinates_record import CoordCheck, Coordinate
from ntksym.validation.transfer_record import Curve, Sweep, TransferSweep


def row(value: str, step: int, logs: tuple[float | None, ...], verdict: str = "holds") -> Coordinate:
    errors = tuple(None if log is None else 0.1 for log in logs)
    predicted = None if logs[0] is None else Fraction(0)
    slope = None if logs[0] is None else 0.0
    return Coordinate(
        value, f"map {value}", step, predicted, predicted, logs, errors, slope, slope, 2, None, None, verdict
    )


CHECK = CoordCheck(
    program="net",
    dim="n",
    widths=(8, 16),
    sizes={},
    optimizer="adam",
    parametrization="mup",
    alignment="tensor_programs",
    recipe=False,
    steps=1,
    samples=2,
    batch=4,
    seed=0,
    lr=0.1,
    tolerance=0.1,
    false_alarm=1e-3,
    allowed=4.0,
    losses=((1.0,), (1.0,)),
    rejected=(0, 0),
    rows=(
        row("v1", 0, (0.0, 0.1)),
        row("v1", 1, (0.0, 0.9), "violated"),
        row("v2", 0, (None, None)),
        row("v2", 1, (-1.0, -1.0)),
    ),
)
CURVES = (Curve(8, (2.0, 1.0, 1.5), -3.0, 0.1), Curve(16, (2.0, 0.9, None), None, None))
SWEEP = TransferSweep(
    program="net",
    dim="n",
    widths=(8, 16),
    sizes={},
    optimizer="adam",
    rates=(0.0625, 0.125, 0.25),
    steps=4,
    samples=2,
    batch=4,
    seed=0,
    sweeps=(
        Sweep("mup", {"full": Fraction(0)}, CURVES, 0.1, 0.1),
        Sweep("sp", {"full": Fraction(-1)}, CURVES, None, None),
    ),
)


def test_a_check_has_a_panel_for_each_moment() -> None:
    start, step = figure(CHECK).axes
    assert [start.get_title(), step.get_title()] == ["at the start", "change after step 1"]
    assert [len(panel.containers) for panel in (start, step)] == [1, 2]
    filled = [container.lines[0].get_markerfacecolor() for container in step.containers]
    assert filled == ["black", "white"]
    assert [text.get_text() for text in figure(CHECK).legends[0].get_texts()] == ["v1 map v1", "v2 map v2"]


def test_a_sweep_has_a_panel_for_each_parametrization() -> None:
    mup, sp = figure(SWEEP).axes
    assert mup.get_title() == "mup: best rate ~ width^(+0.10 ± 0.10)"
    assert sp.get_title() == "sp"
    assert [line.get_label() for line in mup.lines if line.get_label()[0] != "_"] == ["n = 8", "n = 16"]


@pytest.mark.parametrize("record", [CHECK, SWEEP], ids=["check", "sweep"])
def test_they_are_files(record: CoordCheck | TransferSweep) -> None:
    assert image(record, "png").startswith(b"\x89PNG")
    assert b"<svg" in image(record, "svg")
