"""Scaling tables for people: a table to print, the reasons to read, a data frame to compute with."""

from __future__ import annotations

import textwrap
from fnmatch import fnmatchcase
from typing import Any

from ntksym._lazy import lazy
from ntksym.errors import ScalingError
from ntksym.records.tables import Cell, Table
from ntksym.scaling.growth import Growth
from ntksym.scaling.table import COLUMNS, ParameterScaling, ScalingTable, Verdict, renderers

pandas = lazy("pandas")

HEADS = {
    "multiplier": "multiplier",
    "init_std": "init std",
    "lr": "learning rate",
    "eps": "eps",
    "weight_decay": "weight decay",
}
WIDTH = 110
MANY = 8
"""So many values are listed in a note; JSON holds all."""


def to_table(table: ScalingTable) -> Table:
    """One row for every parameter, and for every further multiplier of a tied one; then the verdict."""
    columns = _columns(table)
    mixed = len({row.optimizer for row in table.parameters}) > 1
    heads = ("parameter", "shape", *(["optimizer"] if mixed else []), *(HEADS[column] for column in columns))
    rows: list[tuple[Cell, ...]] = []
    for row in table.parameters:
        entries = (_entry(row, column) for column in columns)
        named = Cell(row.optimizer if row.lr is not None else "")
        rows.append((Cell(row.name), shape_cell(row.shape), *([named] if mixed else []), *entries))
        for tie in row.tied:
            used = [growth_cell(tie.multiplier) if column == "multiplier" else Cell("") for column in columns]
            rows.append((Cell(f"{row.name} in {tie.at}"), Cell(""), *([Cell("")] if mixed else []), *used))
    return Table(title(table), tuple(map(Cell, heads)), tuple(rows), notes(table))


def _columns(table: ScalingTable) -> list[str]:
    """The columns that hold something for some parameter."""
    return [c for c in COLUMNS if any(row.column(c) is not None for row in table.parameters)]


def title(table: ScalingTable) -> str:
    grow = "grows" if len(table.large) == 1 else "grow"
    return (
        f"{table.program}: {table.parametrization}, {table.optimizer}, alignment {table.alignment}, "
        f"as {', '.join(table.large)} {grow}"
    )


def growth_cell(growth: Growth | None) -> Cell:
    return Cell("-") if growth is None else Cell.powers(str(growth))


def shape_cell(shape: tuple[str, ...]) -> Cell:
    parts = [Cell.powers(size) for size in shape]
    return Cell(" × ".join(cell.text for cell in parts), r" \times ".join(cell.latex for cell in parts))


def _entry(row: ParameterScaling, column: str) -> Cell:
    if column == "init_std" and row.init != "normal":
        return Cell(start_text(row))
    if column == "lr" and row.lr is None:
        return Cell("none" if row.trained else "frozen")
    return growth_cell(row.column(column))


def start_text(row: ParameterScaling) -> str:
    """How a parameter starts that does not start random."""
    return row.init if row.init in ("zeros", "ones") else f"constant {row.init}"


def notes(table: ScalingTable) -> tuple[str, ...]:
    return (*verdict_lines(table.verdict), f"not determined by counting powers: {', '.join(table.undetermined)}")


def verdict_lines(verdict: Verdict) -> tuple[str, ...]:
    """The verdict in sentences."""
    stable = "stable" if verdict.stable else "unstable"
    faithful = "faithful" if verdict.faithful else "not faithful"
    lines = [f"verdict: {', '.join(dict.fromkeys((stable, faithful, _regime(verdict))))}"]
    if verdict.blows_up:
        lines.append(f"blows up: {verdict.blows_up}")
    if verdict.lagging:
        listed = [f"{move.value} ({move.growth})" for move in verdict.lagging[:MANY]]
        listed += [f"and {len(verdict.lagging) - MANY} more"] * (len(verdict.lagging) > MANY)
        lines.append(f"moving by less than order one: {', '.join(listed)}")
    return (*lines, *(f"note: {note}" for note in verdict.notes))


def _regime(verdict: Verdict) -> str:
    if verdict.regime == "kernel":
        if verdict.features is None or verdict.features.is_zero:
            return "kernel regime (inner values stand still)"
        return f"kernel regime (inner values move like {verdict.features})"
    if verdict.regime == "mixed":
        return f"feature learning in some directions only (inner values move like {verdict.features})"
    return {"linear": "no inner values", "trivial": "trivial (the output stands still)"}.get(
        verdict.regime, verdict.regime
    )


def explain(table: ScalingTable, name: str | None = None) -> str:
    """Why each entry is what it is: for all parameters, or those whose names match ``name``.

    Raises ScalingError if none does.
    """
    rows = [row for row in table.parameters if name is None or row.name == name or fnmatchcase(row.name, name)]
    if not rows:
        known = ", ".join(row.name for row in table.parameters)
        raise ScalingError(f"{table.program} has no parameter {name!r}; it has: {known}")
    return "\n\n".join((title(table), *(_explained(row) for row in rows)))


def _explained(row: ParameterScaling) -> str:
    shape = shape_cell(row.shape).text
    entries = [f"{HEADS[c]} {_entry(row, c).text}" for c in COLUMNS if c == "lr" or row.column(c) is not None]
    lines = [f"{row.name}  ({shape})", *_wrapped("", ", ".join(entries))]
    for reason in row.reason:
        head, _, why = reason.partition(": ")
        lines += _wrapped(head, why) if why else _wrapped("", reason)
    return "\n".join(lines)


def _wrapped(head: str, text: str) -> list[str]:
    indent = f"  {head + ':':<12}" if head else "  "
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=indent,
        subsequent_indent=" " * max(len(indent), 4),
        break_long_words=False,
        break_on_hyphens=False,
    )


def to_dataframe(table: ScalingTable) -> Any:
    """A pandas DataFrame indexed by parameter, growths as text, None where there is none.

    Raises NtksymError if pandas is not installed.
    """
    records = [
        {
            "shape": shape_cell(row.shape).text,
            "optimizer": row.optimizer,
            "init": row.init,
            **{column: None if (g := row.column(column)) is None else str(g) for column in COLUMNS},
            "tied": "; ".join(f"{tie.at}: {tie.multiplier}" for tie in row.tied),
        }
        for row in table.parameters
    ]
    index = pandas.Index([row.name for row in table.parameters], name="parameter")
    frame = pandas.DataFrame(records, index=index, dtype=object)
    frame.attrs["title"] = title(table)
    return frame


renderers.update({"table": to_table, "explanation": explain, "dataframe": to_dataframe})
