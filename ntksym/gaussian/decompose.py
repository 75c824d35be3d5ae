"""From an expression to its sum of rank-one terms."""

from __future__ import annotations

from functools import lru_cache, reduce
from itertools import pairwise
from typing import Any

from ntksym._lazy import lazy
from ntksym.gaussian.pieces import Pieces, has_kinks, pieces
from ntksym.gaussian.terms import NotMine, Terms, constant, exponential, step, variable
from ntksym.language.expressions import (
    Add,
    Call,
    Constant,
    Expr,
    Mul,
    Number,
    Piecewise,
    Pow,
    Symbol,
    symbols,
    to_sympy,
)

sympy = lazy("sympy")

MAX_POWER = 40


@lru_cache(maxsize=1024)
def decompose(expr: Expr, names: tuple[str, ...]) -> Terms:
    """The terms of an expression of the variables ``names``; ``NotMine`` names the part that has none."""
    n = len(names)

    def walk(node: Expr) -> Terms:
        return decompose(node, names)

    inside = symbols(expr)
    if not inside:
        value = to_sympy(expr)
        if value.is_real is not True or not value.is_finite:
            raise NotMine(f"{expr} is no real number")
        return constant(n, value)
    if len(inside) == 1 and has_kinks(expr) and isinstance(expr, Call | Piecewise | Mul | Pow):
        return _from_pieces(pieces(expr), inside[0], names)
    match expr:
        case Symbol(name):
            return variable(n, names.index(name))
        case Add(args):
            return reduce(Terms.__add__, map(walk, args))
        case Mul(args):
            return reduce(Terms.__mul__, map(walk, args))
        case Pow(base, Number(value)) if value.denominator == 1 and 0 <= value <= MAX_POWER:
            return _power(walk(base), value.numerator)
        case Pow(Number() | Constant() as base, exponent):
            return exponential(walk(exponent).scaled(sympy.log(to_sympy(base))))
        case Call(name, args):
            return _call(expr, name, [walk(arg) for arg in args])
        case Piecewise(cases):
            result = walk(cases[-1][0])
            for value, condition in reversed(cases[:-1]):
                if condition is not True:
                    difference = walk(condition.lhs) + walk(condition.rhs).scaled(-1)
                    above, below = _switch(expr, difference)
                    one, other = (above, below) if ">" in condition.op else (below, above)
                    result = walk(value) * one + result * other
            return result
    raise NotMine(f"{expr} is not made of powers, exponentials, sines, steps and error functions")


def _power(base: Terms, n: int) -> Terms:
    return reduce(Terms.__mul__, [base] * n, constant(base.n, sympy.S.One))


def _call(expr: Expr, name: str, args: list[Terms]) -> Terms:
    arg, n = args[0], args[0].n
    match name:
        case "exp":
            return exponential(arg)
        case "sinh" | "cosh":
            sign = -1 if name == "sinh" else 1
            return (exponential(arg) + exponential(arg.scaled(-1)).scaled(sign)).scaled(sympy.Rational(1, 2))
        case "sin" | "cos":
            affine = arg.affine()
            if affine is None:
                raise NotMine(f"{expr} has an argument that is not linear")
            right, left = exponential(arg.scaled(sympy.I)), exponential(arg.scaled(-sympy.I))
            if name == "cos":
                return (right + left).scaled(sympy.Rational(1, 2))
            return (right + left.scaled(-1)).scaled(-sympy.I / 2)
        case "Phi" | "erf" | "erfc":
            affine = arg.affine()
            if affine is None:
                raise NotMine(f"{expr} has an argument that is not linear")
            if name == "Phi":
                return step(n, sympy.S.One, *affine)
            half = sympy.Rational(1, 2)
            if name == "erf":
                return step(n, half, *affine).scaled(2) + constant(n, sympy.Integer(-1))
            return step(n, half, tuple(-slope for slope in affine[0]), -affine[1]).scaled(2)
        case "step" | "sign" | "Abs":
            above, below = _switch(expr, arg)
            if name == "step":
                return above
            difference = above + below.scaled(-1)
            return difference if name == "sign" else arg * difference
        case "Max" | "Min":
            result = arg
            for other in args[1:]:
                above, below = _switch(expr, result + other.scaled(-1))
                larger, smaller = (result, other) if name == "Max" else (other, result)
                result = larger * above + smaller * below
            return result
    raise NotMine(f"{expr} is not made of powers, exponentials, sines, steps and error functions")


def _switch(expr: Expr, difference: Terms) -> tuple[Terms, Terms]:
    """(where the difference is positive, where it is negative)."""
    affine = difference.affine()
    if affine is None:
        raise NotMine(f"{expr} switches where something that is not linear changes its sign")
    slopes, offset = affine
    n, zero = difference.n, sympy.S.Zero
    return step(n, zero, slopes, offset), step(n, zero, tuple(-slope for slope in slopes), -offset)


# --- one variable --------------------------------------------------------------------------------------


def _from_pieces(cut: Pieces, name: str, names: tuple[str, ...]) -> Terms:
    """One step per break. Of the ways to write this (from which piece on?) the one with the fewest terms."""
    n, i = len(names), names.index(name)
    values = [decompose(value, names) for value in cut.values]
    slopes = tuple(sympy.Integer(int(k == i)) for k in range(n))
    right = [step(n, sympy.S.Zero, slopes, -b) for b in cut.breaks]
    left = [step(n, sympy.S.Zero, tuple(-s for s in slopes), b) for b in cut.breaks]
    jumps = [b + a.scaled(-1) for a, b in pairwise(values)]

    def outside(low: int, high: int) -> list[Terms]:
        """The corrections at all breaks before ``low`` and from ``high`` on."""
        return [
            *(jumps[k].scaled(-1) * left[k] for k in range(low)),
            *(jumps[k] * right[k] for k in range(high, len(jumps))),
        ]

    ways = [[values[m], *outside(m, m)] for m in range(len(values))]
    ways += [[values[m] * left[m], values[m + 1] * right[m], *outside(m, m + 1)] for m in range(len(jumps))]
    sums = [reduce(Terms.__add__, way) for way in ways]
    return min(sums, key=lambda found: (len(found), _growing(found, i)))


def _growing(found: Terms, i: int) -> int:
    """How many terms grow like an exponential on a side where no step holds them."""
    count = 0
    for shape, _, _ in found:
        slope = shape.linear[i]
        if slope.is_real and slope != 0 and not any((s.slopes[i] * slope).is_negative for s in shape.steps):
            count += 1
    return count


def constants(terms: Terms) -> list[Any]:
    """All numbers in the terms: what generates the field in which they are computed."""
    found: list[Any] = []
    for shape, _, c in terms:
        found += [c, *shape.linear, shape.constant, *(q for _, _, q in shape.quadratic)]
        for s in (*shape.steps, *shape.points):
            found += [s.noise, *s.slopes, s.offset]
    return found
