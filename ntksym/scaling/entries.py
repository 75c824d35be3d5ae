"""Step 1, initial entries: the largest under which nothing is amplified, or what a parametrization fixes instead."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from fractions import Fraction

from ntksym.errors import ScalingError
from ntksym.language.dims import ONE, Size
from ntksym.language.program import Node, Program
from ntksym.language.types import MatrixType
from ntksym.scaling.alignment import operator_norm
from ntksym.scaling.cones import Cone, Form, highest
from ntksym.scaling.facts import facts
from ntksym.scaling.parametrizations import Exponents, Fans
from ntksym.scaling.setting import Setting
from ntksym.scaling.state import State


def given(setting: Setting, node: Node, column: str) -> Exponents | None:
    """What the parametrization fixes for one parameter, if anything."""
    return _first(
        node,
        {p: columns[column] for p, columns in setting.parametrization.given.items() if column in columns},
    )


def _first(node: Node, by_pattern: Mapping[str, Exponents]) -> Exponents | None:
    return next((powers for pattern, powers in by_pattern.items() if fnmatchcase(node.name, pattern)), None)


def written_multiplier(setting: Setting, node: Node, fans: Fans) -> Form:
    """The multiplier that the table shows: of the form asked for, else the parametrization's own."""
    parametrization, cone = setting.parametrization, fans.entry.cone
    asked = _first(node, parametrization.multipliers)
    if asked is not None:
        return as_form(cone, asked)
    if parametrization.form is not None:
        return parametrization.form(fans)
    fixed = given(setting, node, "multiplier")
    return as_form(cone, fixed) if fixed is not None else parametrization.multiplier(fans)


def as_form(cone: Cone, exponents: Exponents) -> Form:
    """Exponents by name of a large dimension, as a form."""
    unknown = [name for name in exponents if name not in cone.names]
    if unknown:
        raise ScalingError(f"exponents of {', '.join(unknown)} are given, but large are: {', '.join(cone.names)}")
    return cone.scaled([Fraction(exponents.get(name, 0)) for name in cone.names])


def wanted_entry(state: State, use: Node) -> Form:
    """The largest initial entry under which a use amplifies neither its value nor changes of what it reads."""
    if use.op != "matmul":
        return state.cone.zero
    rows, cols = state.fans(use)
    read = use.inputs[1]
    total = state.total(read)
    amplified = operator_norm(cols, rows) if read in state.facts.trains else cols / 2
    return -amplified - (total if total.finite else state.cone.zero)


def contracts(program: Program, node: Node) -> Size:
    """The fan-in of a parameter: what its first use adds up. A looked-up matrix and a vector add up nothing."""
    uses = facts(program).uses[node.id]
    if not isinstance(node.type, MatrixType) or not uses or uses[0].op == "lookup":
        return ONE
    return node.type.rows if uses[0].attr("transpose") else node.type.cols


def fans(state: State, node: Node) -> tuple[Form, Form]:
    """Growth of fan-in and fan-out of a parameter."""
    fan_in = state.cone.form(contracts(state.facts.program, node))
    if not isinstance(node.type, MatrixType):
        return fan_in, state.cone.form(node.type.coord)
    uses = state.facts.uses[node.id]
    transposed = bool(uses) and uses[0].attr("transpose")
    return fan_in, state.cone.form(node.type.cols if transposed else node.type.rows)


def initial_entries(setting: Setting, state: State) -> None:
    for node in setting.facts.program.parameters:
        if node.attr("init") == "constant":
            state.entry[node.id] = state.cone.never if node.attr("value") == 0 else state.cone.zero
        elif node.attr("value") == 0:
            state.entry[node.id] = state.cone.never
        else:
            state.entry[node.id] = natural_entry(setting, state, node)


def natural_entry(setting: Setting, state: State, node: Node) -> Form:
    """The initial entry of a Gaussian parameter, multiplier included; settles what tied uses need."""
    cone, fixed = state.cone, setting.parametrization.entry
    multiplier, std = given(setting, node, "multiplier"), given(setting, node, "init_std")
    fan_in, fan_out = fans(state, node)
    if fixed is not None:
        derived = fixed(Fans(cone.zero, fan_in, fan_out))
    elif not isinstance(node.type, MatrixType):
        derived = cone.zero
    else:
        derived = _agreed_entry(state, node)
    if std is None and multiplier is None:
        return derived
    split = setting.parametrization.multiplier(Fans(derived, fan_in, fan_out))
    own = as_form(cone, multiplier) if multiplier is not None else split
    return own + (as_form(cone, std) if std is not None else derived - own)


def _agreed_entry(state: State, node: Node) -> Form:
    """One use: what it wants. Several: the largest, and a multiplier on every use that wants less."""
    uses = state.facts.uses[node.id]
    if not uses:
        return state.cone.zero
    if len(uses) == 1:
        return wanted_entry(state, uses[0])
    wanted = []
    for use in uses:
        slack = state.budget.get(use.id, state.cone.zero) if use.op == "matmul" else state.cone.zero
        scaled_down = slack.finite and slack > state.cone.zero
        wanted.append(wanted_entry(state, use) + (slack if scaled_down else state.cone.zero))
    entry = highest(wanted[0], *wanted[1:])
    for use, want in zip(uses, wanted, strict=True):
        state.tied[use.id] = want - entry
    return entry
