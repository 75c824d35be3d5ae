"""Formulas as Typst markup, for pages that are typeset without LaTeX."""

from __future__ import annotations

import json

from ntksym.reporting.formulas.read import read
from ntksym.reporting.formulas.tree import Accent, Fenced, Fraction, Grid, Node, Root, Row, Scripts, Space, Token, Words

_ACCENTS = {"˙": "dot", "¨": "dot.double", "^": "hat", "¯": "macron", "~": "tilde", "→": "arrow"}
_ALIGNED = {"l": "left", "r": "right", "c": "center"}


def to_typst(latex: str, display: bool = False) -> str:
    """A formula between dollars, as Typst reads it; raises NtksymError for what ``read`` does not know."""
    body = _written(read(latex))
    return f"$ {body} $" if display else f"${body}$"


def _written(node: Node) -> str:
    match node:
        case Token(kind, text):
            return _token(kind, text)
        case Words(text):
            return f"#text(font: body-font, {_quoted(text)})"
        case Space(em):
            return f"#h({em:.3f}em)"
        case Row(parts):
            return " ".join(map(_written, parts)) or '""'
        case Fraction(over, under):
            return f"frac({_written(over)}, {_written(under)})"
        case Root(of, None):
            return f"sqrt({_written(of)})"
        case Root(of, degree) if degree is not None:
            return f"root({_written(degree)}, {_written(of)})"
        case Scripts(base, below, above, limits):
            return _scripts(_written(base), below, above, limits)
        case Accent(mark, of):
            return f"accent({_written(of)}, {_ACCENTS[mark]})"
        case Fenced(left, of, right):
            inside = f"{_bracket(left)} {_written(of)} {_bracket(right)}"
            return f"lr({inside})"
        case Grid(rows, columns, outer):
            return _grid(rows, columns, outer)
    raise AssertionError(node)


def _token(kind: str, text: str) -> str:
    if kind == "letter":
        return text  # quoted it would keep the space before the next one
    if kind == "operator":
        return _bracket(text) if text in "()[]{}|‖⟨⟩⌊⌋⌈⌉" else f"#math.class({_quoted(_class(text))}, {_quoted(text)})"
    if kind == "number":
        return text
    return f"upright({text})" if len(text) == 1 else f"op({_quoted(text)})"


def _bracket(sign: str) -> str:
    """A bracket that is not matched with another one by itself."""
    return f"\\{sign}" if sign else ""


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _class(sign: str) -> str:
    if sign in "=<>≤≥≠≪≫≡≈∼≃∝∈∉⊂→←↦⇒⇔⟶⟹:∥↔≍":
        return "relation"
    if sign in "+−±∓×⋅⊙⊗⊕∘∗⋆∧∨∩∪∖":
        return "binary"
    if sign in ",;":
        return "punctuation"
    return "large" if sign in "∑∏∫" else "normal"


def _scripts(base: str, below: Node | None, above: Node | None, limits: bool) -> str:
    where = ("b", "t") if limits else ("br", "tr")
    scripts = [f"{at}: {_written(part)}" for at, part in zip(where, (below, above), strict=True) if part is not None]
    return f"attach({f'limits({base})' if limits else base}, {', '.join(scripts)})"


def _grid(rows: tuple[tuple[Node, ...], ...], columns: str, outer: bool) -> str:
    if outer:  # lines of a display may break over pages, which a matrix may not
        return " \\\n".join(" & ".join(map(_written, row)) for row in rows)
    body = "; ".join(", ".join(map(_written, row)) for row in rows)
    sides = dict.fromkeys(_ALIGNED[column] for column in columns)
    side = next(iter(sides)) if len(sides) == 1 else "center"
    return f"mat(delim: #none, align: #{side}, {body})"
