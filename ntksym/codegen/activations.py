"""The activation whose dual a line is: read off the question that the line answers."""

from __future__ import annotations

from fractions import Fraction
from math import prod

from ntksym._lazy import lazy
from ntksym.language.expressions import Expr, Mul, Number, Symbol, mul, number, power, substitute, symbols, to_sympy
from ntksym.records.formula import Expected

sympy = lazy("sympy")

Z = "z"


def activation_of(line: Expected) -> Expr | None:
    """f in the symbol z where the line is E[f(u) f(v)] of two variables without a mean, None where it is not."""
    question = line.answer.expectation
    if len(question.mean) != 2 or any(question.mean) or any(question.derivatives):
        return None
    parts: list[Expr] = []
    for factor in question.factors:
        parts += factor.args if isinstance(factor, Mul) else [factor]
    scale = prod(part.value for part in parts if isinstance(part, Number))
    parts = [part for part in parts if not isinstance(part, Number)]
    found = [tuple(part for part in parts if symbols(part) == (name,)) for name in ("z1", "z2")]
    if scale <= 0 or sum(map(len, found)) != len(parts):
        return None
    first, second = (mul(*(substitute(part, {symbols(part)[0]: Symbol(Z)}) for part in own)) for own in found)
    return mul(power(number(scale), number(Fraction(1, 2))), first) if first == second else None


def is_nonnegative(f: Expr) -> bool:
    """Whether a homogeneous function is never negative; its values at 1 and -1 tell."""
    phi = to_sympy(f)
    return all(phi.subs(z, x).is_nonnegative is True for z in phi.free_symbols for x in (1, -1))
