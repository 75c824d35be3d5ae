"""Documents as LaTeX, for a paper: standard packages only, pictures as PDF files beside it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ntksym.records.escapes import tex_ascii, tex_escaped_text
from ntksym.records.tables import Table
from ntksym.reporting.document import Bullets, Display, Document, Formula, Listing, Picture, Prose, Refusal

_PREAMBLE = r"""
\documentclass{article}
\usepackage[a4paper,margin=2cm]{geometry}
\usepackage{amsmath,amssymb,graphicx}
\allowdisplaybreaks
\setlength{\parindent}{0pt}
\setlength{\parskip}{1ex}
\begin{document}
""".strip()
_WIDE = r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{"


def to_tex(document: Document, pictures: list[str]) -> str:
    """The document, which includes ``pictures``, one name of a file for each picture in it."""
    names = iter(pictures)
    lines = [_PREAMBLE, rf"\section*{{{tex_escaped_text(document.title)}}}", _prose(document.lead)]
    for section in document.sections:
        lines.append(rf"\subsection*{{{tex_escaped_text(section.title)}}}")
        for block in section.blocks:
            lines.append(_picture(block, next(names)) if isinstance(block, Picture) else _WRITERS[type(block)](block))
    return "\n\n".join([*lines, "\\end{document}\n"])


def _prose(prose: Prose) -> str:
    return "".join(f"${part.latex}$" if isinstance(part, Formula) else _words(part) for part in prose.parts)


def _words(text: str) -> str:
    """Text made safe, the spaces at its ends kept."""
    before, after = (" " if edge.isspace() else "" for edge in (text[:1], text[-1:]))
    return before + tex_escaped_text(text) + after


def _display(block: Display) -> str:
    """Lines of ``aligned`` become ``align*``, which breaks over pages."""
    latex = block.latex.strip()
    begin, end = r"\begin{aligned}", r"\end{aligned}"
    if latex.startswith(begin) and latex.endswith(end) and latex.count(begin) == 1:
        return f"\\begin{{align*}}{latex.removeprefix(begin).removesuffix(end)}\\end{{align*}}"
    tag = rf"\tag{{{block.label}}}" if block.label else ""
    return f"\\begin{{equation*}}\n{latex}{tag}\n\\end{{equation*}}"


def _bullets(block: Bullets) -> str:
    return "\n".join([r"\begin{itemize}", *(rf"\item {_prose(item)}" for item in block.items), r"\end{itemize}"])


def _listing(block: Listing) -> str:
    """Line by line, as no environment keeps its text safe from ``\\end``; spaces do not shrink."""
    title = [rf"\textbf{{{tex_escaped_text(block.title)}}}\par"] if block.title else []
    lines = (_spaced(line) for line in block.text.splitlines())
    return "\n".join([*title, r"{\ttfamily\scriptsize\raggedright", *(rf"{line}\par" for line in lines), "}"])


def _spaced(line: str) -> str:
    indent = len(line) - len(line.lstrip(" "))
    words = (tex_escaped_text(word) for word in line.strip().split(" "))
    return "~" * indent + r"\ ".join(words) if line.strip() else "~"


def _picture(block: Picture, name: str) -> str:
    size = r"[width=\linewidth,height=0.9\textheight,keepaspectratio]"
    return "\n".join(
        (
            r"\begin{center}",
            rf"\includegraphics{size}{{{name}}}",
            r"\par " + tex_escaped_text(block.shows),
            r"\end{center}",
        )
    )


def _refusal(block: Refusal) -> str:
    return rf"\emph{{{tex_escaped_text(block.reason)}}}"


def _table(table: Table) -> str:
    made = "\n".join(line for line in table.to_latex().splitlines() if not line.startswith("%"))
    notes = Bullets(tuple(Prose((note,)) for note in table.notes))
    title = [rf"\textbf{{{tex_escaped_text(table.title)}}}"] if table.title else []
    return "\n\n".join([*title, f"{_WIDE}{made}}}", *([_bullets(notes)] if table.notes else [])])


_WRITERS: dict[type, Callable[[Any], str]] = {
    Prose: _prose,
    Display: lambda block: tex_ascii(_display(block)),
    Bullets: _bullets,
    Listing: _listing,
    Refusal: _refusal,
    Table: _table,
}
