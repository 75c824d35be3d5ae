"""From keys and coefficients in a field to a readable SymPy expression."""

from __future__ import annotations

from typing import Any

from ntksym._lazy import lazy
from ntksym.gaussian.algebra import Algebra
from ntksym.gaussian.orthants import Block, Scaled
from ntksym.gaussian.rank_one import Key, Sum
from ntksym.gaussian.special import BivariateNormal, NormalCDF, Orthant
from ntksym.gaussian.terms import NotMine

sympy = lazy("sympy")


def expression_of(algebra: Algebra, total: Sum) -> Any:
    """The sum as a SymPy expression; what has no Phi of a complex number is written without I."""
    return sympy.Add(*(_term(algebra, key, c) for key, c in total.items()))


def _term(algebra: Algebra, key: Key, c: Any) -> Any:
    exponent = algebra.expression(key.exponent)
    factors = [(2 * sympy.pi) ** sympy.Rational(-key.halves, 2)]
    factors += [_block(algebra, block) for block in key.blocks]
    if algebra.owns(c):
        coefficient = _radical_times(algebra, Scaled(c, key.radical))
    else:
        coefficient = c * sympy.sqrt(algebra.polynomial(key.radical))
    if any(factor.has(sympy.I) for factor in factors):
        return sympy.Mul(coefficient, sympy.exp(exponent), *factors)
    if exponent.has(sympy.I) or coefficient.has(sympy.I):
        return sympy.Mul(_real_part(coefficient, exponent), *factors)
    return sympy.Mul(coefficient, sympy.exp(exponent), *factors)


def _real_part(coefficient: Any, exponent: Any) -> Any:
    """Re(coefficient * exp(exponent)): the whole sum is real, so the imaginary parts cancel."""
    a, b = _split(coefficient)
    x, y = _split(exponent)
    return sympy.exp(x) * (a * sympy.cos(y) - b * sympy.sin(y))


def _split(expression: Any) -> tuple[Any, Any]:
    expanded = sympy.expand(expression)
    imaginary = expanded.coeff(sympy.I)
    return sympy.factor_terms(expanded - sympy.expand(sympy.I * imaginary)), sympy.factor_terms(imaginary)


def _block(algebra: Algebra, block: Block) -> Any:
    args = [_radical_times(algebra, arg) for arg in block.args]
    match block.name:
        case "step":
            return sympy.Heaviside(args[0], sympy.Rational(1, 2))
        case "asin":
            return sympy.asin(args[0])
        case "Phi":
            return NormalCDF(args[0])
    if any(arg.has(sympy.I) for arg in args):
        raise NotMine("a normal distribution function of two complex variables")
    return BivariateNormal(*args) if block.name == "bivariate" else Orthant(*args)


def _radical_times(algebra: Algebra, x: Scaled) -> Any:
    """value * sqrt(radical), with powers of equal polynomials collected.

    The root of a product is taken apart only where the factors are known to be positive.
    """
    ring = algebra.field.ring
    value, together, outside = x.value, ring.one, []
    if x.radical == ring.one:
        return algebra.expression(value)
    constant, factors = algebra.factors(x.radical)
    for factor, _ in factors:
        if algebra.sign(algebra.field(factor)) == 1:
            value, half = _moved(algebra, value, factor)
            outside.append(algebra.polynomial(factor) ** half)
        else:
            together = together * factor
    together = together * constant
    if together != ring.one:
        value, half = _moved(algebra, value, together)
        outside.append(algebra.polynomial(together) ** half)
    return sympy.Mul(algebra.expression(value), *outside)


def _moved(algebra: Algebra, value: Any, factor: Any) -> tuple[Any, Any]:
    """(value * factor**k, 1/2 - k) with the least k for which no factor is left below the line."""
    half = sympy.Rational(1, 2)
    while True:
        without = value * algebra.field(factor)
        if _degree(without.denom) >= _degree(value.denom):
            return value, half
        value, half = without, half - 1


def _degree(poly: Any) -> int:
    return int(max(sum(monomial) for monomial in poly.itermonoms()))
