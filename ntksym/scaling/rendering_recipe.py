"""Reports on recipes for people: one line for each wrong entry, and the same as a table and as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ntksym.records.tables import Cell, Table
from ntksym.scaling.growth import Growth
from ntksym.scaling.rendering import growth_cell, verdict_lines
from ntksym.scaling.serial import growth_json, verdict_json

if TYPE_CHECKING:
    from ntksym.scaling.recipe import Problem, RecipeReport

SCHEMA = "ntksym.recipe_report/1"


def recipe_text(report: RecipeReport) -> str:
    """What is wrong, entry by entry, and what the recipe does as a whole."""
    lines = [
        f"{problem.parameter}  {problem.field}: found {problem.found}, expected {problem.expected}, "
        f"{off_text(problem)}: {problem.effect}"
        for problem in report.problems
    ]
    return "\n".join((summary(report), *lines, *_remarks(report)))


def summary(report: RecipeReport) -> str:
    """The report in one line."""
    wrong = [f"{len(report.problems)} wrong {'entry' if len(report.problems) == 1 else 'entries'}"]
    wrong = wrong * bool(report.problems)
    count = len(report.unmatched)
    wrong += [f"{count} {'pattern' if count == 1 else 'patterns'} without a parameter"] * bool(count)
    return f"{report.program}: {' and '.join(wrong) or 'the recipe agrees with the derivation'}"


def off_text(problem: Problem) -> str:
    """By which power an entry is off, and to which side if that is the same in all directions."""
    powers = (problem.off.linear or {}).values()
    if powers and all(power >= 0 for power in powers):
        return f"too large by {problem.off}"
    if powers and all(power <= 0 for power in powers):
        inverse = Growth(problem.off.names, ((tuple(-power for power in powers),),))
        return f"too small by {inverse}"
    return f"off by {problem.off}"


def recipe_table(report: RecipeReport) -> Table:
    """One row for each wrong entry."""
    rows = tuple(
        (
            Cell(problem.parameter),
            Cell(problem.field),
            growth_cell(problem.found),
            growth_cell(problem.expected),
            growth_cell(problem.off),
            Cell(problem.effect),
        )
        for problem in report.problems
    )
    heads = ("parameter", "entry", "found", "expected", "off by", "effect")
    return Table(summary(report), tuple(map(Cell, heads)), rows, tuple(_remarks(report)))


def _remarks(report: RecipeReport) -> list[str]:
    unmatched = [f"no parameter is named {pattern}" for pattern in report.unmatched]
    return [*unmatched, *(f"note: {note}" for note in report.notes), *verdict_lines(report.verdict)]


def recipe_json(report: RecipeReport) -> dict[str, Any]:
    """A plain JSON object with ``"schema": "ntksym.recipe_report/1"``."""
    return {
        "schema": SCHEMA,
        "program": report.program,
        "ok": report.ok,
        "problems": [
            {
                "parameter": problem.parameter,
                "field": problem.field,
                "found": growth_json(problem.found),
                "expected": growth_json(problem.expected),
                "off": growth_json(problem.off),
                "effect": problem.effect,
            }
            for problem in report.problems
        ],
        "unmatched": list(report.unmatched),
        "notes": list(report.notes),
        "verdict": verdict_json(report.verdict),
    }
