"""``ntksym validate``: what ntksym predicts of an architecture, held against finite networks of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from ntksym.cli.architectures import program_of
from ntksym.cli.budget import (
    DEFAULT_MEMORY,
    DEFAULT_SEED,
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
from ntksym.cli.output import Answer, answer, complain, format_of, write_whole
from ntksym.cli.settings import one_of, sizes_of
from ntksym.errors import KernelError, NtksymError, ScalingError
from ntksym.kernels.forms import kernel_recursion
from ntksym.language.program import Program
from ntksym.records.predictions import Experiment, Predicting, Prediction
from ntksym.reporting.figures import image, image_format
from ntksym.scaling.derive import scaling_table
from ntksym.validation.experiments import dimension_of
from ntksym.validation.validate import validate

WIDTHS = "16,32,64,128"
SAMPLES = 64
STEPS = 2
ALPHA = 1e-3


@dataclass(frozen=True)
class Asked:
    """What the options say that a record is derived for."""

    dim: str
    optimizer: Any
    parametrization: str


def _scaling(program: Program, asked: Asked) -> Predicting:
    return scaling_table(program, optimizer=asked.optimizer, parametrization=asked.parametrization)


def _kernel(program: Program, asked: Asked) -> Predicting:
    return kernel_recursion(program)


MAKERS: dict[str, Callable[[Program, Asked], Predicting]] = {"scaling": _scaling, "kernel": _kernel}
"""The analyses whose predictions the command holds against networks, each from a program to its record."""
REFUSALS = (ScalingError, KernelError)
"""What an analysis says where its theory does not apply."""


@dataclass(frozen=True)
class WhereItApplies:
    """The predictions of an analysis, or none and a line on standard error where it refuses the program."""

    name: str
    program: Program
    asked: Asked

    def predictions(self, experiment: Experiment) -> Sequence[Prediction]:
        try:
            return tuple(MAKERS[self.name](self.program, self.asked).predictions(experiment))
        except REFUSALS as error:
            complain(f"{self.name}: not held against networks: {error}")
            return ()


def validate_command(
    arch: Arch = None,
    optimizer: Optimizer = None,
    parametrization: Parametrization = None,
    analyses: Annotated[
        str | None,
        option(metavar="NAMES", help=f"Whose predictions: {', '.join(MAKERS)}; all that apply if not given."),
    ] = None,
    widths: Widths = None,
    dim: Dimension = None,
    at: Annotated[
        str | None, option(metavar="L=4,T=8", help="Sizes of the other dimensions; 4 for large ones.")
    ] = None,
    steps: Annotated[int, option(metavar="N", min=1, help=f"Steps of training; {STEPS} if not given.")] = STEPS,
    alpha: Annotated[
        float,
        option(
            metavar="RATE",
            help=f"How often predictions that are right may fail, all rows together; {ALPHA:g} if not given.",
        ),
    ] = ALPHA,
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
    """Hold predictions against finite networks.

    Measured with error bars, and a verdict for each. The exit code is 1 if a prediction does not agree, or networks
    gave nan.
    """
    budget = budget_of(samples, seconds, seed, memory)
    grown = widths_of(widths if widths is not None else WIDTHS)
    shown, drawn = format_of(format, output), None if plot is None else image_format(plot)
    chosen, named = optimizer_of(optimizer), parametrization_of(parametrization)
    if not 0 < alpha < 1:
        raise NtksymError(f"--alpha {alpha:g} is not a rate between 0 and 1")
    program = program_of(arch, assignments or [], {"phi": phi, "depth": depth})
    dims = [each.name for each in program.dims]
    asked = Asked(dimension_of(program, dim), chosen, named)
    sizes = {name: int(size) if size == int(size) else size for name, size in _sizes(at, dims).items()}
    record = validate(
        program,
        *_records(analyses, program, asked),
        widths=grown,
        samples=None if budget.seconds is not None else budget.samples or SAMPLES,
        seconds=budget.seconds,
        dim=asked.dim,
        sizes=sizes,
        steps=steps,
        seed=budget.seed,
        alpha=alpha,
        memory=budget.memory,
        progress=True,
    )
    if plot is not None and drawn is not None:
        write_whole(plot, image(record, drawn))
    return answer(shown, output, record.to_table(), record.to_json, code=0 if record.ok else 1)


def _records(names: str | None, program: Program, asked: Asked) -> list[Predicting]:
    """Those of the analyses that are named, which may refuse; of all others what applies."""
    if names is None:
        return [WhereItApplies(name, program, asked) for name in MAKERS]
    return [MAKERS[one_of(name.strip(), MAKERS, "analysis")](program, asked) for name in names.split(",")]


def _sizes(at: str | None, dims: list[str]) -> dict[str, int | float]:
    return {} if at is None else sizes_of(at, dims, "--at")
