"""What a table does in the limit: stable or not, faithful or not, feature learning, kernel regime or trivial."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ntksym.scaling.cells import Cells
from ntksym.scaling.cones import Form, highest
from ntksym.scaling.growth import Growth
from ntksym.scaling.setting import Setting
from ntksym.scaling.solve import Solution
from ntksym.scaling.table import Moves, Verdict
from ntksym.scaling.training import Rate, Run, inner_values, relative, train

STEPS = 4
"""Enough steps for a change to reach everything that it reaches in programs with zero-initialised factors."""


@dataclass(frozen=True)
class Outcome:
    """What one training run shows in one cell.

    ``moved`` is how far inner values move, of the most they should, ``behind`` those that fall short of it, ``most``
    the largest and ``level`` its sign in the cell; ``still`` whether no output moves by order one.
    """

    moved: Mapping[str, Form]
    behind: frozenset[str]
    most: Form | None
    level: int
    still: bool
    blows_up: str | None
    runaway: str | None
    notes: tuple[str, ...]


def run_of(setting: Setting, solution: Solution, steps: int = STEPS) -> Run:
    """Train with the derived columns."""
    rates = {key: Rate(c.multiplier, solution.state.entry[key], c.lr) for key, c in solution.columns.items()}
    return train(setting, rates, solution.state.tied, solution.state.cone, steps)


def outcome(setting: Setting, run: Run, named: Mapping[int, str], warnings: Mapping[int, str]) -> Outcome:
    """Compare what a run moved with what it should move; every comparison of one cell happens here."""
    notes = tuple(f"{named[key]}: {text}" for key, text in warnings.items())
    if run.runaway:
        return Outcome({}, frozenset(), None, 1, False, run.runaway, run.runaway, notes)
    moved = {key: relative(run.state, key, run.steps[-1][key]) for key in inner_values(setting)}
    most = highest(*moved.values()) if moved else None
    level = most.compare(run.state.cone.zero) if most is not None else 0
    outputs = setting.facts.program.block.outputs
    still = all(run.steps[-1][key] < run.state.cone.zero for key in outputs)
    by_name = {named[key]: form for key, form in moved.items()}
    behind = frozenset(name for name, form in by_name.items() if form < run.state.cone.zero)
    notes += lazy_bodies(setting, run, named)
    return Outcome(by_name, behind, most, level, still, first_blow_up(setting, run, named), None, notes)


def lazy_bodies(setting: Setting, run: Run, named: Mapping[int, str]) -> tuple[str, ...]:
    """Repeated bodies whose weights move what they make by a vanishing share (Dey et al. 2025: lazy in a block).

    What the carry brings may still move it by order one.
    """
    notes = []
    facts, state = setting.facts, run.state
    for loop in facts.streams:
        for node in facts.program.nodes[loop].body.nodes:
            if node.op != "matmul" or node.inputs[0] not in facts.trains:
                continue
            _, cols = state.fans(node)
            own = state.moved(node) + state.alignment.update(cols) + state.total(node.inputs[1])
            if own.finite and relative(state, node.id, own) < state.cone.zero:
                what = f"the weights of each copy move {named[node.id]} by {own} only"
                notes.append(f"{named[loop]}: {what}, so a copy is linear in them")
                break
    return tuple(notes)


def verdict_of(found: Cells[Outcome], *, faithful: bool) -> Verdict:
    """The verdict over all cells."""
    outcomes = found.values()
    notes = tuple(dict.fromkeys(note for o in outcomes for note in o.notes))
    blows_up = next((o.blows_up for o in outcomes if o.blows_up), None)
    if any(o.runaway for o in outcomes):
        return Verdict(False, faithful, "unstable", None, blows_up, (), notes)
    names = [name for name in outcomes[0].moved if any(name in o.behind for o in outcomes)]
    lagging = tuple(Moves(name, found.certainly(lambda o, name=name: o.moved[name])) for name in names)  # type: ignore[misc]
    features = found.growth(lambda o: o.most)
    regime = _regime(features, {o.level for o in outcomes}, still=all(o.still for o in outcomes))
    return Verdict(blows_up is None, faithful, regime, features, blows_up, lagging, notes)


def _regime(features: Growth | None, levels: set[int], *, still: bool) -> str:
    if still:
        return "trivial"
    if features is None:
        return "linear"
    if max(levels) > 0:
        return "unstable"
    return {frozenset((0,)): "feature learning", frozenset((-1,)): "kernel"}.get(frozenset(levels), "mixed")


def first_blow_up(setting: Setting, run: Run, named: Mapping[int, str]) -> str | None:
    """The first value, by step and then by order, that outgrows order one (or its own initial size)."""
    nodes = setting.facts.program.nodes
    watched = [key for key in nodes if key in setting.facts.read and nodes[key].op not in ("parameter", "input")]
    zero = run.state.cone.zero
    outputs = set(setting.facts.program.block.outputs)
    for key in outputs:
        if run.state.init[key] > zero:
            return f"the output {named[key]} grows like {run.state.init[key]} at initialisation"
    for after, moved in enumerate(run.steps):
        for key in watched:
            change = relative(run.state, key, moved[key])
            if change > zero:
                return f"{named[key]} moves like {moved[key]} at step {after}"
    return None
