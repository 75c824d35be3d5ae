"""The figure of a validation: every prediction in the overview, the ones furthest off in panels of their own."""

from dataclasses import replace

import pytest

from ntksym.records.predictions import Law, Prediction, coefficient, growth, limit
from ntksym.reporting.figures import figure, image
from ntksym.validation.record import Check, Point, Validation

WIDTHS = (8, 16, 32)


def check(quantity: str, law: Law, t: float, verdict: str = "agrees") -> Check:
    points = tuple(Point(width, 1.0 + 1 / width, 0.1) for width in WIDTHS)
    return Check(Prediction(quantity, "kernel", (), 1.0, law), points, (1.0, 1.0), 1.0, 0.1, t, 0.5, 0.4, verdict)


@pytest.fixture
def record() -> Validation:
    checks = (
        check("a limit", limit(), 0.5),
        check("a slope", growth(()), -9.0, "disagrees"),
        check("a coefficient of <n>", coefficient(1, leading=1), 1.0),
        Check(Prediction("nothing", "kernel", (), 1.0, limit()), (), (), *[None] * 5, "not measured"),
    )
    return Validation("net", "0" * 64, "n", WIDTHS, (), 64, 32, 0, 1e-3, 0.9, 4.0, 1e-4, checks)


def test_every_measured_prediction_is_shown(record: Validation) -> None:
    made = figure(record)
    titles = [axes.get_title() for axes in made.axes]
    assert titles == ["", "a limit: agrees", "a slope: disagrees", "a coefficient of <n>: agrees"]
    good, bad = made.axes[0].lines[1:3]
    assert list(good.get_ydata()) == [0.5, 1.0]
    assert list(bad.get_ydata()) == [-9.0]


def test_only_the_furthest_off_get_a_panel(record: Validation) -> None:
    many = replace(record, checks=tuple(check(f"q{i}", limit(), i / 10) for i in range(20)))
    titles = [axes.get_title() for axes in figure(many).axes[1:]]
    assert titles == [f"q{i}: agrees" for i in range(11, 20)]


def test_a_record_without_numbers_has_a_figure_too(record: Validation) -> None:
    assert len(figure(replace(record, checks=record.checks[3:])).axes) == 1


@pytest.mark.parametrize(("form", "start"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")])
def test_the_same_record_gives_the_same_file(record: Validation, form: str, start: bytes) -> None:
    drawn = image(record, form)
    assert drawn.startswith(start)
    assert image(record, form) == drawn
