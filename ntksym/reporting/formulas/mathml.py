"""Formulas as MathML Core, which browsers typeset themselves."""

from __future__ import annotations

from html import escape

from ntksym.reporting.formulas.read import read
from ntksym.reporting.formulas.tree import Accent, Fenced, Fraction, Grid, Node, Root, Row, Scripts, Space, Token, Words

_BRACKETS = frozenset("()[]{}|‖⟨⟩⌊⌋⌈⌉")
_NAMESPACE = "http://www.w3.org/1998/Math/MathML"
_ALIGNED = {"l": "left", "r": "right", "c": "center"}


def to_mathml(latex: str, display: bool = False) -> str:
    """A ``math`` element of LaTeX; raises NtksymError for what ``read`` does not know."""
    block = ' display="block"' if display else ""
    return f'<math xmlns="{_NAMESPACE}"{block}>{_written(read(latex), display)}</math>'


def _written(node: Node, display: bool) -> str:
    def inner(part: Node) -> str:
        return _written(part, display)

    match node:
        case Token():
            return _token(node)
        case Words(text):
            return f"<mtext>{escape(text).replace(' ', '&#160;')}</mtext>"
        case Space(em):
            return f'<mspace width="{em:.3f}em"></mspace>'
        case Row(parts):
            return f"<mrow>{''.join(map(inner, _signed(parts)))}</mrow>"
        case Fraction(over, under):
            return f"<mfrac>{_written(over, False)}{_written(under, False)}</mfrac>"
        case Root(of, None):
            return f"<msqrt>{inner(of)}</msqrt>"
        case Root(of, degree) if degree is not None:
            return f"<mroot>{inner(of)}{inner(degree)}</mroot>"
        case Scripts(base, below, above, limits):
            return _scripts(inner(base), below, above, limits and display)
        case Accent(mark, of):
            # no accent="true": browsers then draw the mark into the letter, and a derivative looks like its function
            return f'<mover>{inner(of)}<mo stretchy="false">{escape(mark)}</mo></mover>'
        case Fenced(left, of, right):
            return f"<mrow>{_fence(left, 'prefix')}{inner(of)}{_fence(right, 'postfix')}</mrow>"
        case Grid(rows, columns, outer):
            return _grid(rows, columns, outer)
    raise AssertionError(node)


def _signed(parts: tuple[Node, ...]) -> list[Node]:
    """The parts of a row, a minus or plus that nothing stands before marked as a sign: it is set close."""
    out: list[Node] = []
    for before, part in zip((None, *parts), parts, strict=False):
        operator = isinstance(before, Token) and before.kind == "operator" and before.text not in ")]}|′"
        alone = before is None or operator or isinstance(before, Words)
        sign = isinstance(part, Token) and part.text in ("−", "+", "±")
        out.append(Token("sign", part.text) if alone and sign and isinstance(part, Token) else part)
    return out


def _token(token: Token) -> str:
    text = escape(token.text)
    if token.kind == "number":
        return f"<mn>{text}</mn>"
    if token.kind == "sign":
        return f'<mo form="prefix">{text}</mo>'
    if token.kind == "operator":
        return f'<mo stretchy="false">{text}</mo>' if token.text in _BRACKETS else f"<mo>{text}</mo>"
    upright = ' mathvariant="normal"' if token.kind == "upright" and len(token.text) == 1 else ""
    return f"<mi{upright}>{text}</mi>"


def _fence(sign: str, form: str) -> str:
    return f'<mo form="{form}" fence="true" stretchy="true">{escape(sign)}</mo>' if sign else ""


def _scripts(base: str, below: Node | None, above: Node | None, limits: bool) -> str:
    scripts = [_written(script, False) for script in (below, above) if script is not None]
    names = ("munderover", "munder", "mover") if limits else ("msubsup", "msub", "msup")
    name = names[0] if len(scripts) == 2 else names[1] if below is not None else names[2]
    return f"<{name}>{base}{''.join(scripts)}</{name}>"


def _grid(rows: tuple[tuple[Node, ...], ...], columns: str, outer: bool) -> str:
    def cell(part: Node, column: int) -> str:
        side = _ALIGNED[columns[min(column, len(columns) - 1)]]
        pad = "padding-left:0;padding-right:0;" if outer else ""
        return f'<mtd style="{pad}text-align:{side}">{_written(part, outer)}</mtd>'

    body = "".join(f"<mtr>{''.join(cell(part, i) for i, part in enumerate(row))}</mtr>" for row in rows)
    return f"<mtable{' displaystyle=' + chr(34) + 'true' + chr(34) if outer else ''}>{body}</mtable>"
