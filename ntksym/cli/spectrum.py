"""``ntksym spectrum``: eigenvalues of a kernel on the sphere, for Gaussian inputs, or of the inputs in a file."""

from __future__ import annotations

from typing import Annotated

import typer

from ntksym._lazy import lazy
from ntksym.cli.budget import Plot
from ntksym.cli.inputs import program_and_numbers, read_data
from ntksym.cli.options import Arch, Assignments, Depth, Digits, Format, Output, Phi, SigmaB, SigmaW, option
from ntksym.cli.output import Answer, answer, format_of, write_whole
from ntksym.cli.settings import one_of
from ntksym.errors import NtksymError
from ntksym.records.gram import OUTPUTS
from ntksym.reporting.figures import image, image_format

dynamics = lazy("ntksym.dynamics.spectrum")  # brings SymPy along, which other commands do not need

DEFAULT_GET, DEFAULT_SPHERE, DEFAULT_DEGREES = "ntk", 3, 12
MOST_DEGREES, MOST_DIMENSIONS = 1000, 10_000


def spectrum_command(
    arch: Arch = None,
    sphere: Annotated[
        int | None,
        option(
            metavar="D",
            min=2,
            max=MOST_DIMENSIONS,
            help=f"Inputs on the unit sphere in D dimensions; {DEFAULT_SPHERE} if not given, 2 is the circle.",
        ),
    ] = None,
    gaussian: Annotated[bool, typer.Option("--gaussian", help="Gaussian inputs of many dimensions, instead.")] = False,
    data: Annotated[
        str | None,
        option(metavar="X.NPY", help="The inputs in a file, instead; .npy or .csv."),
    ] = None,
    get: Annotated[
        str,
        option(metavar="KERNEL", help=f"{' or '.join(OUTPUTS)}; {DEFAULT_GET} if not given."),
    ] = DEFAULT_GET,
    degrees: Annotated[
        int,
        option(metavar="N", min=0, max=MOST_DEGREES, help=f"The highest degree; {DEFAULT_DEGREES} if not given."),
    ] = DEFAULT_DEGREES,
    digits: Digits = None,
    assignments: Assignments = None,
    phi: Phi = None,
    depth: Depth = None,
    sigma_w: SigmaW = None,
    sigma_b: SigmaB = None,
    format: Format = None,
    output: Output = None,
    plot: Plot = None,
) -> Answer:
    """Print the eigenvalues of a kernel.

    They say what wide networks learn first, and how hard the rest is.
    """
    shown, picture = format_of(format, output), None if plot is None else image_format(plot)
    one_of(get, OUTPUTS, "kernel")
    if sum((sphere is not None, gaussian, data is not None)) > 1:
        raise NtksymError("--sphere, --gaussian and --data do not go together; leave all but one out")
    if data is not None and picture is not None:
        raise NtksymError("--plot draws eigenvalues against degrees, which those of a file do not have; leave it out")
    program, sizes, sigmas = program_and_numbers(
        arch, assignments or [], {"phi": phi, "depth": depth}, sigma_w=sigma_w, sigma_b=sigma_b
    )
    if data is not None:
        record = dynamics.spectrum(program, read_data(data, program, sizes), output=get, **sizes, **sigmas)
    else:
        d = None if gaussian else (sphere or DEFAULT_SPHERE)
        on = dynamics.GAUSSIAN if gaussian else dynamics.SPHERE
        record = dynamics.spectrum(program, on, d=d, output=get, degrees=degrees, digits=digits, **sizes, **sigmas)
    if plot is not None and picture is not None:
        write_whole(plot, image(record, picture))
    return answer(shown, output, record.to_table(), record.to_json)
