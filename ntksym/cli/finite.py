"""``ntksym finite``: what finite width adds to the kernels of an architecture, and how wide is wide enough."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

from ntksym._lazy import lazy
from ntksym.cli.inputs import program_and_numbers, read_csv
from ntksym.cli.options import Arch, Assignments, Depth, Format, Output, Phi, SigmaB, SigmaW, option
from ntksym.cli.output import Answer, answer, format_of
from ntksym.errors import NtksymError
from ntksym.language.interpret_sizes import Numbers
from ntksym.language.program import Program
from ntksym.records.tables import Table

if TYPE_CHECKING:
    from ntksym.finite import FiniteValues

np = lazy("numpy")
finite, rendering = lazy("ntksym.finite"), lazy("ntksym.finite.rendering")  # SymPy comes with them

DEFAULT_WIDTHS = "64,256,1024"
DEFAULT_TOLERANCE = 0.1
# a dimension that stays finite and has no size is given this one where no inputs are: what matters is x.x / d
COORDINATES = 1


def finite_command(
    arch: Arch = None,
    inputs: Annotated[
        str | None,
        option(metavar="X.CSV", help="Inputs, one in each line; one input with x.x / d = 1 if not given."),
    ] = None,
    widths: Annotated[
        str | None,
        option(
            metavar="N,N,...",
            help=f"Sizes of the large dimensions that have none by --set; {DEFAULT_WIDTHS} if not given.",
        ),
    ] = None,
    tolerance: Annotated[
        float,
        option(
            metavar="X",
            help=f"Say how wide the tangent kernel is within this part of its limit; {DEFAULT_TOLERANCE} if not given.",
        ),
    ] = DEFAULT_TOLERANCE,
    assignments: Assignments = None,
    phi: Phi = None,
    depth: Depth = None,
    sigma_w: SigmaW = None,
    sigma_b: SigmaB = None,
    format: Format = None,
    output: Output = None,
) -> Answer:
    """Derive what a finite width changes, to order 1/n.

    Corrections to NNGP and NTK, their fluctuations, and the width that makes these small.
    """
    shown = format_of(format, output)
    program, sizes, sigmas = program_and_numbers(
        arch, assignments or [], {"phi": phi, "depth": depth}, sigma_w=sigma_w, sigma_b=sigma_b
    )
    table, values, verdict = finite_table(program, sizes, sigmas, widths=widths, inputs=inputs, tolerance=tolerance)
    return answer(shown, output, table, lambda: to_json(values, verdict))


def finite_table(
    program: Program,
    sizes: dict[str, Any],
    sigmas: dict[str, Any],
    *,
    tolerance: float,
    widths: str | None = None,
    inputs: str | None = None,
) -> tuple[Table, FiniteValues, Any]:
    """The table at these widths with the verdict below it, the numbers it was made of, and the verdict itself."""
    record = finite.finite_width(program, sizes=sizes)
    free = sorted({symbol.name for width in record.wiring.widths for symbol in width.free_symbols} - set(sizes))
    chosen = widths_of(widths, free, sizes)
    x = unit_input(program, sizes) if inputs is None else read_csv(inputs, program, sizes)
    # of each width the tensors hold their part of 1/width, so one evaluation is enough
    values = record.evaluate(x, values={**sizes, **sigmas, **dict.fromkeys(free, chosen[0])})
    every = [widths_at(record, {**sizes, **dict.fromkeys(free, n)}) for n in chosen]
    table = rendering.to_table(values, every)
    verdict = finite.depth_to_width(values, tolerance, every[-1])
    return replace(table, notes=(*table.notes, *str(verdict).splitlines())), values, verdict


def widths_of(text: str | None, free: list[str], sizes: dict[str, Any]) -> list[int]:
    """The widths that a person typed, growing as typed; one, of no meaning, where no dimension is free."""
    if text is not None and not free:
        raise NtksymError(f"--widths sets what --set does not, and all widths are set: {', '.join(sizes) or 'fixed'}")
    found = []
    for part in (text or DEFAULT_WIDTHS).split(","):
        if not part.strip().isdecimal() or int(part) < 1:
            raise NtksymError(f"--widths {text}: {part.strip() or 'nothing'} is no width; write numbers, as in 64,256")
        found.append(int(part))
    return found if free else found[:1]


def widths_at(record: Any, sizes: dict[str, Any]) -> list[float]:
    """The width of every axis as a number."""
    widths = record.wiring.widths
    return [float(width.subs({symbol: sizes[symbol.name] for symbol in width.free_symbols})) for width in widths]


def unit_input(program: Program, sizes: dict[str, Any]) -> Any:
    """One input with every coordinate one, so that x.x / d = 1."""
    if len(program.inputs) != 1 or program.inputs[0].attr("kind") != "vector":
        raise NtksymError(f"{program.name} does not take one vector; give inputs with --inputs")
    dims = {
        dim.name: COORDINATES for dim in program.dims if not dim.large and dim.default is None and dim.equals is None
    }
    node = program.inputs[0]
    return np.ones((1, *Numbers(program, {**dims, **sizes}).shape(node.type)))


def to_json(values: FiniteValues, verdict: Any) -> dict[str, Any]:
    """The record, and the verdict with it."""
    return {
        **values.to_json(),
        "depth_to_width": {
            "tolerance": verdict.tolerance,
            "widths": list(verdict.widths),
            "fluctuation": verdict.fluctuation,
            "shift": verdict.shift,
        },
    }
