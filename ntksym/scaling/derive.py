"""``scaling_table``: the whole derivation, from a program to the record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ntksym.language.program import Node, Program
from ntksym.language.trace import Architecture
from ntksym.language.types import MatrixType
from ntksym.scaling.cells import Cells, over_cells
from ntksym.scaling.cones import Cone
from ntksym.scaling.parametrizations import Parametrization
from ntksym.scaling.reasons import reasons
from ntksym.scaling.setting import Optimizers, Setting, as_program, optimizer_text, setting_of
from ntksym.scaling.solve import Solution, solve
from ntksym.scaling.table import Origin, ParameterScaling, ScalingTable, Tied
from ntksym.scaling.verdict import Outcome, outcome, run_of, verdict_of

Derived = tuple[Solution, Outcome]


def scaling_table(
    program: Program | Architecture,
    *,
    optimizer: Optimizers = "adam",
    parametrization: str | Parametrization = "mup",
    alignment: str = "tensor_programs",
    large: Sequence[str] | None = None,
    form: Any = None,
) -> ScalingTable:
    """Derive how multiplier, init std, learning rate, epsilon and weight decay of every parameter must grow.

    By hand for a perceptron: derivation mlp_width.

    Args:
        program: a Program, or an architecture (traced with its defaults).
        optimizer: a name, or a mapping from patterns of parameter names to names ({"*.b": "adamw", "*": "muon"}).
        parametrization: "mup" derives everything; "sp", "ntp", "mfp" fix multipliers and inits; or a Parametrization.
        alignment: "tensor_programs", "full" or "none", see ntksym.scaling.alignment.
        large: names of the dimensions taken large; all declared with ``ns.dims`` by default.
        form: how entries are divided between multiplier and init std: "table3", "table8", "table9", "unit".

    All exponents are growth exponents: lr ~ n^-1 means that doubling n halves the rate. Sources: Yang & Hu 2020
    (abc-parametrizations), Yang et al. 2022 (Tables 3, 8, 9), Yang, Simon & Bernstein 2023 (spectral condition),
    Everett et al. 2024 (alignment).

    Raises:
        ScalingError: an unknown name, an operation without a rule, or a scaling that is not a power; the message
            says which.

    Example:
        >>> import ntksym as ns
        >>> table = ns.scaling_table(ns.zoo.load("mlp")(depth=1), optimizer="adam")
        >>> table["readout.w"].lr.linear
        {'n': Fraction(-1, 1)}
        >>> print(f"{table.at(n=4096, base={'n': 256}, lr=3e-3)['readout.w'].lr:.4g}")
        0.0001875
    """
    program = as_program(program)
    setting = setting_of(program, optimizer, parametrization, alignment, form)
    named = setting.named

    def derive(cone: Cone) -> Derived:
        solution = solve(setting, cone)
        return solution, outcome(setting, run_of(setting, solution), named, solution.state.warnings)

    found = over_cells(program, large, derive, setting.parametrization.powers())
    rows = tuple(_row(setting, found, node, named) for node in program.parameters)
    return ScalingTable(
        program.name,
        program.digest,
        found.large,
        optimizer_text(optimizer),
        setting.parametrization.name,
        setting.alignment.name,
        rows,
        verdict_of(Cells(found.large, tuple((cone, cell[1]) for cone, cell in found.cells)), faithful=True),
        origin=Origin(program, optimizer, setting.parametrization),
    )


def _row(setting: Setting, found: Cells[Derived], node: Node, named: Mapping[int, str]) -> ParameterScaling:
    key = node.id
    type = node.type
    axes = tuple(str(axis.size) for axis in type.positions)
    shape = (*axes, str(type.rows), str(type.cols)) if isinstance(type, MatrixType) else (*axes, str(type.coord))
    tied = tuple(
        Tied(named[use.id], found.certainly(lambda cell, use=use: cell[0].why[key].tied[use.id]))  # type: ignore[misc]
        for use in setting.facts.uses[key]
        if all(use.id in solution.why[key].tied for solution, _ in found.values())
    )
    return ParameterScaling(
        name=node.name,
        shape=shape,
        init=start_text(node),
        multiplier=found.certainly(lambda cell: cell[0].columns[key].multiplier),
        init_std=found.certainly(lambda cell: cell[0].columns[key].init_std),
        lr=found.growth(lambda cell: cell[0].columns[key].lr),
        eps=found.growth(lambda cell: cell[0].columns[key].eps),
        weight_decay=found.growth(lambda cell: cell[0].columns[key].weight_decay),
        optimizer=setting.optimizer_of(node).name,
        reason=reasons(setting, found, node, named),
        tied=tuple(t for t in tied if t.multiplier.linear is None or any(t.multiplier.linear.values())),
        trained=bool(node.attr("trainable")),
    )


def start_text(node: Node) -> str:
    """How a parameter starts: "normal", "zeros", "ones" or a constant."""
    value = node.attr("value")
    if value == 0:
        return "zeros"
    if node.attr("init") == "normal":
        return "normal"
    return "ones" if value == 1 else str(value)
