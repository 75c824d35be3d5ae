"""Products of powers, such as n^-1*L^(1/2) or 4*d_head**2, written for LaTeX and for HTML."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import escape

from ntksym.language.printing_latex import tex_symbol

_TOKEN = re.compile(
    r"sqrt\((?P<root>\w+)\)"
    r"|(?:\^|\*\*)\s*(?:\((?P<quotient>-?\d+(?:/\d+)?)\)|(?P<power>-?\d+))"
    r"|(?P<function>max|min)(?=\()"
    r"|(?P<name>[^\W\d]\w*)"
    r"|(?P<times>\*)"
    r"|(?P<other>.)"
)


def powers_latex(text: str) -> str:
    r"""``n^{-1} L^{1/2}`` for ``n^-1*L^(1/2)``; maxima, minima, roots and quotients stay what they are."""
    return _written(
        text,
        {
            "root": lambda name: rf"\sqrt{{{tex_symbol(name)}}}",
            "quotient": lambda power: f"^{{{power}}}",
            "power": lambda power: f"^{{{power}}}",
            "function": lambda name: f"\\{name}",
            "name": tex_symbol,
            "times": lambda _: " ",
            "other": lambda character: character,
        },
    )


def powers_html(text: str) -> str:
    """The same with superscripts, which read well without a typesetter of mathematics."""
    return _written(
        text,
        {
            "root": lambda name: f"&#8730;{_italic(name)}",
            "quotient": _superscript,
            "power": _superscript,
            "function": str,
            "name": _italic,
            "times": lambda _: "&#8201;",
            "other": escape,
        },
    )


def _written(text: str, writers: dict[str, Callable[[str], str]]) -> str:
    parts = []
    for match in _TOKEN.finditer(text):
        kind = match.lastgroup
        assert kind is not None
        parts.append(writers[kind](match[kind]))
    return "".join(parts)


def _italic(name: str) -> str:
    head, _, tail = name.partition("_")
    return f"<i>{escape(head)}</i>" + (f"<sub>{escape(tail)}</sub>" if tail else "")


def _superscript(power: str) -> str:
    return f"<sup>{power.replace('-', '&#8722;')}</sup>"
