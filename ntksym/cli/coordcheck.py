"""``ntksym coordcheck``: finite networks trained at several widths, held against the slopes that theory predicts."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from ntksym.cli.architectures import program_of
from ntksym.cli.budget import (
    DEFAULT_MEMORY,
    DEFAULT_SEED,
    At,
    Budget,
    Dimension,
    Memory,
    Optimizer,
    Parametrization,
    Plot,
    Samples,
    Seconds,
    Seed,
    Widths,
    budget_of,
    optimizer_of,
    parametrization_of,
    widths_of,
)
from ntksym.cli.options import Arch, Assignments, Depth, Format, Output, Phi, option
from ntksym.cli.output import Answer, answer, format_of, write_whole
from ntksym.cli.recipes import read_recipe
from ntksym.cli.settings import one_of, positive, sizes_of
from ntksym.errors import NtksymError
from ntksym.language.program import Program
from ntksym.reporting.figures import image, image_format
from ntksym.validation.coordinates import coord_check
from ntksym.validation.coordinates_record import CoordCheck
from ntksym.validation.transfer import mu_transfer
from ntksym.validation.transfer_record import TransferSweep

APART = ("parametrization", "recipe", "lr", "seconds")
"""Options that say nothing to a sweep over rates."""


def coordcheck_command(
    arch: Arch = None,
    optimizer: Optimizer = None,
    parametrization: Parametrization = None,
    recipe: Annotated[
        str | None,
        option(
            metavar="RECIPE.TOML",
            help="Train with a recipe's entries, as of `ntksym scaling --check`, instead of the derived ones.",
        ),
    ] = None,
    widths: Widths = None,
    dim: Dimension = None,
    at: At = None,
    lr: Annotated[
        str | None,
        option(metavar="RATE", help="Learning rate at the smallest width; tuned there if not given."),
    ] = None,
    steps: Annotated[
        int | None,
        option(metavar="N", min=1, help="Steps of training; 3 (with --transfer 32)."),
    ] = None,
    transfer: Annotated[
        bool,
        typer.Option("--transfer", help="Sweep the learning rate instead: does the best one stay, under mup and sp?"),
    ] = False,
    samples: Samples = None,
    seconds: Seconds = None,
    seed: Seed = DEFAULT_SEED,
    memory: Memory = DEFAULT_MEMORY,
    assignments: Assignments = None,
    phi: Phi = None,
    depth: Depth = None,
    format: Format = None,
    plot: Plot = None,
    output: Output = None,
) -> Answer:
    """Check how far values move against the predicted slopes.

    Networks of several widths are trained for a few steps. The exit code is 1 if a slope contradicts its prediction, or
    if the networks are too few to tell.
    """
    budget = budget_of(samples, seconds, seed, memory)
    shown, drawn = format_of(format, output), None if plot is None else image_format(plot)
    if transfer:
        _refuse(parametrization=parametrization, recipe=recipe, lr=lr, seconds=seconds)
    options: dict[str, Any] = {"seed": budget.seed, "dim": dim}
    if widths is not None:
        options["widths"] = widths_of(widths)
    if optimizer is not None:
        options["optimizer"] = optimizer_of(optimizer)
    if parametrization is not None:
        options["parametrization"] = parametrization_of(parametrization)
    if steps is not None:
        options["steps"] = steps
    program = program_of(arch, assignments or [], {"phi": phi, "depth": depth})
    dims = [each.name for each in program.dims]
    if dim is not None:
        one_of(dim, dims, "dimension")
    if at is not None:
        options["sizes"] = dict(sizes_of(at, dims, "--at"))
    record: CoordCheck | TransferSweep
    if transfer:
        record = _transferred(program, options, budget)
    else:
        record = _checked(program, recipe, lr, options, budget)
    code = 1 if isinstance(record, CoordCheck) and not record.ok else 0
    if plot is not None and drawn is not None:
        write_whole(plot, image(record, drawn))
    return answer(shown, output, record.to_table(), record.to_json, code=code)


def _refuse(**given: str | None) -> None:
    """Raises NtksymError for options that do not go with --transfer."""
    for name in APART:
        if given[name] is not None:
            raise NtksymError(f"--{name} and --transfer do not go together; leave one out")


def _transferred(program: Program, options: dict[str, Any], budget: Budget) -> TransferSweep:
    if budget.samples is not None:
        options = {**options, "samples": budget.samples}
    return mu_transfer(program, **options)


def _checked(
    program: Program, recipe: str | None, lr: str | None, options: dict[str, Any], budget: Budget
) -> CoordCheck:
    options = {**options, "memory": budget.memory, "seconds": budget.seconds, "progress": True}
    if budget.samples is not None:
        options["samples"] = budget.samples
    if lr is not None:
        options["lr"] = float(positive(lr, "--lr"))
    if recipe is not None:
        asked: dict[str, Any] = {key: options[key] for key in ("optimizer", "parametrization") if key in options}
        found = read_recipe(recipe, program, asked)
        options["recipe"] = found.pop("parameters")
        options |= found
    return coord_check(program, **options)
