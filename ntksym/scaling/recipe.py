"""``check_recipe``: hold what a user's code does against what the derivation wants, entry by entry."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import fnmatchcase
from fractions import Fraction
from typing import Any

from ntksym.errors import ScalingError
from ntksym.language.program import Node, Program
from ntksym.language.trace import Architecture
from ntksym.records.tables import Table, Tabular
from ntksym.scaling.cells import Cells, over_cells
from ntksym.scaling.columns import Columns, written
from ntksym.scaling.cones import Cone, Form, highest
from ntksym.scaling.entries import as_form
from ntksym.scaling.growth import Growth
from ntksym.scaling.parametrizations import rational
from ntksym.scaling.rendering_recipe import recipe_json, recipe_table, recipe_text
from ntksym.scaling.setting import Setting, as_program, setting_of
from ntksym.scaling.solve import Solution, solve
from ntksym.scaling.table import COLUMNS, Verdict
from ntksym.scaling.training import Rate, Run, train
from ntksym.scaling.verdict import STEPS, Outcome, first_blow_up, outcome, verdict_of

Entries = Mapping[str, Mapping[str, Fraction | int | str]]
Place = tuple[str, str]
"""A parameter's name and a column."""


@dataclass(frozen=True)
class Problem:
    """One wrong entry: found and expected growth, by which power it is off, and what that does."""

    parameter: str
    field: str
    found: Growth
    expected: Growth
    off: Growth
    effect: str


@dataclass(frozen=True)
class RecipeReport(Tabular):
    """What is wrong in a recipe. ``unmatched`` lists patterns that name no parameter; ``verdict`` what it does."""

    program: str
    problems: tuple[Problem, ...]
    unmatched: tuple[str, ...]
    notes: tuple[str, ...]
    verdict: Verdict

    @property
    def ok(self) -> bool:
        return not self.problems and not self.unmatched

    def to_text(self) -> str:
        """What is wrong, entry by entry, and what the recipe does as a whole."""
        return recipe_text(self)

    def to_table(self) -> Table:
        """A row for every wrong entry."""
        return recipe_table(self)

    def to_json(self) -> dict[str, Any]:
        """A plain JSON object with ``"schema": "ntksym.recipe_report/1"``."""
        return recipe_json(self)


def check_recipe(program: Program | Architecture, recipe: Mapping[str, Any]) -> RecipeReport:
    """Compare a recipe with the derived table, up to the abc symmetry, and follow what its errors lead to.

    Args:
        program: the architecture.
        recipe: {"optimizer": "adam", "large": ["n"], "parameters": {pattern: {column: {dimension: power}}}}; columns
            are multiplier, init_std, lr, eps and weight_decay, all as growth exponents. A column that is absent is not
            checked; an absent multiplier is that of the parametrization (one, unless said). The first pattern that
            matches a name holds.

    Raises:
        ScalingError: an unknown key, column, dimension or optimizer, or exponents that are not rationals.

    Example:
        >>> import ntksym as ns
        >>> recipe = {"optimizer": "adam", "parameters": {"*.w": {"lr": {"n": "-1"}}}}
        >>> report = ns.check_recipe(ns.zoo.load("mlp")(depth=2), recipe)
        >>> for problem in report.problems:
        ...     print(problem.parameter, problem.field, "is", problem.found, "and should be", problem.expected)
        ...
        input.w lr is n^-1 and should be 1
    """
    program = as_program(program)
    entries = _read(recipe)
    setting = setting_of(
        program,
        recipe.get("optimizer", "adam"),
        recipe.get("parametrization", "mup"),
        recipe.get("alignment", "tensor_programs"),
    )
    _known_names(program, entries)
    named = setting.named
    powers = powers_of_recipe(entries)
    powers.extend(setting.parametrization.powers())
    found = over_cells(program, recipe.get("large"), lambda cone: _Cell(setting, cone, entries, named).check(), powers)
    problems = tuple(_problem(found, place) for place in _places(found))
    unmatched = tuple(
        pattern for pattern in entries if not any(fnmatchcase(node.name, pattern) for node in program.parameters)
    )
    notes = tuple(dict.fromkeys(note for checked in found.values() for note in checked.notes))
    faithful = not any(problem.field == "eps" for problem in problems)
    verdict = verdict_of(Cells(found.large, tuple((cone, c.outcome) for cone, c in found.cells)), faithful=faithful)
    return RecipeReport(program.name, problems, unmatched, notes, verdict)


def run_of_recipe(setting: Setting, cone: Cone, parameters: Mapping[str, Entries], steps: int) -> Run:
    """Train with a recipe's entries, by pattern of parameter names, and with the derived ones elsewhere.

    Raises ScalingError for entries that cannot be read, and where a size is no power any more.
    """
    cell = _Cell(setting, cone, _read({"parameters": parameters}), setting.named)
    run = cell.run({key: dict(entries) for key, entries in cell.given.items()}, steps)
    if run.runaway:
        raise ScalingError(run.runaway)
    return run


def powers_of_recipe(parameters: Mapping[str, Entries]) -> list[Fraction]:
    """Every exponent in a recipe's entries."""
    return [
        Fraction(p)
        for columns in _read({"parameters": parameters}).values()
        for row in columns.values()
        for p in row.values()
    ]


@dataclass(frozen=True)
class Checked:
    """One cell's comparison: wrong places with the effect of each, all given and wanted forms, and the outcome."""

    mine: Mapping[Place, Form]
    wanted: Mapping[Place, Form]
    effects: Mapping[Place, str]
    notes: tuple[str, ...]
    outcome: Outcome


def _places(found: Cells[Checked]) -> list[Place]:
    """Every place that is wrong in some cell, in the order of the table."""
    return [place for place in found.values()[0].mine if any(place in c.effects for c in found.values())]


def _problem(found: Cells[Checked], place: Place) -> Problem:
    effect = next(c.effects[place] for c in found.values() if place in c.effects)
    return Problem(
        *place,
        found.certainly(lambda c: c.mine[place]),
        found.certainly(lambda c: c.wanted[place]),
        found.certainly(lambda c: c.mine[place] - c.wanted[place]),
        effect,
    )


def _known_names(program: Program, entries: Mapping[str, Entries]) -> None:
    """A plain name must be that of a parameter; a pattern may match nothing, which is reported."""
    names = [node.name for node in program.parameters]
    for pattern in entries:
        if not any(c in pattern for c in "*?[") and pattern not in names:
            close = get_close_matches(pattern, names, 1)
            hint = f"did you mean {close[0]}?" if close else f"it has: {', '.join(names)}"
            raise ScalingError(f"{program.name} has no parameter {pattern!r}; {hint}")


def _read(recipe: Mapping[str, Any]) -> dict[str, Entries]:
    known = ("optimizer", "large", "parametrization", "alignment", "parameters")
    for key in recipe:
        if key not in known:
            raise ScalingError(f"a recipe has no key {key!r}; it has: {', '.join(known)}")
    out: dict[str, Entries] = {}
    parameters = recipe.get("parameters", {})
    if not isinstance(parameters, Mapping):
        raise ScalingError('a recipe\'s parameters are tables such as [parameters."block.*.w"]')
    for pattern, columns in parameters.items():
        if not isinstance(columns, Mapping):
            raise ScalingError(f'the recipe\'s entry for {pattern} is not a table such as lr = {{n = "-1"}}')
        for column, powers in columns.items():
            if column not in COLUMNS:
                raise ScalingError(
                    f"the recipe's entry for {pattern} has {column!r}; columns are: {', '.join(COLUMNS)}"
                )
            if not isinstance(powers, Mapping):
                raise ScalingError(f'{pattern}: {column} = {powers!r} is not a table of exponents such as {{n = "-1"}}')
            for name, power in powers.items():
                rational(power, f"{pattern}: {column} has the exponent {name}")
        out[pattern] = columns
    return out


def _matching(entries: Mapping[str, Entries], node: Node) -> Entries:
    return next((columns for pattern, columns in entries.items() if fnmatchcase(node.name, pattern)), {})


class _Cell:
    """The check in one cone of directions; all comparisons of forms happen here."""

    def __init__(self, setting: Setting, cone: Cone, entries: dict[str, Entries], named: Mapping[int, str]) -> None:
        self.setting, self.cone, self.named = setting, cone, named
        self.solution: Solution = solve(setting, cone)
        self.parameters = setting.facts.program.parameters
        self.given = {node.id: _matching(entries, node) for node in self.parameters}
        self.wanted = {node.id: self._wanted(node) for node in self.parameters}

    def _wanted(self, node: Node) -> Columns:
        """The derived columns, written with the recipe's own multiplier."""
        columns = self.solution.columns[node.id]
        powers = self.given[node.id].get("multiplier")
        multiplier = columns.multiplier if powers is None else as_form(self.cone, powers)
        return written(self.setting, self.solution.state, node, multiplier)

    def check(self) -> Checked:
        mine: dict[Place, Form] = {}
        wanted: dict[Place, Form] = {}
        effects: dict[Place, str] = {}
        notes: list[str] = []
        right = self.run({})
        for node in self.parameters:
            for field, powers in self.given[node.id].items():
                place, want = (node.name, field), getattr(self.wanted[node.id], field)
                if want is None:
                    notes.append(f"{node.name}: {field} is given, but there is none to derive; it is not checked")
                elif field == "init_std" and node.attr("value") == 0:
                    notes.append(f"{node.name}: it starts at zero, so its init_std is not checked")
                else:
                    mine[place], wanted[place] = as_form(self.cone, powers), want
                    if mine[place] != want:
                        effects[place] = self.effect(node, field, right)
        everything = self.run({key: dict(entries) for key, entries in self.given.items()})
        result = outcome(self.setting, everything, self.named, {})
        return Checked(mine, wanted, effects, tuple(notes), result)

    def run(self, entries: Mapping[int, Entries], steps: int = STEPS) -> Run:
        """Train with some of the recipe's entries, and with the derived ones elsewhere."""
        rates: dict[int, Rate] = {}
        for node in self.parameters:
            columns = self.wanted[node.id]
            forms = {
                field: as_form(self.cone, powers)
                for field, powers in entries.get(node.id, {}).items()
                if getattr(columns, field) is not None
            }
            starts = self.solution.state.entry[node.id]
            if starts.finite and node.attr("init") == "normal":
                starts = forms.get("init_std", columns.init_std) + columns.multiplier
            damped = None
            if "eps" in forms and columns.eps is not None:
                damped = highest(self.cone.zero, forms["eps"] - columns.eps)
            rates[node.id] = Rate(columns.multiplier, starts, forms.get("lr", columns.lr), damped)
        return train(self.setting, rates, self.solution.state.tied, self.cone, steps)

    def effect(self, node: Node, field: str, right: Run) -> str:
        """What one wrong entry does alone, all others being right."""
        if field == "weight_decay":
            return "what decay does in a step then depends on size"
        run = self.run({node.id: {field: self.given[node.id][field]}})
        if run.runaway:
            return run.runaway
        return (
            first_blow_up(self.setting, run, self.named)
            or self.lost(node, run, right)
            or "no value is blown up or frozen by it alone"
        )

    def lost(self, node: Node, run: Run, right: Run) -> str | None:
        """The first value that starts or moves less than it should, or the parameter's own idle update."""
        for key in self.setting.facts.program.nodes:
            if key not in self.setting.facts.read:
                continue
            if run.state.init[key] < right.state.init[key]:
                return f"{self.named[key]} starts like {run.state.init[key]} instead of {right.state.init[key]}"
            if run.steps[-1][key] < right.steps[-1][key]:
                return f"{self.named[key]} moves like {run.steps[-1][key]} instead of {right.steps[-1][key]}"
        mine, full = run.state.update[node.id], right.state.update[node.id]
        if mine < full:
            return f"its updates are {mine} instead of {full}: it stops contributing as sizes grow"
        return None
