"""Expressions as numbers: with NumPy in the precision of the arrays, with mpmath in any precision.

Both walk the tree; neither generates code. Where the real function has no value the answer is nan.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from functools import lru_cache, reduce
from typing import Any

from ntksym._lazy import lazy
from ntksym.errors import ExpressionError
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
    fraction_of,
    symbols,
)

np = lazy("numpy")
special = lazy("scipy.special")
mpmath = lazy("mpmath")

ONE, MINUS_ONE, HALF = Fraction(1), Fraction(-1), Fraction(1, 2)


def _checked(expr: Expr, names: tuple[str, ...]) -> None:
    missing = [name for name in symbols(expr) if name not in names]
    if missing:
        raise ExpressionError(f"{expr} needs a value for {', '.join(missing)}; given are {', '.join(names)}")


# --- NumPy ---------------------------------------------------------------------------------------------


@lru_cache(maxsize=512)
def numpy_function(expr: Expr, symbols: tuple[str, ...] = ("z",)) -> Callable[..., Any]:
    """A function of arrays, one per symbol, that broadcasts and keeps their floating type.

    Integers become float64. Overflow inside the expression is silent: 1/(1 + exp(-z)) is 0 far to the left.
    Raises ``ExpressionError`` if the expression has other symbols, or if the arrays are too few or too many.
    """
    _checked(expr, symbols)

    def evaluate(*values: Any) -> Any:
        if len(values) != len(symbols):
            raise ExpressionError(f"{expr} takes {len(symbols)} values, but got {len(values)}")
        arrays = [np.asarray(value) for value in values]
        # Python's own numbers take the precision of the arrays beside them
        kinds = [v if isinstance(v, int | float) else a.dtype for v, a in zip(values, arrays, strict=True)]
        dtype = np.result_type(*kinds) if kinds else np.dtype(float)
        if not np.issubdtype(dtype, np.floating):
            dtype = np.dtype(float)
        with np.errstate(all="ignore"):
            inputs = {name: array.astype(dtype, copy=False) for name, array in zip(symbols, arrays, strict=True)}
            value = _numpy(expr, inputs, dtype.type)
        shape = np.broadcast_shapes(*(array.shape for array in arrays))
        return np.array(np.broadcast_to(value, shape), dtype=dtype)[()]

    return evaluate


def _numpy(expr: Expr, values: Mapping[str, Any], kind: Callable[[Any], Any]) -> Any:
    def walk(node: Expr) -> Any:
        return _numpy(node, values, kind)

    match expr:
        case Number(value):
            return kind(_float(value))
        case Constant(name):
            return kind(np.pi if name == "pi" else np.e)
        case Symbol(name):
            return values[name]
        case Add((Number(value), Call("exp", (arg,)))) if value == MINUS_ONE:
            return np.expm1(walk(arg))
        case Add(args):
            return reduce(np.add, map(walk, args))
        case Mul():
            coefficient, above, below = fraction_of(expr)
            top = [walk(factor) for factor in above]
            bottom = [walk(factor) for factor in below]
            if abs(coefficient.numerator) != 1 or not top:
                top.append(kind(_float(Fraction(coefficient.numerator))))
            elif coefficient < 0:
                top[0] = -top[0]
            if coefficient.denominator != 1:
                bottom.append(kind(_float(Fraction(coefficient.denominator))))
            product = reduce(np.multiply, top)
            return np.divide(product, reduce(np.multiply, bottom)) if bottom else product
        case Pow(base, Number(n)):
            return _numpy_power(walk(base), n, kind)
        case Pow(base, exponent):
            return np.power(walk(base), walk(exponent))
        case Call("log", (Add((Number(value), *rest)),)) if value == ONE:
            # log(1 + exp(x)) is x far to the right, where exp(x) has no floating-point value
            if len(rest) == 1 and isinstance(rest[0], Call) and rest[0].name == "exp":
                return np.logaddexp(kind(0), walk(rest[0].args[0]))
            return np.log1p(reduce(np.add, map(walk, rest)))
        case Call(name, args):
            return _numpy_call(name, [walk(arg) for arg in args], kind)
        case Piecewise(pieces):
            value = walk(pieces[-1][0])
            for piece, condition in reversed(pieces[:-1]):
                value = np.where(_holds(condition, walk), walk(piece), value)
            return value
    raise TypeError(f"not an expression: {expr!r}")


def _float(value: Fraction) -> float:
    try:
        return float(value)
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")


def _numpy_power(base: Any, n: Fraction, kind: Callable[[Any], Any]) -> Any:
    if n < 0:
        return np.divide(kind(1), _numpy_power(base, -n, kind))
    if n == 1:
        return base
    if n == HALF:
        return np.sqrt(base)
    return base * base if n == 2 else np.power(base, kind(_float(n)))


def _numpy_call(name: str, args: list[Any], kind: Callable[[Any], Any]) -> Any:
    if name in ("Max", "Min"):
        return reduce(np.maximum if name == "Max" else np.minimum, args)
    (arg,) = args
    match name:
        case "step":
            return np.heaviside(arg, kind(0.5))
        case "Phi":
            return special.ndtr(arg)
        case "erf" | "erfc":
            return getattr(special, name)(arg)
        case "Abs" | "sign":
            return getattr(np, name.lower())(arg)
        case "asin" | "acos" | "atan" | "asinh":
            return getattr(np, "arc" + name[1:])(arg)
    return getattr(np, name)(arg)


def _holds(condition: Condition, walk: Callable[[Expr], Any]) -> Any:
    if condition is True:
        return True
    return RELATIONS[condition.op](walk(condition.lhs), walk(condition.rhs))


# --- mpmath --------------------------------------------------------------------------------------------

# beyond 2**MAX_MAGNITUDE the argument of exp or sin can no longer be reduced: exp(exp(z)) would need
# a number whose exponent fills the memory
MAX_MAGNITUDE = 10_000


@lru_cache(maxsize=512)
def mpmath_function(expr: Expr, symbols: tuple[str, ...] = ("z",)) -> Callable[..., Any]:
    """A function of mpmath numbers (or ints, floats, Fractions), one per symbol, at the working precision.

    Raises ``ExpressionError`` if the expression has other symbols, or if the values are too few or too many.
    """
    _checked(expr, symbols)

    def evaluate(*values: Any) -> Any:
        if len(values) != len(symbols):
            raise ExpressionError(f"{expr} takes {len(symbols)} values, but got {len(values)}")
        return _mpmath(expr, dict(zip(symbols, map(_mpf, values), strict=True)))

    return evaluate


def _mpf(value: Any) -> Any:
    if isinstance(value, Fraction):
        return mpmath.mpf(value.numerator) / value.denominator
    return mpmath.mpf(value)


def _mpmath(expr: Expr, values: Mapping[str, Any]) -> Any:
    def walk(node: Expr) -> Any:
        return _mpmath(node, values)

    match expr:
        case Number(value):
            return _mpf(value)
        case Constant(name):
            return +mpmath.mp.pi if name == "pi" else +mpmath.mp.e
        case Symbol(name):
            return values[name]
        case Add(args):
            return reduce(lambda a, b: a + b, map(walk, args))
        case Mul(args):
            return reduce(lambda a, b: a * b, map(walk, args))
        case Pow(base, Number(n)):
            return _mpmath_power(walk(base), n)
        case Pow(base, exponent):
            return _mpmath_general_power(walk(base), walk(exponent))
        case Call(name, args):
            return _mpmath_call(name, [walk(arg) for arg in args])
        case Piecewise(pieces):
            return next(walk(value) for value, condition in pieces if _holds(condition, walk))
    raise TypeError(f"not an expression: {expr!r}")


def _mpmath_power(base: Any, n: Fraction) -> Any:
    if n < 0 and base == 0:
        return mpmath.inf
    if n.denominator == 1:
        return base**n.numerator
    if base < 0 or mpmath.isnan(base):
        return mpmath.nan
    return mpmath.sqrt(base) ** n.numerator if n.denominator == 2 else mpmath.power(base, _mpf(n))


def _mpmath_general_power(base: Any, exponent: Any) -> Any:
    if mpmath.isnan(base) or mpmath.isnan(exponent) or (base < 0 and not mpmath.isint(exponent)):
        return mpmath.nan
    if base == 0:
        return mpmath.mpf(exponent == 0) if exponent >= 0 else mpmath.inf
    if _far(exponent * mpmath.log(abs(base))):
        return mpmath.nan if base < 0 else _mpmath_call("exp", [exponent * mpmath.log(base)])
    return mpmath.power(base, exponent)


def _far(value: Any) -> bool:
    return bool(mpmath.isfinite(value) and value != 0 and mpmath.mag(value) > MAX_MAGNITUDE)


def _mpmath_call(name: str, args: list[Any]) -> Any:
    if any(mpmath.isnan(arg) for arg in args):
        return mpmath.nan
    if name in ("Max", "Min"):
        return max(args) if name == "Max" else min(args)
    (arg,) = args
    if _far(arg) and name not in ("log", "Abs", "sign", "step"):
        arg = mpmath.sign(arg) * mpmath.inf
    match name:
        case "step":
            return (1 + mpmath.sign(arg)) / 2
        case "Phi":
            return mpmath.erfc(-arg / mpmath.sqrt(2)) / 2
        case "Abs":
            return abs(arg)
        case "log" if arg < 0:
            return mpmath.nan
        case "asin" | "acos" if abs(arg) > 1:
            return mpmath.nan
        case "sin" | "cos" | "tan" if mpmath.isinf(arg):
            return mpmath.nan
    return getattr(mpmath, name)(arg)
