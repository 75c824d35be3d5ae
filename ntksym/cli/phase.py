"""``ntksym phase``: order, chaos and the edge between them, of a block or of an activation."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from ntksym._lazy import lazy
from ntksym.cli.inputs import program_and_numbers
from ntksym.cli.options import Arch, Assignments, Depth, Format, Output, Phi, SigmaB, SigmaW
from ntksym.cli.output import Answer, answer, format_of
from ntksym.errors import NtksymError

phases = lazy("ntksym.phases")  # brings SymPy along, which other commands do not need

MOST_DIGITS = 1000


def phase_command(
    arch: Arch = None,
    assignments: Assignments = None,
    phi: Phi = None,
    depth: Depth = None,
    sigma_w: SigmaW = None,
    sigma_b: SigmaB = None,
    edge: Annotated[
        bool, typer.Option("--edge", help="Find the weights on the edge of chaos, for the given sigma_b.")
    ] = False,
    digits: Annotated[
        int | None,
        typer.Option(
            min=1, max=MOST_DIGITS, metavar="N", show_default=False, help="Digits of the numbers, not double precision."
        ),
    ] = None,
    format: Format = None,
    output: Output = None,
) -> Answer:
    """Say whether a repeated block orders its inputs or is chaotic; --phi alone is a perceptron with that function."""
    shown = format_of(format, output)
    if edge and sigma_w is not None:
        raise NtksymError("--edge finds sigma_w; leave --sigma-w out")
    source, values = _source(arch, assignments or [], phi, depth)
    given = {"sigma_w": sigma_w, "sigma_b": sigma_b}
    values.update({name: text for name, text in given.items() if text is not None})
    record = (phases.edge_of_chaos if edge else phases.phase_report)(source, digits=digits, **values)
    return answer(shown, output, record.to_table(), record.to_json, text=record.to_text())


def _source(arch: str | None, assignments: list[str], phi: str | None, depth: str | None) -> tuple[Any, dict[str, Any]]:
    """The program, or the activation, and numbers from ``--set``."""
    if arch is not None:
        program, sizes, sigmas = program_and_numbers(arch, assignments, {"phi": phi, "depth": depth})
        return program, {**sizes, **sigmas}
    if phi is None:
        raise NtksymError("name an architecture, as for ntksym kernel, or an activation: --phi tanh")
    if assignments or depth is not None:
        option = "--set" if assignments else "--depth"
        raise NtksymError(f"{option} is for an architecture; --phi alone has no settings")
    return phi, {}
