"""``ntksym report``: everything that ntksym derives and measures of an architecture, on one page."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any

from ntksym._lazy import lazy
from ntksym.cli.budget import (
    DEFAULT_SEED,
    Optimizer,
    Parametrization,
    Seed,
    optimizer_of,
    parametrization_of,
    seed_of,
    widths_of,
)
from ntksym.cli.finite import DEFAULT_TOLERANCE, finite_table
from ntksym.cli.inputs import program_and_numbers
from ntksym.cli.options import Arch, Assignments, Depth, Phi, SigmaB, SigmaW, option
from ntksym.cli.output import Answer, complain
from ntksym.cli.pages import Page, page_format, written
from ntksym.cli.phase import grid_of
from ntksym.cli.validate import MAKERS, Asked
from ntksym.errors import NtksymError
from ntksym.language.dims import Dim
from ntksym.language.program import Program
from ntksym.language.types import Type
from ntksym.reporting.blocks import blocks
from ntksym.reporting.document import Block, Document, Prose, Refusal, Section
from ntksym.scaling.derive import scaling_table
from ntksym.validation.coordinates import coord_check
from ntksym.validation.experiments import dimension_of
from ntksym.validation.validate import validate

kernels, phases = lazy("ntksym.kernels"), lazy("ntksym.phases")  # SymPy comes with them

WIDTHS = "16,64"
SAMPLES, INPUTS, SMALL = 64, 2, 4
"""Networks of each width that are held against predictions, at how many inputs, and sizes of positions."""
TRAINED, STEPS, RATE = 16, 1, 2**-6
"""Networks of each width that the coordinate check trains, for how long, at what rate; most time is compilation."""


@dataclass(frozen=True)
class Subject:
    """What a report is about, and what networks are drawn for it."""

    program: Program
    sizes: dict[str, Any]
    sigmas: dict[str, Any]
    asked: Asked
    widths: tuple[int, ...]
    seed: int


def _scaling(subject: Subject) -> Iterator[Any]:
    asked = subject.asked
    yield scaling_table(subject.program, optimizer=asked.optimizer, parametrization=asked.parametrization)


def _kernel(subject: Subject) -> Iterator[Any]:
    yield kernels.kernel_recursion(subject.program, sizes=subject.sizes)


def _phases(subject: Subject) -> Iterator[Any]:
    """The phase at these weights, and the diagram around them."""
    values = {**subject.sizes, **subject.sigmas}
    record = phases.phase_report(subject.program, **values)
    yield record
    yield phases.phase_diagram(subject.program, **{**values, **grid_of(record)})


def _finite(subject: Subject) -> Iterator[Any]:
    table, *_ = finite_table(subject.program, subject.sizes, subject.sigmas, tolerance=DEFAULT_TOLERANCE)
    yield table


def _validation(subject: Subject) -> Iterator[Any]:
    """All predictions but those of the scaling table, which the coordinate check is about."""
    records = [make(subject.program, subject.asked) for name, make in MAKERS.items() if name != "scaling"]
    yield validate(
        subject.program,
        *records,
        widths=subject.widths,
        samples=SAMPLES,
        batch=INPUTS,
        dim=subject.asked.dim,
        sizes={**_small(subject.program), **subject.sizes},
        sigmas=subject.sigmas,
        seed=subject.seed,
        progress=True,
    )


def _small(program: Program) -> dict[str, int]:
    """Small sizes of what does not grow: positions of the inputs, and dimensions without a default."""
    along = {dim for node in program.inputs if isinstance(node.type, Type) for dim in _lengths(node.type)}
    fixed = (dim for dim in program.dims if not dim.large and dim.equals is None)
    return {dim.name: SMALL for dim in fixed if dim in along or dim.default is None}


def _lengths(type: Type) -> Iterator[Dim]:
    for axis in type.positions:
        yield from axis.size.dims()


def _coordinates(subject: Subject) -> Iterator[Any]:
    yield coord_check(
        subject.program,
        widths=subject.widths,
        dim=subject.asked.dim,
        optimizer=subject.asked.optimizer,
        parametrization=subject.asked.parametrization,
        sizes=subject.sizes,
        steps=STEPS,
        samples=TRAINED,
        lr=RATE,
        seed=subject.seed,
        progress=True,
    )


SECTIONS: dict[str, Callable[[Subject], Iterator[Any]]] = {
    "The program": lambda subject: iter((subject.program,)),
    "How it scales": _scaling,
    "Kernels at infinite width": _kernel,
    "Order and chaos": _phases,
    "Finite width": _finite,
    "Predicted and measured": _validation,
    "Coordinate check": _coordinates,
}
"""Title of a section, and the records that it shows; an analysis that refuses the program says so in its place."""


def report_command(
    arch: Arch = None,
    optimizer: Optimizer = None,
    parametrization: Parametrization = None,
    widths: Annotated[str, option(metavar="N,N,...", help=f"Of finite networks; {WIDTHS} if not given.")] = WIDTHS,
    seed: Seed = DEFAULT_SEED,
    assignments: Assignments = None,
    phi: Phi = None,
    depth: Depth = None,
    sigma_w: SigmaW = None,
    sigma_b: SigmaB = None,
    output: Page = None,
) -> Answer:
    """Write all that is derived and measured on one page.

    As .html, .pdf or .tex.
    """
    form = page_format(output)
    chosen, named, grown = optimizer_of(optimizer), parametrization_of(parametrization), widths_of(widths)
    program, sizes, sigmas = program_and_numbers(
        arch, assignments or [], {"phi": phi, "depth": depth}, sigma_w=sigma_w, sigma_b=sigma_b
    )
    asked = Asked(dimension_of(program, None), chosen, named)
    return written(_document(Subject(program, sizes, sigmas, asked, grown, seed_of(seed))), form, output)


def _document(subject: Subject) -> Document:
    sections = tuple(Section(title, _blocks(title, records, subject)) for title, records in SECTIONS.items())
    lead = Prose((f"What ntksym derives of {subject.program.name}, and what finite networks of it show.",))
    return Document(f"{subject.program.name}: a report", lead, sections)


def _blocks(title: str, records: Callable[[Subject], Iterator[Any]], subject: Subject) -> tuple[Block, ...]:
    """What a section shows; what came before a refusal stays."""
    shown: list[Block] = []
    try:
        for record in records(subject):
            shown += blocks(record)
    except NtksymError as error:
        complain(f"{title}: {error}")
        shown.append(Refusal(f"Not here: {error}"))
    return tuple(shown)
