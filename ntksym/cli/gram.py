"""``ntksym gram``: Gram matrices of the inputs in a file, into files; large ones, too."""

from __future__ import annotations

import os
from typing import Annotated

from ntksym._chunks import LOCAL
from ntksym._lazy import lazy
from ntksym.cli.budget import DEFAULT_MEMORY, memory_of
from ntksym.cli.inputs import program_and_numbers, read_data
from ntksym.cli.options import Arch, Assignments, Depth, Phi, SigmaB, SigmaW, option
from ntksym.cli.output import Answer
from ntksym.cli.settings import one_of
from ntksym.errors import NtksymError
from ntksym.records.gram import OUTPUTS

gram = lazy("ntksym.kernels.gram")  # brings SymPy along, which other commands do not need

BOTH = "both"
DEFAULT_GET = "ntk"


def gram_command(
    data: Annotated[
        str,
        option(metavar="X.NPY", help="The inputs: an array with the first axis over them, or a .csv file."),
    ],
    output: Annotated[
        str,
        option("-o", "--output", metavar="K.NPY", help="The file to write; a folder for --get both."),
    ],
    arch: Arch = None,
    other: Annotated[
        str | None,
        option("--with", metavar="X2.NPY", help="Other inputs, for the columns."),
    ] = None,
    get: Annotated[
        str,
        option(metavar="KERNEL", help=f"{', '.join(OUTPUTS)} or {BOTH}; {DEFAULT_GET} if not given."),
    ] = DEFAULT_GET,
    assignments: Assignments = None,
    phi: Phi = None,
    depth: Depth = None,
    sigma_w: SigmaW = None,
    sigma_b: SigmaB = None,
    memory: Annotated[
        str,
        option(metavar="SIZE", help=f"What tiles may take at once, as 512MB; {DEFAULT_MEMORY} if not given."),
    ] = DEFAULT_MEMORY,
    scheduler: Annotated[
        str | None,
        option(metavar="ADDRESS", help=f"A Dask scheduler as tcp://host:8786, or {LOCAL}: one of this process."),
    ] = None,
) -> Answer:
    """Write the kernel matrices of all pairs of inputs.

    In tiles; a run that was broken off goes on where it was.
    """
    one_of(get, (*OUTPUTS, BOTH), "kernel")
    size = memory_of(memory)
    for name in filter(None, (data, other)):
        if os.path.exists(name) and os.path.exists(output) and os.path.samefile(name, output):
            raise NtksymError(f"{output} holds the inputs; write the matrix to another file")
    program, sizes, sigmas = program_and_numbers(
        arch, assignments or [], {"phi": phi, "depth": depth}, sigma_w=sigma_w, sigma_b=sigma_b
    )
    first = read_data(data, program, sizes)
    second = None if other is None else read_data(other, program, sizes)
    found = gram.gram(
        program,
        first,
        second,
        get=OUTPUTS if get == BOTH else get,
        out=output,
        memory=size,
        scheduler=scheduler,
        progress=True,
        **sizes,
        **sigmas,
    )
    one = found[0] if get == BOTH else found
    what = " and ".join(OUTPUTS) if get == BOTH else get
    return Answer(f"{output}: {what} of {program.name}, {one.shape[0]} × {one.shape[1]}, {one.dtype}")
