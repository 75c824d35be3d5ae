"""Functions of one variable, cut at their kinks and jumps into smooth pieces."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache, reduce
from itertools import pairwise
from typing import Any, NamedTuple

from ntksym._lazy import lazy
from ntksym.gaussian.terms import NotMine
from ntksym.language.expressions import (
    Add,
    Call,
    Expr,
    Mul,
    Number,
    Piecewise,
    Pow,
    add,
    call,
    mpmath_function,
    mul,
    number,
    power,
    symbols,
    to_sympy,
)

mpmath = lazy("mpmath")
sympy = lazy("sympy")

SIGNED = ("Abs", "sign", "step", "Max", "Min")


class Pieces(NamedTuple):
    """Smooth functions ``values[0] .. values[k]`` to the left of, between and to the right of ``breaks``.

    ``breaks`` are exact SymPy numbers in rising order. What holds at a break itself is left open.
    """

    breaks: tuple[Any, ...]
    values: tuple[Expr, ...]


def has_kinks(expr: Expr) -> bool:
    """Whether a function that switches (Abs, sign, step, Max, Min, Piecewise) stands in the expression."""
    match expr:
        case Piecewise():
            return True
        case Call(name, args):
            return name in SIGNED or any(map(has_kinks, args))
        case Add(args) | Mul(args):
            return any(map(has_kinks, args))
        case Pow(base, exponent):
            return has_kinks(base) or has_kinks(exponent)
    return False


@lru_cache(maxsize=2048)
def pieces(expr: Expr) -> Pieces:
    """The smooth pieces of a function of one variable. ``NotMine`` where a break is no root of a polynomial."""
    if not has_kinks(expr):
        return Pieces((), (expr,))
    match expr:
        case Add(args):
            return _joined(lambda values: add(*values), [pieces(arg) for arg in args])
        case Mul(args):
            return _joined(lambda values: mul(*values), [pieces(arg) for arg in args])
        case Pow(base, exponent):
            return _joined(lambda values: power(*values), [pieces(base), pieces(exponent)])
        case Call("Max" | "Min" as name, args):
            first = {"Max": 1, "Min": -1}[name]
            parts = [pieces(arg) for arg in args]
            return reduce(lambda a, b: _chosen(_difference(a, b), {first: a, -first: b, 0: a}), parts)
        case Call("Abs", (arg,)):
            inner = pieces(arg)
            negative = _joined(lambda values: mul(number(-1), values[0]), [inner])
            return _chosen(inner, {1: inner, -1: negative, 0: inner})
        case Call("sign" | "step" as name, (arg,)):
            values = {s: Pieces((), (call(name, number(s)),)) for s in (-1, 0, 1)}
            return _chosen(pieces(arg), values)
        case Call(name, args):
            return _joined(lambda values: call(name, *values), [pieces(arg) for arg in args])
        case Piecewise(cases):
            result = pieces(cases[-1][0])
            for value, condition in reversed(cases[:-1]):
                if condition is True:
                    result = pieces(value)
                    continue
                difference = _difference(pieces(condition.lhs), pieces(condition.rhs))
                holds = 1 if condition.op in (">", ">=") else -1
                equal = pieces(value) if "=" in condition.op else result
                result = _chosen(difference, {holds: pieces(value), -holds: result, 0: equal})
            return result
    raise NotMine(f"no pieces of {expr}")


def _difference(a: Pieces, b: Pieces) -> Pieces:
    return _joined(lambda values: add(values[0], mul(number(-1), values[1])), [a, b])


def _joined(build: Callable[[list[Expr]], Expr], parts: Sequence[Pieces]) -> Pieces:
    breaks = _sorted({b for part in parts for b in part.breaks})
    samples = _samples(breaks)
    values = [build([_at(part, x) for part in parts]) for x in samples]
    return _merged(breaks, values)


def _chosen(sign_of: Pieces, options: dict[int, Pieces]) -> Pieces:
    """Where ``sign_of`` is positive the option 1, and so on."""
    roots = {root for value in sign_of.values for root in _roots(value)}
    breaks = _sorted({*sign_of.breaks, *roots, *(b for part in options.values() for b in part.breaks)})
    values = []
    for x in _samples(breaks):
        value = mpmath_function(_at(sign_of, x), symbols(_at(sign_of, x)))
        y = value(*([to_mpf(x, 30)] if symbols(_at(sign_of, x)) else []))
        values.append(_at(options[(y > 0) - (y < 0)], x))
    return _merged(breaks, values)


def _at(part: Pieces, x: Any) -> Expr:
    return part.values[sum(1 for b in part.breaks if b < x)]


def to_mpf(x: Any, dps: int) -> Any:
    """An exact SymPy number as an mpmath number of ``dps`` digits."""
    with mpmath.workdps(dps):
        if x.is_Rational:
            return mpmath.mpf(int(x.p)) / int(x.q)
        return sympy.N(x, dps)._to_mpmath(mpmath.mp.prec)


def _sorted(breaks: set[Any]) -> tuple[Any, ...]:
    return tuple(sorted(breaks, key=lambda b: sympy.N(b, 30)))


def _samples(breaks: tuple[Any, ...]) -> list[Any]:
    if not breaks:
        return [sympy.Rational(1, 3)]
    inner = [(a + b) / 2 for a, b in pairwise(breaks)]
    return [breaks[0] - 1, *inner, breaks[-1] + 1]


def _merged(breaks: tuple[Any, ...], values: list[Expr]) -> Pieces:
    """Without the breaks at which nothing changes."""
    kept = [(b, value) for b, old, value in zip(breaks, values, values[1:], strict=False) if old != value]
    return Pieces(tuple(b for b, _ in kept), (values[0], *(value for _, value in kept)))


@lru_cache(maxsize=2048)
def _roots(expr: Expr) -> tuple[Any, ...]:
    """The real roots of a smooth function of one variable, exactly."""
    if isinstance(expr, Number) or not symbols(expr):
        return ()
    function = to_sympy(expr)
    (x,) = function.free_symbols or (sympy.Symbol("z"),)
    poly = function.as_poly(x)
    if poly is None:
        return _roots_of_monotone(expr)
    if poly.degree() <= 2:
        found = sympy.roots(poly, multiple=True)
        return tuple(root for root in found if root.is_real)
    if not all(c.is_Rational for c in poly.all_coeffs()):
        raise NotMine(f"the roots of {expr} are not known")
    exact = sorted(set(poly.real_roots()))
    if any(root.has(sympy.CRootOf) for root in exact):
        raise NotMine(f"the roots of {expr} are not square roots")
    return tuple(exact)


def _roots_of_monotone(expr: Expr) -> tuple[Any, ...]:
    """f(z) = 0 only where its argument is 0, for the odd functions that rise; exp has no root."""
    match expr:
        case Call("exp"):
            return ()
        case Call("tanh" | "sinh" | "atan" | "asinh" | "erf", (arg,)):
            return _roots(arg)
        case Mul(args) if all(len(symbols(arg)) <= 1 for arg in args):
            return tuple({root for arg in args for root in _roots(arg)})
        case Add((Number(value), Call("exp", (arg,)))) if value < 0:
            return _roots(add(arg, mul(number(-1), call("log", number(-value)))) if value != -1 else arg)
    raise NotMine(f"the roots of {expr} are not known")
