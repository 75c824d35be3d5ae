"""Validations for people: a row for every prediction, and below it the test and what it would have caught."""

from __future__ import annotations

from math import floor, log10

from ntksym.records.tables import Cell, Table
from ntksym.validation.record import AGREES, NOT_MEASURED, VERDICTS, Check, Validation, renderers

HEADS = ("quantity", "law", "predicted", "measured", "t", "caught", "verdict")


def to_table(record: Validation) -> Table:
    """The table for any form of print."""
    rows = tuple(_row(check) for check in record.checks)
    return Table(title(record), tuple(map(Cell, HEADS)), rows, notes(record))


def title(record: Validation) -> str:
    widths = ", ".join(map(str, record.widths))
    return f"{record.program}: predicted and measured, {record.dim} = {widths}, {record.samples} networks of each"


def _row(check: Check) -> tuple[Cell, ...]:
    said = check.prediction
    predicted = f"{said.expected:.6g}" + (f" ± {said.uncertainty:.1g}" if said.uncertainty else "")
    measured = "-" if check.measured is None or check.error is None else with_error(check.measured, check.error)
    t = "-" if check.t is None else f"{check.t:+.1f}"
    texts = (said.quantity, str(said.law), predicted, measured, t, smallest(check), check.verdict)
    return tuple(map(Cell, texts))


def with_error(value: float, error: float) -> str:
    """A number and its error, both to the place of the error's second digit."""
    if error <= 0:
        return f"{value:.6g}"
    places = max(1 - floor(log10(error)), 0)
    if places > 8 or abs(value) >= 1e8:
        return f"{value:.6g} ± {error:.1e}"
    return f"{value:.{places}f} ± {error:.{places}f}"


def smallest(check: Check) -> str:
    """The smallest error of a prediction that would be caught: of the number, in percent where it is not a slope."""
    if check.caught is None:
        return "-"
    if check.prediction.law.growth or not check.prediction.expected:
        return f"{check.caught:.2g}"
    return f"{100 * check.caught / abs(check.prediction.expected):.2g} %"


def notes(record: Validation) -> tuple[str, ...]:
    lines = [summary(record)]
    for lost in record.rejected:
        networks = f"{lost.count} of {record.samples} networks with {record.dim} = {lost.width}"
        lines.append(f"left out: {networks} gave nan or infinity ({lost.statistic})")
    lines.append(
        f"test: |t| up to {record.limit:.2f} agrees ({record.batches - 1} degrees of freedom), a law fits down to "
        f"p = {record.least:.1g}; correct predictions all agree in {100 * (1 - record.alpha):.6g} % of runs or more"
    )
    lines.append(
        f"caught: an error of a prediction that this test finds with a probability of {100 * record.power:g} %"
    )
    if record.sizes:
        lines.append(f"other sizes: {', '.join(f'{name} = {size}' for name, size in record.sizes)}")
    lines.append(f"seed {record.seed}")
    return tuple(lines)


def summary(record: Validation) -> str:
    """How many predictions got each verdict."""
    counts = {verdict: sum(check.verdict == verdict for check in record.checks) for verdict in VERDICTS}
    if counts[AGREES] == len(record.checks):
        return f"all {len(record.checks)} predictions agree"
    named = {**counts, "could not be measured": counts.pop(NOT_MEASURED)}
    return ", ".join(f"{number} {verdict}" for verdict, number in named.items() if number)


renderers["table"] = to_table
