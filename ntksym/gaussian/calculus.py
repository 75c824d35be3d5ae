"""Derivatives of expressions, and whether an expression jumps."""

from __future__ import annotations

from typing import Any

from ntksym._lazy import lazy
from ntksym.gaussian.pieces import has_kinks, pieces, to_mpf
from ntksym.gaussian.terms import NotMine
from ntksym.language.expressions import (
    Add,
    Call,
    Constant,
    Expr,
    Mul,
    Number,
    Piecewise,
    Pow,
    Relation,
    Symbol,
    add,
    call,
    mpmath_function,
    mul,
    number,
    parse,
    piecewise,
    power,
    substitute,
    symbols,
)

mpmath = lazy("mpmath")

# d/dx of the elementary functions, where they are smooth
_DERIVATIVES = {
    "exp": "exp(x)",
    "log": "1/x",
    "sin": "cos(x)",
    "cos": "-sin(x)",
    "tan": "1 + tan(x)**2",
    "sinh": "cosh(x)",
    "cosh": "sinh(x)",
    "tanh": "1 - tanh(x)**2",
    "asin": "1/sqrt(1 - x**2)",
    "acos": "-1/sqrt(1 - x**2)",
    "atan": "1/(1 + x**2)",
    "asinh": "1/sqrt(1 + x**2)",
    "erf": "2/sqrt(pi)*exp(-x**2)",
    "erfc": "-2/sqrt(pi)*exp(-x**2)",
    "Phi": "exp(-x**2/2)/sqrt(2*pi)",
    "Abs": "sign(x)",
    "sign": "0",
    "step": "0",
}


def derivative(expr: Expr, symbol: str) -> Expr:
    """The derivative where there is one: of a function with kinks or jumps, almost everywhere.

    A jump of the function leaves no trace here; ``jumps`` tells whether there is one.
    """

    def walk(node: Expr) -> Expr:
        return derivative(node, symbol)

    if symbol not in symbols(expr):
        return number(0)
    match expr:
        case Symbol():
            return number(1)
        case Add(args):
            return add(*map(walk, args))
        case Mul(args):
            return add(*(mul(*args[:i], walk(arg), *args[i + 1 :]) for i, arg in enumerate(args)))
        case Pow(base, Number(n)):
            return mul(number(n), power(base, number(n - 1)), walk(base))
        case Pow(base, exponent):
            rate = add(mul(walk(exponent), call("log", base)), mul(exponent, power(base, number(-1)), walk(base)))
            if isinstance(base, Number | Constant):
                rate = mul(walk(exponent), call("log", base))
            return mul(expr, rate)
        case Call("Max" | "Min" as name, (first, *rest)):
            second = call(name, *rest)
            op = ">" if name == "Max" else "<"
            return piecewise([(walk(first), Relation(first, op, second)), (walk(second), True)])
        case Call(name, (arg,)):
            outer = substitute(parse(_DERIVATIVES[name], ("x",)), {"x": arg})
            return mul(outer, walk(arg))
        case Piecewise(cases):
            return piecewise((walk(value), condition) for value, condition in cases)
    raise NotMine(f"no derivative of {expr}")


def jumps(expr: Expr) -> bool:
    """Whether a function of one variable jumps at one of its breaks; ``NotMine`` where these are not known."""
    if not has_kinks(expr):
        return False
    cut = pieces(expr)
    with mpmath.workdps(60):
        for k, b in enumerate(cut.breaks):
            x = to_mpf(b, 60)
            left, right = (_value(cut.values[k + side], x) for side in (0, 1))
            if not abs(left - right) <= mpmath.mpf(10) ** -40 * (1 + abs(left)):
                return True
    return False


def _value(expr: Expr, x: Any) -> Any:
    names = symbols(expr)
    return mpmath_function(expr, names)(*([x] if names else []))
