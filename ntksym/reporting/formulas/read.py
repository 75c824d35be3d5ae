r"""From LaTeX to a tree: the part of LaTeX's mathematics that ntksym writes, and what people write in derivations.

The grammar: a row is a list of atoms, each with scripts; an atom is a sign, a group in braces, or a command with its
arguments. An unknown command is an error that names it: a formula is never shown with a part missing.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from ntksym.errors import NtksymError
from ntksym.reporting.formulas.signs import (
    ACCENTS,
    CAPITALS,
    FENCES,
    FUNCTIONS,
    GREEK,
    OPERATORS,
    SPACES,
    STYLES,
    WITH_LIMITS,
    styled,
)
from ntksym.reporting.formulas.tree import Accent, Fenced, Fraction, Grid, Node, Root, Row, Scripts, Space, Token, Words

_LEXEMES = re.compile(r"\\[a-zA-Z]+\*?|\\.|\d+(?:\.\d+)?|\s+|.", re.DOTALL)
_TEXTS = {r"\text", r"\textrm", r"\mbox", r"\textbf", r"\textit", r"\emph"}
_BIG = {rf"\{size}{side}" for size in ("big", "Big", "bigg", "Bigg") for side in ("", "l", "r", "m")}
_NOTHING = {r"\displaystyle", r"\textstyle", r"\limits", r"\nolimits", r"\nonumber", r"\notag", r"\allowbreak"}
_MATRICES = {"matrix": ("", ""), "pmatrix": ("(", ")"), "bmatrix": ("[", "]"), "vmatrix": ("|", "|")}
_DISPLAYS = {"aligned", "align", "align*", "gathered", "gather", "gather*", "split", "equation", "equation*"}
_OTHER_SIGNS = {"-": "−", "*": "∗", "'": "′", "`": "‘"}


def read(latex: str) -> Node:
    """The tree of a formula, without dollars around it; raises NtksymError for what is not read, and names it."""
    lexemes = [found[0] for found in _LEXEMES.finditer(re.sub(r"(?<!\\)%.*", "", latex))]
    reader = _Reader(lexemes)
    found = reader.row(())
    if reader.at < len(lexemes):
        raise NtksymError(f"a formula has a {lexemes[reader.at]} that nothing opens: {latex}")
    return found


@dataclass
class _Reader:
    lexemes: list[str]
    at: int = 0

    # --- lexemes ---

    def peek(self) -> str:
        """The next lexeme that is no space; nothing at the end."""
        while self.at < len(self.lexemes) and self.lexemes[self.at].isspace():
            self.at += 1
        return self.lexemes[self.at] if self.at < len(self.lexemes) else ""

    def take(self) -> str:
        lexeme = self.peek()
        if not lexeme:
            raise NtksymError(f"a formula ends too early: {''.join(self.lexemes)}")
        self.at += 1
        return lexeme

    def skip(self, lexeme: str) -> bool:
        if self.peek() != lexeme:
            return False
        self.at += 1
        return True

    def expect(self, lexeme: str) -> None:
        if not self.skip(lexeme):
            raise NtksymError(f"a formula lacks {lexeme} before {self.peek() or 'its end'}: {''.join(self.lexemes)}")

    def braced(self) -> str:
        """What stands between braces, as it was typed."""
        self.expect("{")
        depth, start = 1, self.at
        while depth:
            if self.at == len(self.lexemes):
                raise NtksymError(f"a brace is not closed: {''.join(self.lexemes)}")
            depth += {"{": 1, "}": -1}.get(self.lexemes[self.at], 0)
            self.at += 1
        return "".join(self.lexemes[start : self.at - 1])

    # --- rows and scripts ---

    def row(self, ends: tuple[str, ...]) -> Node:
        """Atoms up to one of ``ends``, which is left to the caller."""
        parts: list[Node] = []
        while (lexeme := self.peek()) and lexeme not in ends and lexeme not in ("}", r"\right", r"\end", "&", r"\\"):
            parts.append(self.scripted())
        return parts[0] if len(parts) == 1 else Row(tuple(parts))

    def scripted(self) -> Node:
        base: Node = Row(()) if self.peek() in ("_", "^") else self.atom()
        below: Node | None = None
        above: list[Node] = []
        while self.peek() in ("_", "^", "'", r"\limits"):
            match self.take():
                case "_":
                    below = self.argument()
                case "^":
                    above.append(self.argument())
                case "'":
                    above.append(Token("operator", "′"))
        if below is None and not above:
            return base
        power = None if not above else above[0] if len(above) == 1 else Row(tuple(above))
        return Scripts(base, below, power, isinstance(base, Token) and base.text in WITH_LIMITS)

    def argument(self) -> Node:
        """A group in braces, or one atom; of digits without braces only the first, as in ``x^12``."""
        lexeme = self.peek()
        if lexeme[:1].isdecimal():
            self.lexemes[self.at : self.at + 1] = [lexeme[0], *([lexeme[1:]] if lexeme[1:] else [])]
        if not self.skip("{"):
            return self.atom()
        found = self.row(())
        self.expect("}")
        return found

    def atom(self) -> Node:
        lexeme = self.take()
        if lexeme == "{":
            self.at -= 1
            return self.argument()
        if lexeme.startswith("\\"):
            return self.command(lexeme)
        if lexeme[0].isdecimal():
            return Token("number", lexeme)
        if lexeme.isalpha():
            return Token("letter", lexeme)
        if lexeme == "~":
            return Space(1 / 4)
        return Token("operator", _OTHER_SIGNS.get(lexeme, lexeme))

    # --- commands ---

    def command(self, lexeme: str) -> Node:
        name = lexeme[1:]
        if name in GREEK:
            return Token("letter", GREEK[name])
        if name in CAPITALS:
            return Token("upright", CAPITALS[name])
        if name in OPERATORS:
            return Token("operator", OPERATORS[name])
        if name in FUNCTIONS:
            return Token("upright", name)
        if name in SPACES:
            return Space(SPACES[name])
        if name in ACCENTS:
            return Accent(ACCENTS[name], self.argument())
        if name in STYLES:
            return _restyled(name, self.argument())
        if lexeme in _NOTHING:
            return Row(())
        if lexeme in _TEXTS:
            return _words(self.braced())
        if lexeme in _BIG:
            return Token("operator", self.fence())
        if lexeme in _COMMANDS:
            return _COMMANDS[lexeme](self)
        raise NtksymError(f"formulas here know no {lexeme}; write it in other signs, or add it to reporting.formulas")

    def fence(self) -> str:
        lexeme = self.take()
        name = lexeme[1:] if lexeme.startswith("\\") else ""
        found = OPERATORS.get(name) if name else FENCES.get(lexeme)
        if found is None:
            raise NtksymError(f"{lexeme} is no bracket: {''.join(self.lexemes)}")
        return found

    def fenced(self) -> Node:
        left = self.fence()
        of = self.row(())
        self.expect(r"\right")
        return Fenced(left, of, self.fence())

    def fraction(self) -> Node:
        return Fraction(self.argument(), self.argument())

    def root(self) -> Node:
        degree = None
        if self.skip("["):
            degree = self.row(("]",))
            self.expect("]")
        return Root(self.argument(), degree)

    def upright(self) -> Node:
        """``\\mathrm``: a word stays one, anything else is read as it stands."""
        typed = self.braced()
        word = re.sub(r"\\([_#$%&{}])", r"\1", typed)
        if re.fullmatch(r"[^\\^{}'$]+", word) and ("_" not in typed or r"\_" in typed):
            return Token("upright", re.sub(r"\s+", "", word))
        return _Reader(_LEXEMES.findall(typed)).row(())

    def stacked(self, over: bool) -> Node:
        script, base = self.argument(), self.argument()
        return Scripts(base, None if over else script, script if over else None, True)

    def environment(self) -> Node:
        name = self.braced()
        spec = self.braced() if name == "array" else ""
        rows: list[tuple[Node, ...]] = []
        cells: list[Node] = []
        while True:
            cells.append(self.row(()))
            lexeme = self.take()
            if lexeme == "&":
                continue
            rows.append(tuple(cells))
            cells = []
            if lexeme == r"\end":
                break
            if lexeme != r"\\":
                raise NtksymError(f"a formula has a {lexeme} that nothing opens: {''.join(self.lexemes)}")
            if self.skip("["):  # an extra distance between lines
                self.row(("]",))
                self.expect("]")
        if (ended := self.braced()) != name:
            raise NtksymError(f"a formula begins {name} and ends {ended}")
        kept = tuple(row for row in rows if row != (Row(()),))
        return _grid(name, spec, kept)


_COMMANDS: dict[str, Callable[[_Reader], Node]] = {
    r"\left": _Reader.fenced,
    r"\begin": _Reader.environment,
    r"\sqrt": _Reader.root,
    **dict.fromkeys((r"\frac", r"\tfrac", r"\dfrac"), _Reader.fraction),
    **dict.fromkeys((r"\mathrm", r"\operatorname", r"\operatorname*"), _Reader.upright),
    r"\overset": lambda reader: reader.stacked(True),
    r"\underset": lambda reader: reader.stacked(False),
    r"\mathit": _Reader.argument,
}


def _grid(name: str, spec: str, rows: tuple[tuple[Node, ...], ...]) -> Node:
    width = max((len(row) for row in rows), default=1)
    if name in _DISPLAYS:
        columns = "c" if name.startswith("gather") else "rl" * ((width + 1) // 2)
        return Grid(rows, columns[:width] if width > 1 else columns[:1], True)
    if name == "cases":
        return Fenced("{", Grid(rows, "l" * width), "")
    if name == "array":
        return Grid(rows, re.sub("[^lrc]", "", spec))
    if name in _MATRICES:
        left, right = _MATRICES[name]
        return Fenced(left, Grid(rows, "c" * width), right)
    raise NtksymError(f"formulas here know no environment {name}")


def _words(typed: str) -> Node:
    r"""The argument of ``\text``: words, with formulas between dollars."""
    parts = typed.split("$")
    found = [
        read(part) if i % 2 else Words(re.sub(r"\\([_#$%&{} ])", r"\1", part).replace("~", " "))
        for i, part in enumerate(parts)
        if part
    ]
    return found[0] if len(found) == 1 else Row(tuple(found))


def _restyled(style: str, node: Node) -> Node:
    """The letters of a row in another alphabet; a bold word is one sign."""
    match node:
        case Token(kind, text):
            return Token("number" if kind == "number" else "upright", styled(style, text))
        case Row(parts) if parts and all(isinstance(part, Token | Space) for part in parts):
            signs = (styled(style, part.text) if isinstance(part, Token) else " " for part in parts)
            return Token("upright", "".join(signs))
        case Row(parts):
            return Row(tuple(_restyled(style, part) for part in parts))
        case Scripts(base, below, above, limits):
            return Scripts(_restyled(style, base), below, above, limits)
    return node
