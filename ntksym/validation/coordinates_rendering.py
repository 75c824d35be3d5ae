"""A coordinate check as a table and as JSON, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from fractions import Fraction
from typing import Any

from ntksym.errors import SamplingError
from ntksym.records.tables import Cell, Table
from ntksym.validation.coordinates_fit import STEP
from ntksym.validation.coordinates_record import GOOD, SCHEMA, CoordCheck, Coordinate, renderers

WORST = ("violated", "undecided", "drifts", "holds")


def to_table(check: CoordCheck) -> Table:
    moments = ["start", *(f"step {t}" for t in range(1, check.steps + 1))]
    heads = ["value", "operation", *(head for moment in moments for head in (moment, "measured")), "verdict"]
    by_value: dict[str, list[Coordinate]] = {}
    for row in check.rows:
        by_value.setdefault(row.value, []).append(row)
    lines = [tuple(map(Cell, _line(rows))) for rows in by_value.values()]
    return Table(_title(check), tuple(map(Cell, heads)), tuple(lines), tuple(_notes(check)))


def _title(check: CoordCheck) -> str:
    sizes = ", ".join(map(str, check.widths))
    what = "a recipe's entries" if check.recipe else check.parametrization
    return f"{check.program}: slopes in log {check.dim} = {sizes}; {what}, {check.optimizer}"


def _line(rows: list[Coordinate]) -> list[str]:
    cells = [rows[0].value, rows[0].operation]
    for row in rows:
        cells += [_predicted(row), _measured(row)]
    return [*cells, _verdict(rows)]


def _predicted(row: Coordinate) -> str:
    if row.predicted is None:
        return "zero"
    return str(row.predicted) if row.least == row.predicted else f"{row.least} to {row.predicted}"


def _measured(row: Coordinate) -> str:
    if row.slope is None:
        return "zero" if all(log is None for log in row.logs) else "zero in some"
    return f"{row.slope:+.2f} ± {row.error:.2f}" if row.error is not None else f"{row.slope:+.2f}"


def _verdict(rows: list[Coordinate]) -> str:
    worst = min((row.verdict for row in rows), key=WORST.index)
    if worst == "holds":
        vanishing = any(row.predicted is None or row.predicted < 0 for row in rows if not row.step)
        return "holds, vanishes at the start" if vanishing else worst
    moments = ", ".join(row.moment for row in rows if row.verdict == worst)
    return f"{worst} at {moments}"


def _notes(check: CoordCheck) -> list[str]:
    sizes = ", ".join(f"{name} = {size:g}" for name, size in check.sizes.items())
    notes = [
        f"{check.samples} networks of each size (seed {check.seed}), {check.steps} steps on batches of {check.batch}, "
        f"rate {check.lr:g} at {check.dim} = {check.widths[0]}; " + (f"other sizes: {sizes}" if sizes else ""),
        "mean loss before each step: "
        + "; ".join(
            f"{check.dim} = {width}: {', '.join(f'{loss:.3g}' for loss in losses)}"
            for width, losses in zip(check.widths, check.losses, strict=True)
        ),
        f"a slope holds within {check.tolerance:g} + {check.allowed:.2f} standard errors, if one that is off by "
        f"{STEP:g} would be seen in nine cases of ten; if all predictions are right, one of them fails with "
        f"probability {check.false_alarm:g} at most",
    ]
    for row in check.rows:
        if row.verdict == "drifts":
            notes.append(
                f"{row.value}, {row.moment}: slope {row.slope:+.2f} so far, closing in on {_predicted(row)}; "
                f"{row.limit:+.2f} ± {row.limit_error:.2f} where corrections of {check.dim}^(-1/2) are taken off"
            )
    for width, lost in zip(check.widths, check.rejected, strict=True):
        if lost:
            notes.append(f"{check.dim} = {width}: {lost} of {check.samples} networks gave nan or infinity; left out")
    return [note.rstrip("; ") for note in notes] + [_conclusion(check)]


def _conclusion(check: CoordCheck) -> str:
    count = {verdict: sum(row.verdict == verdict for row in check.rows) for verdict in WORST}
    if check.ok:
        drifting = f", {count['drifts']} of them drifting there" if count["drifts"] else ""
        return f"all {len(check.rows)} slopes are as predicted{drifting}"
    parts = [f"{count[verdict]} {verdict}" for verdict in WORST if count[verdict] and verdict not in GOOD]
    advice = "; more networks (samples) or larger sizes decide more" if count["undecided"] else ""
    return f"of {len(check.rows)} slopes: {', '.join(parts)}{advice}"


# --- JSON -----------------------------------------------------------------------------------------------


def to_json(check: CoordCheck) -> dict[str, Any]:
    data = asdict(check)
    data["rows"] = [{**row, "predicted": _text(row["predicted"]), "least": _text(row["least"])} for row in data["rows"]]
    return {"schema": SCHEMA, "ok": check.ok, **_plain(data)}


def _text(power: Fraction | None) -> str | None:
    return None if power is None else str(power)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def from_json(data: Mapping[str, Any]) -> CoordCheck:
    try:
        given = {field.name: _frozen(data[field.name]) for field in fields(CoordCheck)}
        rows = tuple(_row(row) for row in data["rows"])
    except (KeyError, TypeError, ValueError) as error:
        raise SamplingError(f"this coordinate check is not complete or cannot be read: {error!r}") from None
    return CoordCheck(**{**given, "rows": rows})


def _row(data: Mapping[str, Any]) -> Coordinate:
    given = {field.name: _frozen(data[field.name]) for field in fields(Coordinate)}
    powers = {name: None if given[name] is None else Fraction(given[name]) for name in ("predicted", "least")}
    return Coordinate(**{**given, **powers})


def _frozen(value: Any) -> Any:
    return tuple(map(_frozen, value)) if isinstance(value, list) else value


renderers.update(table=to_table, json=to_json, from_json=from_json)
