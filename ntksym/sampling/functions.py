"""Expressions as JAX functions: the same formulas as ``numpy_function``, and safe to differentiate.

A branch that is not chosen must not spoil a derivative: 0 * inf is nan. Each branch of a piecewise expression
is therefore evaluated at a harmless point wherever it is not the chosen one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from functools import lru_cache, reduce
from itertools import product
from operator import ge, gt, le, lt
from typing import Any

import numpy as np

from ntksym._lazy import lazy
from ntksym.errors import SamplingError
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
    numpy_function,
    symbols,
)
from ntksym.language.expressions_nodes import fraction_of

jnp = lazy("jax.numpy")
special = lazy("jax.scipy.special")

Values = Mapping[str, Any]

RELATIONS: dict[str, Callable[[Any, Any], Any]] = {"<": lt, "<=": le, ">": gt, ">=": ge}


@lru_cache(maxsize=512)
def jax_function(expr: Expr, names: tuple[str, ...] = ("z",)) -> Callable[..., Any]:
    """A function of JAX arrays, one per symbol, that broadcasts and keeps their floating type."""

    def evaluate(*arrays: Any) -> Any:
        shape = jnp.broadcast_shapes(*(jnp.shape(array) for array in arrays))
        dtype = jnp.result_type(*arrays)
        value = _value(expr, dict(zip(names, arrays, strict=True)))
        return jnp.broadcast_to(jnp.asarray(value, dtype), shape)

    return evaluate


def _value(expr: Expr, values: Values) -> Any:
    def walk(node: Expr) -> Any:
        return _value(node, values)

    match expr:
        case Number(value):
            return _float(value)
        case Constant(name):
            return float(np.pi if name == "pi" else np.e)
        case Symbol(name):
            return values[name]
        case Add((Number(value), Call("exp", (arg,)))) if value == -1:
            return jnp.expm1(walk(arg))
        case Add(args):
            return reduce(lambda a, b: a + b, map(walk, args))
        case Mul():
            return _product(expr, walk)
        case Pow(base, Number(n)):
            return _power(walk(base), n)
        case Pow(base, exponent):
            return jnp.power(walk(base), walk(exponent))
        case Call("log", (Add((Number(value), *rest)),)) if value == 1:
            # log(1 + exp(x)) is x far to the right, where exp(x) has no floating-point value
            if len(rest) == 1 and isinstance(rest[0], Call) and rest[0].name == "exp":
                return jnp.logaddexp(0.0, walk(rest[0].args[0]))
            return jnp.log1p(reduce(lambda a, b: a + b, map(walk, rest)))
        case Call(name, args):
            return _call(name, [walk(arg) for arg in args])
        case Piecewise():
            return _piecewise(expr, values)
    raise SamplingError(f"the sampler has no rule for the expression {expr!r}; write one in sampling/functions.py")


def _product(expr: Mul, walk: Callable[[Expr], Any]) -> Any:
    coefficient, above, below = fraction_of(expr)
    top = reduce(lambda a, b: a * b, map(walk, above), _float(coefficient))
    return top / reduce(lambda a, b: a * b, map(walk, below)) if below else top


def _float(value: Fraction) -> float:
    try:
        return float(value)
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")


def _power(base: Any, n: Fraction) -> Any:
    if n < 0:
        return 1 / _power(base, -n)
    if n == Fraction(1, 2):
        return jnp.sqrt(base)
    # an integer power has a derivative at zero and below
    return jnp.power(base, int(n) if n.denominator == 1 else _float(n))


_ELSEWHERE = {"Abs": "abs", "asin": "arcsin", "acos": "arccos", "atan": "arctan", "asinh": "arcsinh"}


def _call(name: str, args: list[Any]) -> Any:
    if name in ("Max", "Min"):
        return reduce(jnp.maximum if name == "Max" else jnp.minimum, args)
    (arg,) = args
    match name:
        case "step":
            return 0.5 * (jnp.sign(arg) + 1)
        case "Phi":
            return special.ndtr(arg)
        case "erf" | "erfc":
            return getattr(special, name)(arg)
    return getattr(jnp, _ELSEWHERE.get(name, name))(arg)


def _piecewise(expr: Piecewise, values: Values) -> Any:
    def holds(relation: Relation) -> Any:
        return RELATIONS[relation.op](_value(relation.lhs, values), _value(relation.rhs, values))

    out: Any = None
    taken: Any = False
    for piece, condition in expr.pieces:
        chosen = True if condition is True else holds(condition)
        # the piece decides where its condition is the first to hold
        if taken is False:
            here = chosen
        else:
            here = ~taken if chosen is True else chosen & ~taken
        value = _value(piece, values if here is True else _moved(piece, values, here))
        out = value if out is None else jnp.where(taken, out, value)
        taken = chosen if taken is False or chosen is True else taken | chosen
    return out


def _moved(piece: Expr, values: Values, here: Any) -> Values:
    """The values, put to a harmless point wherever the piece does not decide."""
    return {name: jnp.where(here, values[name], point) for name, point in _harmless(piece).items()}


@lru_cache(maxsize=512)
def _harmless(expr: Expr) -> dict[str, float]:
    """A point where the expression and its slope are finite."""
    names = symbols(expr)
    function = numpy_function(expr, names)
    for point in product((0.5, -0.5, 1.5, -1.5, 0.25, 3.0), repeat=len(names)):
        near = [function(*(x + step for x in point)) for step in (-1e-3, 0.0, 1e-3)]
        if np.isfinite(near).all():
            return dict(zip(names, point, strict=True))
    return dict.fromkeys(names, 0.5)
