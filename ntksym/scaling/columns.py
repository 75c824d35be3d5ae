"""Step 5, the optimizer: from the sizes of updates and gradients to what a person sets for each parameter."""

from __future__ import annotations

from dataclasses import dataclass, field

from ntksym.language.program import Node
from ntksym.language.types import MatrixType
from ntksym.scaling.cones import Form, highest, lowest
from ntksym.scaling.entries import fans, natural_entry, written_multiplier
from ntksym.scaling.optimizers import Entry
from ntksym.scaling.parametrizations import Fans
from ntksym.scaling.setting import Setting
from ntksym.scaling.state import State


@dataclass(frozen=True)
class Columns:
    """What is set for one parameter, as forms in one cone; None where there is nothing to set."""

    multiplier: Form
    init_std: Form
    lr: Form | None = None
    eps: Form | None = None
    weight_decay: Form | None = None


@dataclass(frozen=True)
class Why:
    """The quantities behind one parameter's columns: named forms, multipliers of tied uses, the use that decides."""

    forms: dict[str, Form] = field(default_factory=dict)
    tied: dict[int, Form] = field(default_factory=dict)
    tightest: Node | None = None


def columns_of(setting: Setting, state: State, node: Node) -> Columns:
    """The columns in the parametrization's own form."""
    entry = _entry(setting, state, node)
    fan_in, fan_out = fans(state, node)
    return written(setting, state, node, written_multiplier(setting, node, Fans(entry, fan_in, fan_out)))


def written(setting: Setting, state: State, node: Node, multiplier: Form) -> Columns:
    """The columns with a given multiplier: the same initial entries and updates of multiplier * w."""
    init_std = _entry(setting, state, node) - multiplier
    update = state.update[node.id]
    if not update.finite or not state.gradient[node.id].finite:
        return Columns(multiplier, init_std)
    seen = optimizer_entry(state, node, multiplier)
    optimizer = setting.optimizer_of(node)
    lr = update - multiplier - optimizer.update(seen)
    return Columns(multiplier, init_std, lr, optimizer.epsilon(seen), optimizer.decay_rate(seen, lr))


def _entry(setting: Setting, state: State, node: Node) -> Form:
    """The initial entry, or that which a random start would need where the parameter starts constant."""
    entry = state.entry[node.id]
    return entry if entry.finite and node.attr("init") == "normal" else natural_entry(setting, state, node)


def why(setting: Setting, state: State, node: Node, columns: Columns) -> Why:
    """What the reasons quote."""
    forms = {
        "entry": _entry(setting, state, node),
        "update": state.update[node.id],
        "gradient": state.gradient[node.id],
    }
    tightest = tightest_use(state, node)
    if tightest is not None:
        forms["budget"] = state.budget.get(tightest.id, state.cone.unbounded)
        if tightest.op == "matmul":
            forms["rows"], forms["cols"] = state.fans(tightest)
            forms["read"] = state.total(tightest.inputs[1])
    if columns.lr is not None:
        forms["unit"] = setting.optimizer_of(node).update(optimizer_entry(state, node, columns.multiplier))
    tied = {use.id: state.tied[use.id] for use in state.facts.uses[node.id] if use.id in state.tied}
    return Why(forms, tied, tightest)


def optimizer_entry(state: State, node: Node, multiplier: Form) -> Entry:
    """What the optimizer sees of a parameter: the trained number w, its gradient and its shape."""
    weight = highest(state.entry[node.id], state.update[node.id])
    if isinstance(node.type, MatrixType):
        rows, cols = state.cone.form(node.type.rows), state.cone.form(node.type.cols)
    else:
        rows, cols = state.cone.form(node.type.coord), state.cone.zero
    size = weight - multiplier if weight.finite else state.cone.zero
    scale = size if state.entry[node.id].finite else highest(state.cone.zero, size)
    return Entry(state.gradient[node.id] + multiplier, size, scale, rows, cols)


def allowances(state: State, node: Node) -> list[Form]:
    """What each use allows the aligned entry of a parameter's update to be."""
    out = []
    for use in state.facts.uses[node.id]:
        budget = state.budget.get(use.id, state.cone.unbounded)
        if use.op == "matmul":
            read = state.total(use.inputs[1])
            if not read.finite:
                continue
            _, cols = state.fans(use)
            budget = budget - state.alignment.update(cols) - read
        out.append(budget - state.use(use) if use.op != "parameter" else budget)
    return out


def tightest_use(state: State, node: Node) -> Node | None:
    """The use that allows the smallest update (the first of them)."""
    uses, allowed = state.facts.uses[node.id], allowances(state, node)
    if len(uses) != len(allowed) or not uses:
        return uses[0] if uses else None
    return uses[allowed.index(lowest(allowed[0], *allowed[1:]))]
