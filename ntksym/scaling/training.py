"""What training does with given learning rates, step by step: how far each value has moved, and what blows up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ntksym.errors import ScalingError
from ntksym.language.types import Type
from ntksym.scaling.backward import gradients
from ntksym.scaling.columns import optimizer_entry
from ntksym.scaling.cones import Cone, Form, highest, lowest
from ntksym.scaling.facts import STRUCTURAL
from ntksym.scaling.forward import changes, initial_sizes
from ntksym.scaling.rules import rules
from ntksym.scaling.setting import Setting
from ntksym.scaling.solve import start
from ntksym.scaling.state import Change, State


@dataclass(frozen=True)
class Rate:
    """How one parameter is trained: multiplier, initial entry (multiplier included), rate.

    ``damped`` is by how much an epsilon too large for the gradient shrinks every update.
    """

    multiplier: Form
    entry: Form
    lr: Form | None
    damped: Form | None = None


@dataclass(frozen=True)
class Run:
    """``steps[t]`` holds the total change of every value after t steps; step 0 is initialisation."""

    state: State
    steps: tuple[Mapping[int, Form], ...]
    runaway: str | None = None


def train(setting: Setting, rates: Mapping[int, Rate], tied: Mapping[int, Form], cone: Cone, steps: int) -> Run:
    """Simulate ``steps`` updates in the sizes alone, starting from the initial entries in ``rates``."""
    never, facts = cone.never, setting.facts
    state = start(setting, cone)
    state.tied = dict(tied)
    state.entry = {key: rate.entry for key, rate in rates.items()}
    state.change = {key: Change(never, never, never, never) for key in facts.program.nodes}
    state.shares = {}
    history: list[Mapping[int, Form]] = []
    try:
        initial_sizes(state)
        changes(state)
        history.append({key: change.total for key, change in state.change.items()})
        for _ in range(steps):
            gradients(state)
            for node in facts.program.parameters:
                _update(setting, state, node.id, rates[node.id])
            changes(state)
            history.append({key: change.total for key, change in state.change.items()})
    except ScalingError as error:
        return Run(state, tuple(history), str(error))
    return Run(state, tuple(history))


def _update(setting: Setting, state: State, key: int, rate: Rate) -> None:
    node = setting.facts.program.nodes[key]
    gradient = state.gradient[key]
    if rate.lr is None or not gradient.finite or not node.attr("trainable"):
        return
    seen = optimizer_entry(state, node, rate.multiplier)
    optimizer = setting.optimizer_of(node)
    moved = rate.multiplier + rate.lr + optimizer.update(seen)
    if rate.damped is not None:
        moved = moved - rate.damped
    state.update[key] = highest(state.update[key], moved)


def inner_values(setting: Setting) -> list[int]:
    """Values that train and are read by more than a linear combination, the outputs excepted."""
    facts = setting.facts
    outputs = set(facts.program.block.outputs)
    return [
        node.id
        for node in facts.program.nodes.values()
        if node.id in facts.read
        and node.id in facts.trains
        and node.id not in outputs
        and isinstance(node.type, Type)
        and node.op != "parameter"
    ]


def relative(state: State, key: int, change: Form) -> Form:
    """A change measured against the most a value should move by.

    That is order one, or its own initial size where that is larger, or what its operation cannot exceed.
    """
    node = state.facts.program.nodes[key]
    most = highest(state.cone.zero, state.init[key])
    while node.op in STRUCTURAL:
        node = state.facts.program.nodes[node.inputs[0]]
    if node.op in rules:
        most = lowest(most, rules[node.op].bound(state, node))
    return change - most
