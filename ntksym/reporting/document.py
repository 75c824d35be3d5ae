"""Documents: sections of blocks, before they are a page of HTML, a PDF or LaTeX.

A file for each form writes them (``html``, ``typst``, ``tex``); nothing here knows what the blocks are about.
"""

from __future__ import annotations

from dataclasses import dataclass

from ntksym.errors import NtksymError
from ntksym.records.tables import Table


@dataclass(frozen=True)
class Formula:
    """A formula within a line, as LaTeX without dollars."""

    latex: str


@dataclass(frozen=True)
class Prose:
    """A paragraph: text as it is to be read, and formulas between. Text is data: each form escapes it."""

    parts: tuple[str | Formula, ...]


@dataclass(frozen=True)
class Display:
    """A formula on lines of its own, or an ``aligned`` environment, as LaTeX; with a label if it has one."""

    latex: str
    label: str = ""


@dataclass(frozen=True)
class Bullets:
    """A list."""

    items: tuple[Prose, ...]


@dataclass(frozen=True)
class Listing:
    """Text that is aligned by spaces; folded away under its title where a page can do that."""

    text: str
    title: str = ""


@dataclass(frozen=True)
class Picture:
    """A drawing as SVG, and what it shows in words."""

    svg: str
    shows: str


@dataclass(frozen=True)
class Refusal:
    """What is not here, and why."""

    reason: str


Block = Prose | Display | Bullets | Listing | Picture | Refusal | Table


@dataclass(frozen=True)
class Section:
    """A title and what stands below it."""

    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Document:
    """A title, a first paragraph, sections."""

    title: str
    lead: Prose
    sections: tuple[Section, ...]


def prose(text: str) -> Prose:
    """A paragraph from text with formulas between dollars; raises NtksymError where a dollar is alone."""
    parts = text.split("$")
    if len(parts) % 2 == 0:
        raise NtksymError(f"a formula is not closed by a dollar: {text}")
    return Prose(tuple(Formula(part) if i % 2 else part for i, part in enumerate(parts) if part))
