"""``coord_check``: train finite networks at several sizes of one dimension, and hold how values move against theory.

A table of learning rates says how far each value should move in a step: by a power of width that does not depend on
the step. The check (Yang et al. 2022, Figure 5) trains for a few steps at several widths and looks at the slopes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ntksym.errors import SamplingError
from ntksym.language.dims import Number
from ntksym.language.printing import labels
from ntksym.language.program import Node, Program
from ntksym.language.trace import Architecture
from ntksym.language.types import MatrixType
from ntksym.scaling.convert import convert
from ntksym.scaling.derive import scaling_table
from ntksym.scaling.facts import STRUCTURAL
from ntksym.scaling.growth import Growth
from ntksym.scaling.parametrizations import Exponents, Parametrization
from ntksym.scaling.recipe import check_recipe
from ntksym.scaling.setting import Optimizers, as_program
from ntksym.scaling.slopes import Slopes, predict_slopes
from ntksym.scaling.table import ScalingTable
from ntksym.validation import coordinates_rendering as _forms  # noqa: F401 - fills the forms of the record
from ntksym.validation.coordinates_fit import judge, quantile
from ntksym.validation.coordinates_record import CoordCheck, Coordinate
from ntksym.validation.data import given_data, sizes_for
from ntksym.validation.runs import Measured, Trial, measure, tuned

Array = NDArray[Any]
Recipe = Mapping[str, Mapping[str, Exponents]]
"""Growth exponents by pattern of parameter names and column: {"readout.w": {"lr": {"n": "-1"}}}."""

WIDTHS = (64, 128, 256, 512)
REPEATED = STRUCTURAL | {"carry", "element", "parameter"}
"""Operations whose value is another one, moved: it is shown once. Parameters show in the values that they make."""


def coord_check(
    program: Program | Architecture,
    *,
    widths: Sequence[int] = WIDTHS,
    dim: str | None = None,
    optimizer: Optimizers = "adam",
    parametrization: str | Parametrization = "mup",
    alignment: str = "tensor_programs",
    large: Sequence[str] | None = None,
    recipe: Recipe | None = None,
    slopes: Slopes | None = None,
    data: tuple[Any, Any] | None = None,
    loss: Any = None,
    sizes: Mapping[str, Number] | None = None,
    lr: float | None = None,
    steps: int = 3,
    samples: int = 64,
    seconds: float | None = None,
    batch: int = 8,
    seed: int = 0,
    memory: int = 2**28,
    tolerance: float = 0.1,
    false_alarm: float = 1e-3,
    progress: bool = False,
) -> CoordCheck:
    """Train finite networks at several sizes of one large dimension; compare how values move with ``predict_slopes``.

    Networks are trained without weight decay, which the predicted slopes leave out, too.

    Args:
        widths: the sizes of ``dim``, growing; the smallest is where the network is the plain one (multiplier 1,
            std 1 / sqrt(fan-in)) and where ``lr`` holds.
        dim: the dimension that grows, by default the first large one; all others stay fixed.
        optimizer, parametrization, alignment, large: what the table is derived for, see ``scaling_table``.
        recipe: entries of a table of your own, as exponents, that are trained with instead of the derived ones. The
            check then says whether the recipe does what the derived table does.
        slopes: the predictions, if not those of the derived table.
        data: (inputs, targets) arrays, one row for each example; by default handwritten digits (extra [sklearn]) for
            real inputs, a short text for tokens.
        loss: as for ``ntksym.sampling.train``; by default what the targets ask for.
        sizes: those of the other dimensions, where they matter.
        lr: the rate at the smallest size; by default half of the best of a few powers of two, tuned there.
        steps: how many steps to train.
        samples: networks of each size; ``seconds`` gives a time that they may take instead.
        batch: examples in a batch; values are watched on the first one.
        tolerance: what a slope may be off besides its error.
        false_alarm: the probability that a check of correct predictions fails.

    Raises:
        SamplingError: sizes, data or an optimizer that do not fit the program, or a missing extra.
        ScalingError: where no table exists.
    """
    program = as_program(program)
    table = scaling_table(
        program, optimizer=optimizer, parametrization=parametrization, alignment=alignment, large=large
    )
    dim = table.large[0] if dim is None else dim
    widths = checked_widths(table, dim, widths, sizes or {})
    if slopes is None:
        slopes = predict_slopes(
            program,
            optimizer=optimizer,
            parametrization=parametrization,
            alignment=alignment,
            large=large,
            steps=steps,
        )
    trial = Trial(
        program=program,
        table=table if recipe is None else with_recipe(table, recipe),
        dim=dim,
        widths=widths,
        sizes=sizes_for(program, {**(sizes or {}), dim: widths[0]}),
        data=None if data is None else given_data(program, data),
        loss=loss,
        steps=steps,
        batch=batch,
        seed=seed,
        memory=memory,
        labels=tuple(row.value for row in slopes.values if row.operation not in REPEATED),
    )
    rate = tuned(trial) if lr is None else lr
    found = measure(trial, rate, samples, seconds, progress)
    allowed = quantile(false_alarm, len(trial.labels) * (steps + 1), found.samples)
    rows = _rows(program, slopes, trial, found, tolerance, allowed)
    others = {name: float(size) for name, size in trial.sizes.items() if name != dim}
    return CoordCheck(
        program=program.name,
        dim=dim,
        widths=widths,
        sizes=others,
        optimizer=table.optimizer,
        parametrization=table.parametrization,
        alignment=alignment,
        recipe=recipe is not None,
        steps=steps,
        samples=found.samples,
        batch=batch,
        seed=seed,
        lr=rate,
        tolerance=tolerance,
        false_alarm=false_alarm,
        allowed=allowed,
        losses=found.losses,
        rejected=found.rejected,
        rows=rows,
    )


def checked_widths(
    table: ScalingTable, dim: str, widths: Sequence[int], sizes: Mapping[str, Number]
) -> tuple[int, ...]:
    """The sizes of ``dim``; raises SamplingError if it is not large, or if they cannot give a slope."""
    if dim not in table.large:
        known = ", ".join(table.large)
        raise SamplingError(f"{dim} is not large in this table; large are: {known} (large= makes others so)")
    if dim in sizes:
        raise SamplingError(f"{dim} is what grows, so it has no other size than its widths; leave it out of sizes")
    if len(widths) < 2 or any(a >= b for a, b in pairwise(widths)):
        raise SamplingError(f"widths={list(widths)}: a slope needs two sizes or more, in growing order")
    return tuple(widths)


def with_recipe(table: ScalingTable, recipe: Recipe) -> ScalingTable:
    """The table with a recipe's entries in place of its own, for the first pattern that matches each parameter.

    A recipe's multiplier comes first: what it leaves out is derived for its own multipliers. Raises ScalingError for
    unknown columns, names or exponents.
    """
    assert table.origin is not None
    check_recipe(table.origin.program, {"parameters": recipe, "optimizer": table.origin.optimizer})  # refuses slips
    multipliers = {pattern: row["multiplier"] for pattern, row in recipe.items() if "multiplier" in row}
    table = convert(table, multipliers) if multipliers else table
    rows = []
    for row in table.parameters:
        entries = next((columns for pattern, columns in recipe.items() if fnmatchcase(row.name, pattern)), {})
        given: dict[str, Any] = {
            column: _power(table.large, exponents)
            for column, exponents in entries.items()
            if column != "multiplier" and row.column(column) is not None
        }
        rows.append(replace(row, **given))
    return replace(table, parameters=tuple(rows))


def _power(large: tuple[str, ...], exponents: Exponents) -> Growth:
    return Growth(large, ((tuple(Fraction(exponents.get(name, 0)) for name in large),),))


# --- rows -----------------------------------------------------------------------------------------------


def _rows(
    program: Program, slopes: Slopes, trial: Trial, found: Measured, tolerance: float, allowed: float
) -> tuple[Coordinate, ...]:
    operations = _operations(program)
    x = np.log2(np.array(trial.widths, float))
    rows = []
    for label in trial.labels:
        predicted = slopes[label]
        for step, growth in enumerate((predicted.init, *predicted.changes[: trial.steps])):
            logs, errors = found.logs[label][:, step], found.errors[label][:, step]
            powers = None if growth.is_zero else growth.slopes(trial.dim)
            rows.append(_row(label, operations[label], step, powers, x, logs, errors, tolerance, allowed))
    return tuple(rows)


def _row(
    label: str,
    operation: str,
    step: int,
    powers: tuple[Fraction, Fraction] | None,
    x: Array,
    logs: Array,
    errors: Array,
    tolerance: float,
    allowed: float,
) -> Coordinate:
    """One row; a value that is zero (-inf) at every size, or at some (nan), has no slope."""
    sizes = tuple(float(y) if np.isfinite(y) else None for y in logs)
    spreads = tuple(float(e) if np.isfinite(y) else None for y, e in zip(logs, errors, strict=True))
    least, power = powers or (None, None)
    if np.isfinite(logs).all():
        low, high = powers or (0, 0)
        found = judge(x, logs, errors, (float(low), float(high)), tolerance, allowed)
        verdict = "violated" if power is None else found.verdict
        numbers = (found.slope, found.error, found.points, found.limit, found.limit_error)
        return Coordinate(label, operation, step, power, least, sizes, spreads, *numbers, verdict)
    still = bool((logs == -np.inf).all())
    verdict = ("holds" if still else "violated") if power is None else ("violated" if still else "undecided")
    return Coordinate(label, operation, step, power, least, sizes, spreads, None, None, 0, None, None, verdict)


def _operations(program: Program) -> dict[str, str]:
    """What makes each value, with the name of the weight if there is one."""
    named, nodes = labels(program), program.nodes

    def weight(node: Node) -> str:
        names = [nodes[i].name for i in node.inputs if nodes[i].op == "parameter"]
        return f" {names[0]}" if names and isinstance(nodes[node.inputs[0]].type, MatrixType) else ""

    return {named[node.id]: node.op + weight(node) for node in nodes.values()}
