"""A table of text and mathematics, and its forms: plain text, Markdown, LaTeX, HTML, CSV, JSON."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from ntksym.records.escapes import (
    display_width,
    markdown_escaped,
    one_line,
    tex_ascii,
    tex_escaped_text,
)
from ntksym.records.powers import powers_html, powers_latex

SCHEMA = "ntksym.table/1"
VERT = r"\vert "
STYLE = ".ntksym-table th, .ntksym-table td { text-align: left; } .ntksym-table caption { white-space: nowrap; }"


_STYLE = (
    ":root{color-scheme:light dark}body{font-family:system-ui,sans-serif;margin:2em;max-width:75em}"
    "table{border-collapse:collapse}caption{text-align:left;font-weight:bold;padding-bottom:.6em}"
    "th,td{text-align:left;padding:.25em 1em .25em 0;border-bottom:1px solid #8886}sup,sub{line-height:0}"
)


@dataclass(frozen=True)
class Cell:
    """One entry: its plain text, and, where it is mathematics, its LaTeX without dollar signs."""

    text: str
    latex: str = ""

    @staticmethod
    def powers(text: str) -> Cell:
        """A product of powers such as ``n^-1*L^(1/2)``, or maxima and minima of such."""
        return Cell(text, powers_latex(text))


class Shown:
    """A record that people read: ``print`` and notebooks show its ``to_text()``."""

    def to_text(self) -> str:
        """The record for a terminal."""
        raise NotImplementedError

    def __str__(self) -> str:
        return self.to_text()

    def _repr_markdown_(self) -> str:
        return f"```text\n{self.to_text()}\n```"


class Tabular(Shown):
    """A record that is shown as a table, in every form of it."""

    def to_table(self) -> Table:
        """The table for any form of print."""
        raise NotImplementedError

    def to_text(self) -> str:
        """Aligned columns for a terminal or a file of any width."""
        return self.to_table().to_text()

    def to_markdown(self) -> str:
        """A table as GitHub and notebooks read it, mathematics between dollar signs."""
        return self.to_table().to_markdown()

    def to_latex(self) -> str:
        """A ``tabular`` that needs no package; title and notes stand above it as comments."""
        return self.to_table().to_latex()

    def to_html(self) -> str:
        """A ``div`` with a table; mathematics as superscripts, so that nothing has to typeset it."""
        return self.to_table().to_html()

    def to_csv(self) -> str:
        """Heads and rows, without title and notes."""
        return self.to_table().to_csv()

    def _repr_html_(self) -> str:
        return self.to_html()

    def _repr_latex_(self) -> str:
        return self.to_latex()

    def _repr_markdown_(self) -> str:
        return self.to_markdown()


@dataclass(frozen=True)
class Table(Tabular):
    """A title, the heads of the columns, rows of as many cells, and notes below."""

    title: str
    columns: tuple[Cell, ...]
    rows: tuple[tuple[Cell, ...], ...]
    notes: tuple[str, ...] = ()

    def to_table(self) -> Table:
        return self

    def to_text(self) -> str:
        return _text(self)

    def to_markdown(self) -> str:
        return _markdown(self)

    def to_latex(self) -> str:
        return "\n".join((*(f"% {one_line(line)}" for line in (self.title, *self.notes)), _tabular(self)))

    def to_latex_document(self) -> str:
        """A document of one page, as large as the table needs."""
        return _latex_document(self)

    def to_html(self) -> str:
        return _html(self)

    def to_html_document(self) -> str:
        """A page of its own, light or dark as the reader's system is."""
        head = f'<meta charset="utf-8">\n<title>{escape(one_line(self.title))}</title>\n<style>{_STYLE}</style>'
        return f'<!DOCTYPE html>\n<html lang="en">\n<head>\n{head}\n</head>\n<body>\n{_html(self)}\n</body>\n</html>'

    def to_csv(self) -> str:
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerows([cell.text for cell in row] for row in (self.columns, *self.rows))
        return out.getvalue()

    def to_json(self) -> dict[str, Any]:
        """Plain texts, with ``"schema": "ntksym.table/1"``."""
        return {
            "schema": SCHEMA,
            "title": self.title,
            "columns": [cell.text for cell in self.columns],
            "rows": [[cell.text for cell in row] for row in self.rows],
            "notes": list(self.notes),
        }


def _text(table: Table) -> str:
    lines = [[one_line(cell.text) for cell in row] for row in (table.columns, *table.rows)]
    widths = [max(map(display_width, column)) for column in zip(*lines, strict=True)]
    lines.insert(1, ["-" * width for width in widths])
    aligned = ["  ".join(_padded(text, width) for text, width in zip(row, widths, strict=True)) for row in lines]
    parts = [one_line(table.title), "\n".join(line.rstrip() for line in aligned), "\n".join(map(one_line, table.notes))]
    return "\n\n".join(part for part in parts if part)


def _padded(text: str, width: int) -> str:
    return text + " " * (width - display_width(text))


def _markdown(table: Table) -> str:
    def row(cells: Sequence[str]) -> str:
        return f"| {' | '.join(cells)} |"

    def written(cell: Cell) -> str:
        return f"${cell.latex.replace('|', VERT)}$" if cell.latex else markdown_escaped(cell.text)

    lines = [row([written(cell) for cell in table.columns]), row(["---"] * len(table.columns))]
    lines += [row([written(cell) for cell in cells]) for cells in table.rows]
    parts = [f"**{markdown_escaped(table.title)}**" if table.title else "", "\n".join(lines)]
    parts.append("\n".join(f"- {markdown_escaped(note)}" for note in table.notes))
    return "\n\n".join(part for part in parts if part)


def _tex_cell(cell: Cell) -> str:
    return f"${tex_ascii(cell.latex)}$" if cell.latex else tex_escaped_text(cell.text)


def _tabular(table: Table) -> str:
    lines = [" & ".join(map(_tex_cell, row)) + r" \\" for row in (table.columns, *table.rows)]
    body = "\n".join((r"\hline", lines[0], r"\hline", *lines[1:], r"\hline"))
    return f"\\begin{{tabular}}{{{'l' * len(table.columns)}}}\n{body}\n\\end{{tabular}}"


def _latex_document(table: Table) -> str:
    # A tabular does not break over pages, so the page grows with it: a line takes 0.5 cm, a letter 0.22 cm.
    widths = [max(len(row[i].text) for row in (table.columns, *table.rows)) for i in range(len(table.columns))]
    width = max(16.0, 0.22 * sum(widths) + 0.5 * len(widths) + 2)
    note_lines = sum(1 + int(0.22 * len(note) / (width - 3)) for note in table.notes)
    height = max(10.0, 0.5 * (len(table.rows) + 2 * note_lines + 8) + 2)
    notes = [tex_escaped_text(note) for note in table.notes]
    parts = [rf"\textbf{{{tex_escaped_text(table.title)}}}", _tabular(table), *notes]
    return "\n".join(
        (
            r"\documentclass{article}",
            rf"\usepackage[paperwidth={width:.1f}cm,paperheight={height:.1f}cm,margin=1cm]{{geometry}}",
            r"\pagestyle{empty}",
            r"\setlength{\parindent}{0pt}",
            r"\setlength{\parskip}{1ex}",
            r"\begin{document}",
            "\n\n".join(parts),
            r"\end{document}",
        )
    )


def _html(table: Table) -> str:
    def cell(tag: str, entry: Cell) -> str:
        if not entry.latex:
            return f"<{tag}>{escape(one_line(entry.text))}</{tag}>"
        text, latex = escape(one_line(entry.text)), escape(entry.latex)
        return f'<{tag} class="ntksym-math" title="{text}" data-tex="{latex}">{powers_html(entry.text)}</{tag}>'

    def row(tag: str, cells: Sequence[Cell]) -> str:
        return f"<tr>{''.join(cell(tag, entry) for entry in cells)}</tr>"

    notes = "\n".join(f"<li>{escape(one_line(note))}</li>" for note in table.notes)
    return "\n".join(
        (
            f'<div class="ntksym-table">\n<style>{STYLE}</style>\n<table>',
            *([f"<caption>{escape(one_line(table.title))}</caption>"] if table.title else []),
            f"<thead>\n{row('th', table.columns)}\n</thead>\n<tbody>",
            *(row("td", cells) for cells in table.rows),
            "</tbody>\n</table>",
            *([f'<ul class="ntksym-notes">\n{notes}\n</ul>'] if table.notes else []),
            "</div>",
        )
    )
