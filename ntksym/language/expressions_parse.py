"""Text to expression: mathematics and nothing else.

The text is split into a Python syntax tree, which runs nothing, and every node that is not in the small
grammar below is refused; nothing is ever evaluated but exact arithmetic of bounded size.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from fractions import Fraction
from keyword import iskeyword
from typing import TypeGuard

from ntksym.errors import ExpressionError
from ntksym.language.expressions_build import (
    MAX_EXPONENT,
    MINUS_ONE,
    add,
    call,
    mul,
    number,
    piecewise,
    power,
    substitute,
)
from ntksym.language.expressions_nodes import (
    CONSTANTS,
    FUNCTIONS,
    Condition,
    Constant,
    Expr,
    Relation,
    Symbol,
    children,
    symbols,
)

MAX_LENGTH = 2000
MAX_NESTING = 64
# a function of the registry may use its argument twice, so nested calls could grow without bound
MAX_NODES = 2000
MAX_DEPTH = 100

_ALIASES = {"abs": "Abs", "max": "Max", "min": "Min", "Heaviside": "step"}
_CONSTANTS = {**dict.fromkeys(("e", "E"), "e"), "pi": "pi"}
# names of other libraries that are too far from ours for difflib
_OTHER_NAMES = {
    **{"ln": "log", "arcsin": "asin", "arccos": "acos", "arctan": "atan", "arcsinh": "asinh"},
    **{"sgn": "sign", "ndtr": "Phi", "norm_cdf": "Phi", "theta": "step", "maximum": "Max", "minimum": "Min"},
}
_KNOWN_CHARACTERS = re.compile(r"[A-Za-z0-9_+\-*/^().,<>=!\s]")
_DECIMAL = re.compile(r"(\d+\.?\d*|\.\d+)(?:[eE]([+-]?\d+))?")
_COMPARISONS: Mapping[type[ast.cmpop], str] = {ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">="}
_FOUND: Mapping[type[ast.AST], str] = {
    ast.Attribute: "a dot after a name (an attribute)",
    ast.Compare: "a comparison outside Piecewise",
    ast.BoolOp: "'and' or 'or'",
    ast.IfExp: "'if'; write Piecewise((a, z > 0), (b, True))",
    ast.Tuple: "a list of values",
    ast.Starred: "a starred argument",
    ast.Lambda: "'lambda'",
    ast.NamedExpr: "an assignment",
    ast.GeneratorExp: "a loop",
}


def parse(text: str, symbols: tuple[str, ...] = ("z",), functions: Mapping[str, Expr] | None = None) -> Expr:
    """The expression that ``text`` spells, in canonical form.

    Read are numbers (exact: ``0.1`` is 1/10), ``pi``, ``e``, the given symbols, ``+ - * / **`` (also ``^``),
    parentheses, the elementary functions of ``FUNCTIONS``, ``sqrt``, ``Piecewise`` with comparisons, and
    the given ``functions``, each an expression in one symbol. Everything else, and input beyond
    ``MAX_LENGTH`` characters or ``MAX_NESTING`` levels, raises ``ExpressionError`` with one line that says
    what was found and what is accepted.
    """
    for symbol in symbols:
        if not symbol.isidentifier() or not symbol.isascii() or iskeyword(symbol) or symbol in _CONSTANTS:
            raise ExpressionError(f"{symbol!r} cannot be the name of a symbol: use letters, digits, _")
    return _Reader(text, symbols, functions or {}).read()


def quoted(text: str) -> str:
    """A text as a message shows it: on one line, not longer than can be taken in at a glance."""
    return repr(text if len(text) <= 80 else text[:77] + "...")


def close_to(name: str, known: Mapping[str, object] | list[str]) -> str:
    """A suggestion for a misspelt name, or nothing."""
    matches = get_close_matches(name, known, 2, 0.6) or get_close_matches(name.lower(), known, 2, 0.6)
    return f"; did you mean {' or '.join(matches)}?" if matches else ""


class _Reader:
    def __init__(self, text: str, symbols: tuple[str, ...], functions: Mapping[str, Expr]) -> None:
        self.text, self.symbols, self.functions = text, symbols, functions
        # Python's ^ binds more loosely than +, so it must become ** before anything is parsed
        self.python = " ".join(text.split()).replace("^", "**")

    def read(self) -> Expr:
        try:
            expr = self.expression(self.syntax())
        except ExpressionError as error:
            if str(error).startswith("cannot read "):
                raise
            raise self.refusal(str(error), "") from None  # raised while the tree was built
        if _measure(expr)[1] > MAX_DEPTH:
            raise self.refusal("it is nested too deep", f"; accepted are {MAX_DEPTH} levels")
        return expr

    def refusal(self, found: str, accepted: str | None = None) -> ExpressionError:
        if accepted is None:
            names = ", ".join(["numbers", *CONSTANTS, *self.symbols])
            accepted = f"; accepted are {names}, + - * / ** ( ), and functions such as tanh({self.argument()})"
        return ExpressionError(f"cannot read {quoted(self.text)}: {found}{accepted}")

    # --- text to a Python syntax tree ---

    def syntax(self) -> ast.expr:
        if len(self.text) > MAX_LENGTH:
            raise self.refusal(f"{len(self.text)} characters", f"; accepted are at most {MAX_LENGTH}")
        strange = [character for character in self.text if not _KNOWN_CHARACTERS.match(character)]
        if strange:
            raise self.refusal(f"found the character {strange[0]!r}")
        if not self.python:
            raise self.refusal("found nothing")
        if self.parentheses() > MAX_NESTING:
            raise self.refusal("parentheses are nested too deep", f"; accepted are {MAX_NESTING} levels")
        try:
            tree = ast.parse(self.python, mode="eval").body
        except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
            raise self.refusal(f"found {self.broken(error)}") from None
        if _nesting(tree) > MAX_NESTING:
            raise self.refusal("it is nested too deep", f"; accepted are {MAX_NESTING} levels")
        return tree

    def parentheses(self) -> int:
        depth = deepest = 0
        for character in self.python:
            depth += (character == "(") - (character == ")")
            deepest = max(deepest, depth)
        return deepest

    def broken(self, error: Exception) -> str:
        """What stands where Python stopped reading."""
        if re.search(r"(?<![\w.])\d[\d.]*[A-DF-Za-df-z_(]", self.python):
            return "a number next to a name; write 2*z for twice z"
        if self.python.count("(") != self.python.count(")"):
            return "parentheses that do not match"
        start = (getattr(error, "offset", None) or 0) - 1
        rest = self.python[start : start + 12] if 0 <= start < len(self.python) else ""
        return f"a formula that breaks off at {rest!r}" if rest else "an unfinished formula"

    # --- syntax tree to expression: one method for each thing the grammar has ---

    def expression(self, node: ast.expr) -> Expr:
        match node:
            case ast.Constant():
                return self.number(node)
            case ast.Name(id=name):
                return self.name(name)
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return mul(MINUS_ONE, self.expression(operand))
            case ast.UnaryOp(op=ast.UAdd(), operand=operand):
                return self.expression(operand)
            case ast.BinOp(op=ast.Add() | ast.Sub()):
                return add(*self.terms(node))
            case ast.BinOp(op=ast.Mult() | ast.Div()):
                return mul(*self.factors(node))
            case ast.BinOp(op=ast.Pow(), left=base, right=exponent):
                return power(self.expression(base), self.expression(exponent))
            case ast.Call():
                return self.call(node)
        raise self.refusal(f"found {self.describe(node)}")

    def describe(self, node: ast.AST) -> str:
        known = _FOUND.get(type(node))
        return known or repr((ast.get_source_segment(self.python, node) or type(node).__name__)[:40])

    def number(self, node: ast.Constant) -> Expr:
        written = ast.get_source_segment(self.python, node) or ""
        decimal = _DECIMAL.fullmatch(written)
        if not decimal:
            raise self.refusal(f"found {written!r}, which is not a decimal number")
        if abs(int((decimal[2] or "0")[:9])) > MAX_EXPONENT:
            raise self.refusal(f"the exponent in {written!r} is beyond {MAX_EXPONENT}")
        return number(Fraction(written))

    def name(self, name: str) -> Expr:
        if name in self.symbols:
            return Symbol(name)
        if name in _CONSTANTS:
            return Constant(_CONSTANTS[name])
        if name in self.known_functions():
            raise self.refusal(f"found {name} without an argument", f"; write {name}({self.argument()})")
        known = [*self.symbols, *CONSTANTS]
        raise self.refusal(f"found the unknown name {name}", f"; known are {', '.join(known)}{close_to(name, known)}")

    def terms(self, node: ast.expr) -> Iterator[Expr]:
        """The terms of a + b - c + ..., which Python nests to the left, without recursion on the left."""
        signed = []
        while isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub):
            signed.append((isinstance(node.op, ast.Sub), node.right))
            node = node.left
        yield self.expression(node)
        for negative, term in reversed(signed):
            yield mul(MINUS_ONE, self.expression(term)) if negative else self.expression(term)

    def factors(self, node: ast.expr) -> Iterator[Expr]:
        below_or_above = []
        while isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult | ast.Div):
            below_or_above.append((isinstance(node.op, ast.Div), node.right))
            node = node.left
        yield self.expression(node)
        for below, factor in reversed(below_or_above):
            yield power(self.expression(factor), MINUS_ONE) if below else self.expression(factor)

    def call(self, node: ast.Call) -> Expr:
        if not isinstance(node.func, ast.Name):
            raise self.refusal(f"found a call of {self.describe(node.func)}", "; write * for a product")
        name = node.func.id
        name = _ALIASES.get(name, name)
        if node.keywords:
            raise self.refusal("found a keyword argument (=)", f"; write {name}({self.argument()})")
        if name == "Piecewise":
            return piecewise(self.piece(piece) for piece in node.args)
        if name not in self.known_functions():
            raise self.refusal(f"found the unknown function {name}", self.suggestion(name))
        arity = FUNCTIONS.get(name, 1)
        if len(node.args) != arity and not (arity is None and node.args):
            takes = "at least one argument" if arity is None else "one argument"
            raise self.refusal(f"found {name} with {len(node.args)} arguments", f"; it takes {takes}")
        args = [self.expression(arg) for arg in node.args]
        if name == "sqrt":
            return power(args[0], number(Fraction(1, 2)))
        return call(name, *args) if name in FUNCTIONS else self.inlined(name, args[0])

    def inlined(self, name: str, argument: Expr) -> Expr:
        body = self.functions[name]
        (size, depth, uses), (added, deeper, _) = _measure(body), _measure(argument)
        if size + uses * added > MAX_NODES or depth + deeper > MAX_DEPTH:
            raise self.refusal("written out it is too large", f"; accepted are {MAX_NODES} operations")
        return substitute(body, dict.fromkeys(symbols(body), argument))

    def piece(self, node: ast.expr) -> tuple[Expr, Condition]:
        if not (isinstance(node, ast.Tuple) and len(node.elts) == 2):
            found = ast.get_source_segment(self.python, node)
            raise self.refusal(f"found {found!r} in Piecewise", "; write (value, condition)")
        return self.expression(node.elts[0]), self.condition(node.elts[1])

    def condition(self, node: ast.expr) -> Condition:
        match node:
            case ast.Constant(value=True):
                return True
            case ast.Compare(left=lhs, ops=[op], comparators=[rhs]) if type(op) in _COMPARISONS:
                return Relation(self.expression(lhs), _COMPARISONS[type(op)], self.expression(rhs))
        raise self.refusal(
            f"found the condition {ast.get_source_segment(self.python, node)!r}",
            "; accepted are a < b, a <= b, a > b, a >= b and True",
        )

    def known_functions(self) -> list[str]:
        return [*FUNCTIONS, *_ALIASES, "sqrt", "Piecewise", *self.functions]

    def argument(self) -> str:
        return self.symbols[0] if self.symbols else "1"

    def suggestion(self, name: str) -> str:
        if name in _OTHER_NAMES:
            return f"; did you mean {_OTHER_NAMES[name]}?"
        if name in self.symbols:
            return f"; write {name}*(...) for a product"
        return close_to(name, self.known_functions()) or f"; known are {', '.join(self.known_functions())}"


def _nesting(tree: ast.AST) -> int:
    """The depth of a syntax tree; sums and products count once, however many terms they have."""
    deepest, waiting = 0, [(tree, 1)]
    while waiting:
        node, depth = waiting.pop()
        deepest = max(deepest, depth)
        for child in ast.iter_child_nodes(node):
            chained = _is_chain(node) and _is_chain(child) and child is node.left
            waiting.append((child, depth if chained else depth + 1))
    return deepest


def _is_chain(node: ast.AST) -> TypeGuard[ast.BinOp]:
    return isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub | ast.Mult | ast.Div)


def _measure(expr: Expr) -> tuple[int, int, int]:
    """(nodes, depth, how many symbols) of an expression."""
    inner = [_measure(child) for child in children(expr)]
    if not inner:
        return 1, 1, int(isinstance(expr, Symbol))
    return 1 + sum(s for s, _, _ in inner), 1 + max(d for _, d, _ in inner), sum(u for _, _, u in inner)
