"""SymPy expressions as text that reads back to the same expression, without evaluating any of it as code.

A line ``K3`` at both points is written ``K3[1, 2]``, on a diagonal ``K3[1, 1]``, a line over one point ``m1[2]``.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping
from typing import Any

from ntksym._lazy import lazy
from ntksym.errors import ExpressionError, KernelError
from ntksym.gaussian.special import BivariateNormal, NormalCDF, Orthant
from ntksym.gaussian.unevaluated import Unevaluated
from ntksym.language.expressions_build import MAX_BITS
from ntksym.records.formula import SAME, readings, ref

sympy = lazy("sympy")

_FUNCTIONS = (
    *("Abs", "Heaviside", "Max", "Min", "acos", "asin", "atan", "ceiling", "cos", "cosh", "erf", "erfc", "exp"),
    *("floor", "log", "sign", "sin", "sinh", "sqrt", "tan", "tanh"),
)
_OWN: dict[str, Any] = {each.__name__: each for each in (BivariateNormal, NormalCDF, Orthant)}
_OPERATIONS: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: lambda a, b: a + b,
    ast.Sub: lambda a, b: a - b,
    ast.Mult: lambda a, b: a * b,
    ast.Div: lambda a, b: a / b,
    ast.Pow: lambda a, b: a**b,
}
_RELATIONS: Mapping[type[ast.cmpop], str] = {ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">="}
MAX_LENGTH = 1_000_000


def assumption(symbol: Any) -> str:
    """What is assumed of a symbol."""
    return next((word for word in ("positive", "nonnegative", "real") if getattr(symbol, f"is_{word}")), "")


def written(expression: Any) -> str:
    """The expression as text."""
    changes = {symbol: sympy.Symbol(_reading(*known)) for symbol, known in readings(expression).items()}
    for part in expression.atoms(Unevaluated):
        changes[part.args[0]] = sympy.Symbol(repr(part.args[0].name))
    return str(sympy.sstr(expression.xreplace(changes), full_prec=True))


def _reading(name: str, side: str) -> str:
    kind, _, axis = name.partition(":")
    points = ", ".join(side)
    return f"{kind}[{axis!r}, {points}]" if axis else f"{kind}[{points}]"


def read(text: str, assumed: Mapping[str, str]) -> Any:
    """The expression of a text; ``assumed`` says what is assumed of symbols other than real.

    Raises KernelError for anything but the mathematics that ``written`` writes.
    """
    if not isinstance(text, str) or len(text) > MAX_LENGTH:
        raise KernelError(f"an expression must be a text of at most {MAX_LENGTH} characters")
    try:
        return _Reader(assumed).expression(ast.parse(text, mode="eval").body)
    except ExpressionError as error:
        raise KernelError(str(error)) from None
    except (SyntaxError, RecursionError, MemoryError, TypeError, ValueError):
        raise KernelError(f"not a formula: {text[:60]!r}") from None


class _Reader:
    """One method for each thing that the grammar has; every other node of the syntax tree is refused."""

    def __init__(self, assumed: Mapping[str, str]) -> None:
        self.assumed = assumed

    def expression(self, node: ast.AST) -> Any:
        match node:
            case ast.Constant(value=bool(value)):
                return sympy.true if value else sympy.false
            case ast.Constant(value=int(value)):
                return sympy.Integer(value)
            case ast.Constant(value=float()):
                return sympy.Float(ast.unparse(node))
            case ast.Name(id=name):
                return self._name(name)
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return -self.expression(operand)
            case ast.BinOp(op=op, left=left, right=right) if type(op) in _OPERATIONS:
                return self._operation(op, self.expression(left), self.expression(right))
            case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in _RELATIONS:
                return sympy.Rel(self.expression(left), self.expression(right), _RELATIONS[type(op)])
            case ast.Subscript(value=ast.Name(id=name), slice=where):
                return self._reading(name, where)
            case ast.Call(func=ast.Name(id=name), args=args, keywords=[]):
                return self._call(name, args)
        raise KernelError(f"not a formula: found {ast.unparse(node)[:40]!r}")

    def _name(self, name: str) -> Any:
        if name in ("pi", "E", "I", "oo"):
            return getattr(sympy, name)
        word = self.assumed.get(name, "real")
        if word not in ("positive", "nonnegative", "real", ""):
            raise KernelError(f"{name}: nothing is known of the assumption {word!r}")
        return sympy.Symbol(name, **({word: True} if word else {}))

    def _operation(self, op: ast.operator, left: Any, right: Any) -> Any:
        if isinstance(op, ast.Pow) and left.is_Rational and right.is_Rational:
            bits = max(abs(left.p).bit_length(), left.q.bit_length())
            if bits * abs(right) > MAX_BITS:
                raise KernelError(f"a power of more than {MAX_BITS} bits is too large")
        return _OPERATIONS[type(op)](left, right)

    def _reading(self, name: str, where: ast.expr) -> Any:
        parts = [part.value for part in getattr(where, "elts", [where]) if isinstance(part, ast.Constant)]
        axes = [part for part in parts if isinstance(part, str)]
        axis = f":{axes[0]}" if name == SAME and len(axes) == 1 else ""
        side = "".join(str(part) for part in parts if isinstance(part, int))
        if side not in ("1", "2", "11", "12", "22") or not re.fullmatch(r"[A-Za-z]+\d*", name):
            raise KernelError(f"not a reading of a line: {name}[{ast.unparse(where)[:40]}]")
        return ref(name + axis, side)

    def _call(self, name: str, args: list[ast.expr]) -> Any:
        if name == "Unevaluated" and args and isinstance(args[0], ast.Constant):
            found = Unevaluated(sympy.Symbol(_text(args[0].value)), *map(self.expression, args[1:]))
            assert found.question  # the text is parsed, and refused where it is no formula
            return found
        if name == "Piecewise":
            pieces = [piece.elts for piece in args if isinstance(piece, ast.Tuple)]
            return sympy.Piecewise(*((self.expression(value), self.expression(when)) for value, when in pieces))
        if name not in _OWN and name not in _FUNCTIONS:
            raise KernelError(f"not a formula: found the unknown function {name[:40]}")
        return (_OWN.get(name) or getattr(sympy, name))(*map(self.expression, args))


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise KernelError(f"not a formula: the function of an expectation is a text, found {value!r}")
    return value
