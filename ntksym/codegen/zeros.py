"""A formula in which some hyperparameters are exactly zero: fewer terms, and more of it homogeneous."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ntksym._lazy import lazy
from ntksym.records.formula import Algebra, Expected, Formula, Line, Loop

sympy = lazy("sympy")


def without(formula: Formula, names: frozenset[str]) -> Formula:
    """The formula where these hyperparameters are zero."""
    return Formula(tuple(_without(line, names) for line in formula), formula.outputs)


def _without(line: Line, names: frozenset[str]) -> Line:
    def cut(x: Any) -> Any:
        return x.xreplace({s: sympy.Integer(0) for s in x.free_symbols if s.name in names})

    if isinstance(line, Algebra):
        return replace(line, expression=cut(line.expression))
    if isinstance(line, Expected):
        return replace(
            line,
            arguments=tuple((name, cut(x)) for name, x in line.arguments),
            diagonal_arguments=tuple((name, cut(x)) for name, x in line.diagonal_arguments),
        )
    if isinstance(line, Loop):
        states = tuple(replace(state, start=cut(state.start), after=cut(state.after)) for state in line.states)
        return replace(line, states=states, lines=tuple(_without(inner, names) for inner in line.lines))
    return line
