"""What a table is derived for: a program, a parametrization, an alignment, an optimizer for each parameter."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from ntksym.errors import ScalingError
from ntksym.language.printing import labels
from ntksym.language.program import Node, Program
from ntksym.language.trace import Architecture
from ntksym.language.types import MatrixType
from ntksym.scaling.alignment import Alignment, alignments
from ntksym.scaling.facts import Facts, facts
from ntksym.scaling.loops import rewritten_loops
from ntksym.scaling.optimizers import Optimizer, optimizer_named
from ntksym.scaling.parametrizations import Parametrization, parametrization_named

Optimizers = str | Optimizer | Mapping[str, str | Optimizer]
"""One optimizer for all parameters, or one by pattern of parameter names; the first that matches holds."""


@dataclass(frozen=True)
class Setting:
    """Everything that a derivation in one cell needs; ``named`` gives values the names of the program's listing."""

    facts: Facts
    parametrization: Parametrization
    alignment: Alignment
    optimizer_of: Callable[[Node], Optimizer]
    named: Mapping[int, str]
    stands_for: Mapping[int, int]
    """For values that were added to carry an outside one into every copy of a body: that one."""


def setting_of(
    program: Program,
    optimizer: Optimizers,
    parametrization: str | Parametrization,
    alignment: str,
    form: Any = None,
) -> Setting:
    """The setting of these names; raises ScalingError for unknown ones."""
    if alignment not in alignments:
        raise ScalingError(f"there is no alignment {alignment!r}; known: {', '.join(alignments)}")
    chosen = parametrization_named(parametrization, form)
    for pattern in (*chosen.given, *chosen.multipliers):
        if not any(fnmatchcase(node.name, pattern) for node in program.parameters):
            names = ", ".join(node.name for node in program.parameters)
            raise ScalingError(f"no parameter of {program.name} is named {pattern!r}; it has: {names}")
    rewritten = rewritten_loops(program)
    return Setting(
        facts(rewritten.program),
        chosen,
        alignments[alignment],
        optimizer_choice(optimizer),
        rewritten.names(labels(program)),
        rewritten.stands_for,
    )


def as_program(program: Program | Architecture) -> Program:
    """A program; an architecture is traced with its defaults."""
    if isinstance(program, Architecture):
        traced = program()
        assert isinstance(traced, Program)
        return traced
    if not isinstance(program, Program):
        raise ScalingError(
            f"found {type(program).__name__} where a Program was expected; decorate the function with @ns.program "
            "and call it"
        )
    return program


def optimizer_choice(optimizer: Optimizers) -> Callable[[Node], Optimizer]:
    """Which optimizer trains a parameter; one defined for matrices only leaves vectors to another."""
    rules = optimizer if isinstance(optimizer, Mapping) else {"*": optimizer}
    named = {pattern: optimizer_named(name) for pattern, name in rules.items()}

    def choose(node: Node) -> Optimizer:
        for pattern, found in named.items():
            if fnmatchcase(node.name, pattern):
                if found.vectors and not isinstance(node.type, MatrixType):
                    return optimizer_named(found.vectors)
                return found
        raise ScalingError(f'no optimizer is given for {node.name}; add a pattern that matches it, such as "*"')

    return choose


def optimizer_text(optimizer: Optimizers) -> str:
    """The choice in words."""
    if isinstance(optimizer, Mapping):
        return ", ".join(f"{pattern}: {optimizer_text(name)}" for pattern, name in optimizer.items())
    return optimizer_named(optimizer).name
