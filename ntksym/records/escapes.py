"""User text made safe for each form: a name with a pipe, a dollar or a tag in it stays a name."""

from __future__ import annotations

import re
import unicodedata

_TEX = {
    "\\": r"\textbackslash{}",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': "''",
    "[": "{[}",  # a row that begins with [ would be read as an argument of the line break before it
    **{character: "\\" + character for character in "_#$%&{}"},
}
_TEX_SYMBOLS = {"−": "-", "≤": r"\le", "≥": r"\ge", "→": r"\to", "∞": r"\infty", "√": r"\surd", "·": r"\cdot"}
_NO_COMMAND = {"omicron", "final sigma"}
_CAPITALS = {"gamma", "delta", "theta", "lambda", "xi", "pi", "sigma", "upsilon", "phi", "psi", "omega"}


def one_line(text: str) -> str:
    """The text in one line, without characters that would steer a terminal."""
    words = " ".join(text.split())
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in words)


def markdown_escaped(text: str) -> str:
    """Text for a cell of a Markdown table or a line of text."""
    text = re.sub(r"([\\`*|<>\[\]$~])", r"\\\1", one_line(text))
    return re.sub(r"(?<![^\W_])_|_(?![^\W_])", r"\\_", text)  # d_in needs no escape, _x_ does


def tex_escaped_text(text: str) -> str:
    """Text for LaTeX outside of math."""
    return tex_ascii("".join(_TEX.get(character, character) for character in one_line(text)))


def tex_ascii(latex: str) -> str:
    """LaTeX with Greek letters and common signs as commands, which every engine knows."""
    return "".join(character if character.isascii() else _tex_character(character) for character in latex)


def _tex_character(character: str) -> str:
    if character in _TEX_SYMBOLS:
        command = _TEX_SYMBOLS[character]
        return rf"\ensuremath{{{command}}}" if command.startswith("\\") else command
    greek = re.fullmatch(r"GREEK (SMALL|CAPITAL) LETTER ([A-Z ]+)", unicodedata.name(character, ""))
    if greek is None:
        return character
    name = greek[2].lower().replace("lamda", "lambda")
    if " " in name or name in _NO_COMMAND or (greek[1] == "CAPITAL" and name not in _CAPITALS):
        return character
    return rf"\ensuremath{{\{name if greek[1] == 'SMALL' else name.capitalize()}}}"


def display_width(text: str) -> int:
    """How many columns of a terminal a text takes."""
    wide = sum(unicodedata.east_asian_width(c) in "WF" for c in text)
    return len(text) + wide - sum(map(bool, map(unicodedata.combining, text)))
