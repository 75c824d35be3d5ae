"""The derivation: from a program to every parameter's sizes, in the order init, budgets, updates, gradients, rates."""

from __future__ import annotations

from dataclasses import dataclass

from ntksym.errors import ScalingError
from ntksym.scaling.backward import budgets, gradients
from ntksym.scaling.columns import Columns, Why, allowances, columns_of, why
from ntksym.scaling.cones import Cone, lowest
from ntksym.scaling.entries import initial_entries
from ntksym.scaling.forward import changes, initial_sizes
from ntksym.scaling.setting import Setting
from ntksym.scaling.state import Change, State

SWEEPS = 40
"""Iterations within which the derivation must reach its fixed point; typical programs take three."""


@dataclass(frozen=True)
class Solution:
    state: State
    columns: dict[int, Columns]
    why: dict[int, Why]


def solve(setting: Setting, cone: Cone) -> Solution:
    """The fixed point of init, budgets and updates in one cone of directions, and the columns that follow."""
    state = start(setting, cone)
    for _ in range(SWEEPS):
        before = (dict(state.entry), dict(state.update), dict(state.tied), dict(state.change))
        initial_entries(setting, state)
        initial_sizes(state)
        budgets(state)
        _updates(setting, state)
        changes(state)
        if before == (state.entry, state.update, state.tied, state.change):
            break
    else:
        raise ScalingError(
            f"{setting.facts.program.name}: init, budgets and updates keep changing each other: no power law holds; "
            "look for a value that feeds back on itself over a growing number of copies, and normalise it"
        )
    gradients(state)
    parameters = setting.facts.program.parameters
    columns = {p.id: columns_of(setting, state, p) for p in parameters}
    return Solution(state, columns, {p.id: why(setting, state, p, columns[p.id]) for p in parameters})


def start(setting: Setting, cone: Cone) -> State:
    """Every value of order one, and every value that depends on a trained parameter moving by order one."""
    facts, zero, never = setting.facts, cone.zero, cone.never
    state = State(cone, facts, setting.alignment)
    for key in facts.program.nodes:
        state.init[key] = state.low[key] = zero
        state.change[key] = Change(zero if key in facts.trains else never, never, never, never)
    for parameter in facts.program.parameters:
        state.entry[parameter.id] = zero
        state.update[parameter.id] = never
    return state


def _updates(setting: Setting, state: State) -> None:
    for node in setting.facts.program.parameters:
        state.update[node.id] = state.cone.never
        allowed = allowances(state, node) if node.attr("trainable") else []
        if not allowed:
            continue
        update = lowest(allowed[0], *allowed[1:])
        entry = state.entry[node.id]
        if state.alignment.cap_updates and setting.optimizer_of(node).follows_gradient and entry.finite:
            update = lowest(update, entry)
        if update.finite:
            state.update[node.id] = update
