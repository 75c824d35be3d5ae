"""Expressions for SymPy, and through it for LaTeX."""

from __future__ import annotations

from typing import Any

from ntksym._lazy import lazy
from ntksym.errors import ExpressionError
from ntksym.language.expressions_build import MAX_BITS
from ntksym.language.expressions_nodes import (
    RELATIONS,
    Add,
    Call,
    Condition,
    Constant,
    Expr,
    Mul,
    Number,
    Piecewise,
    Pow,
    Symbol,
)

sympy = lazy("sympy")


def to_sympy(expr: Expr) -> Any:
    """The same function in SymPy: real symbols, exact numbers; Phi becomes (1 + erf(z/sqrt(2)))/2.

    Raises ``ExpressionError`` where SymPy would work out a number of more than ``MAX_BITS`` bits.
    """
    match expr:
        case Number(value):
            return sympy.Rational(value.numerator, value.denominator)
        case Constant(name):
            return sympy.pi if name == "pi" else sympy.E
        case Symbol(name):
            return sympy.Symbol(name, real=True)
        case Add(args):
            return sympy.Add(*map(to_sympy, args))
        case Mul(args):
            return sympy.Mul(*map(to_sympy, args))
        case Pow(base, exponent):
            return _power(to_sympy(base), to_sympy(exponent))
        case Call("Phi", (arg,)):
            return (1 + sympy.erf(to_sympy(arg) / sympy.sqrt(2))) / 2
        case Call("step", (arg,)):
            return sympy.Heaviside(to_sympy(arg), sympy.Rational(1, 2))
        case Call(name, args):
            return getattr(sympy, name)(*map(to_sympy, args))
        case Piecewise(pieces):
            return sympy.Piecewise(*((to_sympy(value), _condition(c)) for value, c in pieces))
    raise TypeError(f"not an expression: {expr!r}")


def latex(expr: Expr) -> str:
    """The expression in LaTeX, without dollar signs."""
    return str(sympy.latex(to_sympy(expr)))


def _power(base: Any, exponent: Any) -> Any:
    # SymPy simplifies more than the parser does, so Abs(sin(pi/2) + 8)**1000 is a number here and not before
    if base.is_Rational and exponent.is_Rational:
        bits = max(abs(base.p).bit_length(), base.q.bit_length())
        if bits * abs(exponent) > MAX_BITS:
            raise ExpressionError(f"a power of more than {MAX_BITS} bits is too large")
    return sympy.Pow(base, exponent)


def _condition(condition: Condition) -> Any:
    if condition is True:
        return True
    return RELATIONS[condition.op](to_sympy(condition.lhs), to_sympy(condition.rhs))
