"""Documents as PDF without a TeX installation: Typst, which comes as one Python package (extra ``[report]``)."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ntksym._lazy import lazy
from ntksym.records.escapes import one_line
from ntksym.records.tables import Cell, Table
from ntksym.reporting.document import Bullets, Display, Document, Formula, Listing, Picture, Prose, Refusal
from ntksym.reporting.formulas import to_typst

compiler = lazy("typst")

# fonts that come with Typst, so that a page looks the same everywhere
_PREAMBLE = """
#let body-font = "Libertinus Serif"
#set document(title: {title}, date: none)
#set page(paper: "a4", margin: 2cm, numbering: "1")
#set text(font: body-font, size: 10pt, hyphenate: true)
#set par(justify: true)
#set heading(numbering: none)
#show math.equation.where(block: true): set align(left)
#show math.equation.where(block: true): set block(breakable: true)
#show raw: set text(font: "DejaVu Sans Mono", size: 7pt)
#set table(stroke: none, inset: (x: 5pt, y: 3pt))
#let picture(name, shows) = layout(room => {
  let size = measure(image(name))
  let part = calc.min(1, room.width / size.width, 23cm / size.height)
  figure(image(name, width: part * size.width), caption: shows, numbering: none)
})
"""
MANY = 8
"""From so many columns on a table is set smaller."""


def require() -> None:
    """Raises NtksymError, naming what to install, where typst is not installed."""
    _ = compiler.compile


def to_pdf(document: Document) -> bytes:
    """The PDF; raises NtksymError where typst is not installed, or a formula cannot be read."""
    return _compiled(_source(document), _pictures(document))


def picture_pdf(svg: str) -> bytes:
    """A picture as a PDF of its own size."""
    page = '#set page(width: auto, height: auto, margin: 0pt)\n#image("1.svg")'
    return _compiled(page, [svg])


def _pictures(document: Document) -> list[str]:
    return [block.svg for section in document.sections for block in section.blocks if isinstance(block, Picture)]


def _compiled(source: str, pictures: list[str]) -> bytes:
    with TemporaryDirectory() as folder:
        for number, svg in enumerate(pictures, 1):
            Path(folder, f"{number}.svg").write_text(svg, encoding="utf-8")
        Path(folder, "page.typ").write_text(source, encoding="utf-8")
        return bytes(compiler.compile(str(Path(folder, "page.typ"))))


def _source(document: Document) -> str:
    lines = [_PREAMBLE.replace("{title}", _text(document.title)), f"= #{_text(document.title)}", _prose(document.lead)]
    pictures = 0
    for section in document.sections:
        lines.append(f"== #{_text(section.title)}")
        for block in section.blocks:
            if isinstance(block, Picture):
                pictures += 1
                lines.append(_picture(block, pictures))
            else:
                lines.append(_WRITERS[type(block)](block))
    return "\n\n".join(lines)


def _text(text: str) -> str:
    """Text as a string of Typst, where no character means anything but itself."""
    return json.dumps(one_line(text), ensure_ascii=False)


def _words(text: str) -> str:
    return f"#{json.dumps(text, ensure_ascii=False)}"


def _prose(prose: Prose) -> str:
    parts = (to_typst(part.latex) if isinstance(part, Formula) else _words(part) for part in prose.parts)
    return "#[]".join(parts)  # nothing, but it keeps apart what would be read as one


def _display(block: Display) -> str:
    return to_typst(block.latex, display=True)


def _bullets(block: Bullets) -> str:
    return "\n".join(f"- {_prose(item)}" for item in block.items)


def _listing(block: Listing) -> str:
    title = f"*#{_text(block.title)}*\n\n" if block.title else ""
    return f"{title}#raw({json.dumps(block.text, ensure_ascii=False)}, block: true)"


def _picture(block: Picture, number: int) -> str:
    return f'#picture("{number}.svg", {_text(block.shows)})'


def _refusal(block: Refusal) -> str:
    return f"#block(stroke: (left: 2pt + gray), inset: (left: 8pt, y: 2pt))[#{_text(block.reason)}]"


def _table(table: Table) -> str:
    def cell(entry: Cell) -> str:
        return f"[{to_typst(entry.latex) if entry.latex else '#' + _text(entry.text)}]"

    heads = ", ".join(f"strong{cell(head)}" if not head.latex else cell(head) for head in table.columns)
    rows = ",\n".join(", ".join(map(cell, row)) for row in table.rows)
    size = 7 if len(table.columns) >= MANY else 8.5
    made = f"#table(columns: {len(table.columns)}, table.header({heads}), table.hline(stroke: 0.4pt),\n{rows})"
    notes = [f"- #{_text(note)}" for note in table.notes]
    title = [f"*#{_text(table.title)}*"] if table.title else []
    return "\n\n".join((*title, f"#[#set text(size: {size}pt)\n{made}]", "\n".join(notes)))


_WRITERS: dict[type, Callable[[Any], str]] = {
    Prose: _prose,
    Display: _display,
    Bullets: _bullets,
    Listing: _listing,
    Refusal: _refusal,
    Table: _table,
}
