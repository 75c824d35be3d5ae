"""Brackets in closed form, at one or two inputs: derivatives are taken by the kernel, so kinks are no exception.

By Price's theorem <f'' g> = 2 d<f g>/dK_11 and <f' g'> = d<f g>/dK_12, in the sense of distributions. What is left at
the end is at most one derivative: at one input <f'> = <z f>/K.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache
from typing import Any

from ntksym._lazy import lazy
from ntksym.finite.activations import Activations
from ntksym.finite.jets import Factor
from ntksym.gaussian import Answer, expect
from ntksym.gaussian.pieces import has_kinks, pieces
from ntksym.language.expressions import Expr, Relation, Symbol, mul, number, piecewise
from ntksym.records.evidence import Evidence

sympy = lazy("sympy")

# SymPy simplifies short derivatives well, and takes minutes for long ones
_SHORT = 100


def closed_bracket(
    activations: Activations, factors: tuple[Factor, ...], K: Sequence[Sequence[Any]]
) -> tuple[Any, Evidence]:
    """The bracket of one or two factors as an expression in symbols K, as closed as it gets, and how it is known.

    Raises GaussianError where a derivative is infinite or has no closed form.
    """
    products = [mul(*(activations.derivative(*each) for each in factor.orders)) for factor in factors]
    orders = [factor.derivative for factor in factors]
    if len(factors) == 1:
        odd = orders[0] % 2
        product = mul(products[0], Symbol("z")) if odd else products[0]
        answer = _mean((_in_one_piece(product),), ((K[0][0],),), (0,))
        value = answer.expression / K[0][0] ** odd
        for _ in range(orders[0] // 2):
            value = 2 * sympy.diff(value, K[0][0])
    else:
        both = min(orders)
        left = tuple(order - both for order in orders)
        rest = tuple(order % 2 for order in left)
        answer = _mean(tuple(map(_in_one_piece, products)), tuple(map(tuple, K)), rest)
        value = answer.expression
        for variable, times, factor in ((K[0][1], both, 1), (K[0][0], left[0] // 2, 2), (K[1][1], left[1] // 2, 2)):
            for _ in range(times):
                value = factor * sympy.diff(value, variable)
    # to be read is what has one factor
    simpler = len(factors) == 1 and value.count_ops() < _SHORT
    return (sympy.simplify(value) if simpler else value), answer.evidence


@lru_cache(maxsize=4096)
def _mean(functions: tuple[Expr, ...], K: tuple[tuple[Any, ...], ...], derivatives: tuple[int, ...]) -> Answer:
    return expect(functions, K, derivatives=derivatives)


def _in_one_piece(expr: Expr) -> Expr:
    """A product of piecewise functions as one, so that no jump is squared."""
    if not has_kinks(expr):
        return expr
    cut = pieces(expr)
    if not all(b.is_Rational for b in cut.breaks):
        return expr
    breaks = [number(Fraction(int(b.p), int(b.q))) for b in cut.breaks]
    cases = [(value, Relation(Symbol("z"), "<", b)) for b, value in zip(breaks, cut.values, strict=False)]
    return piecewise([*cases, (cut.values[-1], True)])
