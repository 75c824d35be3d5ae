"""``ntksym drift``: how far training carries networks from their start, lazy against rich."""

from __future__ import annotations

from typing import Annotated

from ntksym.cli.architectures import program_of
from ntksym.cli.budget import (
    DEFAULT_MEMORY,
    DEFAULT_SEED,
    At,
    Dimension,
    Memory,
    Parametrization,
    Plot,
    Samples,
    Seconds,
    Seed,
    Widths,
    budget_of,
    parametrization_of,
    widths_of,
)
from ntksym.cli.options import Arch, Assignments, Depth, Format, Output, Phi, option
from ntksym.cli.output import Answer, answer, format_of, write_whole
from ntksym.cli.settings import one_of, positive, sizes_of
from ntksym.errors import NtksymError
from ntksym.reporting.figures import image, image_format
from ntksym.validation.drift import WIDTHS, drift

DEFAULT_STEPS = "20"


def drift_command(
    arch: Arch = None,
    parametrization: Parametrization = None,
    dim: Dimension = None,
    widths: Widths = None,
    at: At = None,
    alpha: Annotated[
        str,
        option(metavar="0.1,1,10", help="Output scales; 1 if not given. Large ones make lazy networks."),
    ] = "1",
    steps: Annotated[str, option(metavar="N", help=f"Training steps; {DEFAULT_STEPS} if not given.")] = DEFAULT_STEPS,
    samples: Samples = None,
    seconds: Seconds = None,
    seed: Seed = DEFAULT_SEED,
    memory: Memory = DEFAULT_MEMORY,
    assignments: Assignments = None,
    phi: Phi = None,
    depth: Depth = None,
    format: Format = None,
    output: Output = None,
    plot: Plot = None,
) -> Answer:
    """Measure how far training moves kernel, values and weights.

    Of networks of several widths, against the exponents. The exit code is 1 if an exponent is found wrong.
    """
    shown, picture = format_of(format, output), None if plot is None else image_format(plot)
    budget = budget_of(samples, seconds, seed, memory)
    program = program_of(arch, assignments or [], {"phi": phi, "depth": depth})
    dims = [known.name for known in program.dims]
    record = drift(
        program,
        widths=WIDTHS if widths is None else widths_of(widths),
        dim=None if dim is None else one_of(dim, dims, "dimension"),
        parametrization=parametrization_of(parametrization),
        alphas=[float(positive(text.strip(), "--alpha")) for text in alpha.split(",")],
        steps=_steps(steps),
        samples=budget.samples,
        seconds=budget.seconds,
        sizes=None if at is None else sizes_of(at, dims, "--at"),
        seed=budget.seed,
        memory=budget.memory,
        progress=True,
    )
    if plot is not None and picture is not None:
        write_whole(plot, image(record, picture))
    return answer(shown, output, record.to_table(), record.to_json, code=0 if record.ok else 1)


def _steps(text: str) -> int:
    number = positive(text, "--steps")
    if not isinstance(number, int):
        raise NtksymError(f"--steps {text!r} is not a whole number")
    return number
