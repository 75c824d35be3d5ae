"""``ntksym phase``: order, chaos and the edge between them, of a block or of an activation."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from ntksym._lazy import lazy
from ntksym.cli.inputs import program_and_numbers
from ntksym.cli.options import Arch, Assignments, Depth, Digits, Format, Output, Phi, SigmaB, SigmaW, option
from ntksym.cli.output import Answer, answer, format_of, write_whole
from ntksym.errors import NtksymError
from ntksym.reporting.figures import image, image_format

np = lazy("numpy")
phases = lazy("ntksym.phases")  # brings SymPy along, which other commands do not need

POINTS, LEAST = 200, {"sigma_w": 4.0, "sigma_b": 2.0}
"""Of a diagram: how many points in each direction, and how far it reaches at least."""


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
    digits: Digits = None,
    diagram: Annotated[
        str | None,
        option(metavar="FILE", help="Draw the phases over all weights, too: into FILE.png, .svg, .pdf or .html."),
    ] = None,
    format: Format = None,
    output: Output = None,
) -> Answer:
    """Find order, chaos and the edge between them.

    Of a repeated block; --phi alone is a perceptron with that function.
    """
    shown, drawn = format_of(format, output), None if diagram is None else image_format(diagram)
    if edge and sigma_w is not None:
        raise NtksymError("--edge finds sigma_w; leave --sigma-w out")
    source, values = _source(arch, assignments or [], phi, depth)
    given = {"sigma_w": sigma_w, "sigma_b": sigma_b}
    values.update({name: text for name, text in given.items() if text is not None})
    record = (phases.edge_of_chaos if edge else phases.phase_report)(source, digits=digits, **values)
    if diagram is not None and drawn is not None:
        write_whole(diagram, image(phases.phase_diagram(source, **{**values, **grid_of(record)}), drawn))
    return answer(shown, output, record.to_table(), record.to_json, text=record.to_text())


def grid_of(record: Any) -> dict[str, Any]:
    """The weights of a diagram, up to twice those that the record is of."""
    if isinstance(record, phases.EdgeOfChaos):
        at = {"sigma_b": record.sigma_b, "sigma_w": record.point.sigma_w if record.point else 0}
    else:
        at = dict(record.values)
    w, b = (max(least, 2 * float(at.get(name, 0))) for name, least in LEAST.items())
    return {"sigma_w": np.linspace(w / POINTS, w, POINTS), "sigma_b": np.linspace(0, b, POINTS)}


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
