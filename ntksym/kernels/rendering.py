"""Kernel recursions as text, Markdown and LaTeX, each with a clause that says what is assumed and how it is known."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ntksym.errors import KernelError
from ntksym.kernels.recursion import KernelRecursion, renderers
from ntksym.kernels.rendering_notes import Note, has_ntk, notes
from ntksym.kernels.rendering_steps import Page, page
from ntksym.kernels.rendering_tex import LETTERS, Tex
from ntksym.kernels.rendering_text import Text
from ntksym.kernels.sources import bibtex
from ntksym.records.escapes import markdown_escaped, tex_escaped_text


def to_text(recursion: KernelRecursion) -> str:
    """The definitions in order, one to a line, then what they assume."""
    found = page(recursion)
    text = Text(found.glossary)
    lines = [_title(recursion), "", *map(text.item, found.items), ""]
    return "\n".join([*lines, *(f"- {_said(note, str, text.expression)}" for note in notes(recursion, found))])


def to_markdown(recursion: KernelRecursion) -> str:
    """A heading, the recursion in one display, and notes; mathematics between dollar signs."""
    found = page(recursion)
    tex = Tex(found.glossary)
    below = [f"- {_said(note, markdown_escaped, _dollars(tex))}" for note in notes(recursion, found)]
    title = f"**{markdown_escaped(_title(recursion))}**"
    return "\n\n".join((title, f"$$\n{_aligned(found, tex)}\n$$", "\n".join(below)))


def to_latex(recursion: KernelRecursion, symbols: Mapping[str, str] | None = None, document: bool = False) -> str:
    """An ``aligned`` environment, or a document of its own that needs amsmath, amssymb and geometry only.

    ``symbols`` gives LaTeX of one's own to hyperparameters and dimensions (``sigma_w``) and to letters of the
    definitions (K, E, dE, Theta, G, C, m, a, nngp, ntk) and the inputs (x). Raises KernelError for other names.
    """
    found = page(recursion)
    tex = Tex(found.glossary, dict(symbols or {}))
    known = [*LETTERS, "x", "x'", *_parameters(recursion)]
    for name in tex.symbols:
        if name not in known:
            raise KernelError(f"symbols: nothing here is named {name!r}; known are {', '.join(known)}")
    if not document:
        return _aligned(found, tex)
    items = "\n".join(rf"\item {_said(note, tex_escaped_text, _dollars(tex))}" for note in notes(recursion, found))
    return "\n".join(
        (
            r"\documentclass{article}",
            r"\usepackage{amsmath,amssymb}",
            r"\usepackage[a4paper,margin=1.8cm]{geometry}",
            r"\allowdisplaybreaks",
            r"\begin{document}",
            rf"\section*{{{tex_escaped_text(_title(recursion))}}}",
            f"\\begin{{align*}}\n{_rows(found, tex)}\n\\end{{align*}}",
            r"\begin{itemize}",
            items,
            r"\end{itemize}",
            r"\end{document}",
            "",
        )
    )


def _aligned(found: Page, tex: Tex) -> str:
    return f"\\begin{{aligned}}\n{_rows(found, tex)}\n\\end{{aligned}}"


def _rows(found: Page, tex: Tex) -> str:
    return " \\\\\n".join(row for item in found.items for row in tex.item(item))


def _title(recursion: KernelRecursion) -> str:
    kernels = "NNGP and neural tangent kernel" if has_ntk(recursion) else "NNGP kernel"
    return f"{kernels} of {recursion.program.name} at infinite width"


def _parameters(recursion: KernelRecursion) -> list[str]:
    return list(dict.fromkeys([*recursion.hyperparameters, *(dim.name for dim in recursion.program.dims)]))


def _said(note: Note, words: Callable[[str], str], mathematics: Callable[[Any], str]) -> str:
    return "".join(_escaped(part, words) if isinstance(part, str) else mathematics(part) for part in note)


def _escaped(text: str, words: Callable[[str], str]) -> str:
    """Text made safe, the spaces at its ends kept."""
    inside = text.strip()
    before, _, after = text.partition(inside) if inside else (text, "", "")
    return before + words(inside) + after


def _dollars(tex: Tex) -> Callable[[Any], str]:
    return lambda expression: f"${tex.expression(expression)}$"


renderers["text"] = to_text
renderers["markdown"] = to_markdown
renderers["latex"] = to_latex
renderers["bibtex"] = bibtex
