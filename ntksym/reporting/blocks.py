"""What a page shows of a record: one function for each type of record; tables and figures show themselves."""

from __future__ import annotations

from functools import singledispatch
from typing import Any

from ntksym.kernels.recursion import KernelRecursion
from ntksym.kernels.rendering_notes import notes
from ntksym.kernels.rendering_steps import page
from ntksym.kernels.rendering_tex import Tex
from ntksym.language.program import Program
from ntksym.records.derivation import Checked, Derivation
from ntksym.records.tables import Tabular
from ntksym.reporting.document import (
    Block,
    Bullets,
    Display,
    Document,
    Formula,
    Listing,
    Picture,
    Prose,
    Section,
    prose,
)
from ntksym.reporting.drawing import drawing
from ntksym.reporting.figures import figure, saved
from ntksym.scaling.table import ScalingTable


@singledispatch
def blocks(record: Any) -> tuple[Block, ...]:
    """What a page shows of a record: its table if it has one, and its figure if there is one."""
    shown: list[Block] = [record.to_table()] if isinstance(record, Tabular) else []
    if figure.dispatch(type(record)) is not figure.dispatch(object):
        shown.append(picture(record))
    return tuple(shown)


def picture(record: Any) -> Picture:
    """The figure of a record, on a transparent ground."""
    drawn = figure(record)
    svg = saved(drawn, "svg", transparent=True).decode()
    return Picture(svg[svg.index("<svg") :], drawn.get_suptitle() or type(record).__name__)


@blocks.register
def _program(record: Program) -> tuple[Block, ...]:
    return Listing(str(record)), Picture(drawing(record), f"The program {record.name}, from its inputs to its outputs")


@blocks.register
def _scaling(record: ScalingTable) -> tuple[Block, ...]:
    return record.to_table(), Listing(record.explain(), "The reasons, entry by entry")


@blocks.register
def _recursion(record: KernelRecursion) -> tuple[Block, ...]:
    """The formulas, and below them what is assumed."""
    found = page(record)
    tex = Tex(found.glossary)
    said = (
        Prose(tuple(part if isinstance(part, str) else Formula(tex.expression(part)) for part in note))
        for note in notes(record, found)
    )
    return Display(record.to_latex()), Bullets(tuple(said))


def derivation_document(derivation: Derivation, checked: tuple[Checked, ...]) -> Document:
    """The page of a derivation, every step with what its check has found."""
    sections = []
    for i, done in enumerate(checked, 1):
        step = done.step
        shown: list[Block] = [prose(step.text)]
        if step.latex:
            shown.append(Display(step.latex, f"{derivation.number}.{i}"))
        shown.append(Prose((f"By {step.because}. Checked: {done.evidence}.",)))
        sections.append(Section(f"{derivation.number}.{i} {step.label}", tuple(shown)))
    if derivation.sources:
        items = tuple(Prose((source,)) for source in derivation.sources)
        sections.append(Section("Sources", (Bullets(items),)))
    lead = Prose((f"{len(checked)} steps, every one of them checked by a machine when this page was made.",))
    return Document(f"{derivation.number}. {derivation.title}", lead, tuple(sections))
