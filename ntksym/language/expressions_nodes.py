"""Expressions as frozen trees: real functions of named real symbols, and their canonical text.

Make trees with the constructors of ``expressions_build``: those keep them in one canonical form.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from operator import ge, gt, le, lt
from typing import Any, Literal, NamedTuple

# name: how many arguments (None: one or more)
FUNCTIONS: Mapping[str, int | None] = {
    **dict.fromkeys(("exp", "log", "sin", "cos", "tan", "sinh", "cosh", "tanh"), 1),
    **dict.fromkeys(("asin", "acos", "atan", "asinh", "erf", "erfc", "Phi", "Abs", "sign", "step"), 1),
    **dict.fromkeys(("Max", "Min")),
}
CONSTANTS = ("pi", "e")
RELATIONS: Mapping[str, Callable[[Any, Any], Any]] = {"<": lt, "<=": le, ">": gt, ">=": ge}


class Expr:
    """A real function of named real symbols. ``str`` is its canonical text."""

    __slots__ = ()

    def __str__(self) -> str:
        return _text(self)[0]


@dataclass(frozen=True, slots=True)
class Number(Expr):
    """An exact rational number."""

    value: Fraction


@dataclass(frozen=True, slots=True)
class Constant(Expr):
    """pi or e."""

    name: str


@dataclass(frozen=True, slots=True)
class Symbol(Expr):
    """A real variable."""

    name: str


@dataclass(frozen=True, slots=True)
class Add(Expr):
    """The sum of its arguments."""

    args: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Mul(Expr):
    """The product of its arguments."""

    args: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Pow(Expr):
    """base ** exponent."""

    base: Expr
    exponent: Expr


@dataclass(frozen=True, slots=True)
class Call(Expr):
    """An elementary function, one of ``FUNCTIONS``. ``step`` is 1/2 at 0; ``Phi`` is the normal CDF."""

    name: str
    args: tuple[Expr, ...]


class Relation(NamedTuple):
    """lhs op rhs, op one of < <= > >=."""

    lhs: Expr
    op: str
    rhs: Expr


Condition = Relation | Literal[True]


@dataclass(frozen=True, slots=True)
class Piecewise(Expr):
    """The value of the first piece whose condition holds; the last condition is True."""

    pieces: tuple[tuple[Expr, Condition], ...]


# --- walking -------------------------------------------------------------------------------------------


def children(expr: Expr) -> Iterator[Expr]:
    """The expressions directly inside, those in conditions included."""
    match expr:
        case Add(args) | Mul(args) | Call(_, args):
            yield from args
        case Pow(base, exponent):
            yield from (base, exponent)
        case Piecewise(pieces):
            for value, condition in pieces:
                yield value
                if condition is not True:
                    yield from (condition.lhs, condition.rhs)


def symbols(expr: Expr) -> tuple[str, ...]:
    """The names of the symbols in an expression, sorted."""
    if isinstance(expr, Symbol):
        return (expr.name,)
    return tuple(sorted({name for child in children(expr) for name in symbols(child)}))


# --- text ----------------------------------------------------------------------------------------------

# how tightly a text binds: a sum (or anything with a leading minus), a product, a power, a unit
_SUM, _PRODUCT, _POWER, _UNIT = range(4)


def fraction_of(expr: Expr) -> tuple[Fraction, list[Expr], list[Expr]]:
    """A product as (exact coefficient, factors above the line, factors below it)."""
    coefficient, above, below = Fraction(1), list[Expr](), list[Expr]()
    for factor in expr.args if isinstance(expr, Mul) else (expr,):
        match factor:
            case Number(value):
                coefficient *= value
            case Pow(base, Number(n)) if n < 0:
                below.append(base if n == -1 else Pow(base, Number(-n)))
            case _:
                above.append(factor)
    return coefficient, above, below


def _text(expr: Expr) -> tuple[str, int]:
    match expr:
        case Constant(name) | Symbol(name):
            return name, _UNIT
        case Add(args):
            return " + ".join(_text(arg)[0] for arg in args).replace("+ -", "- "), _SUM
        case Pow(base, Number(n)) if n == Fraction(1, 2):
            return f"sqrt({base})", _UNIT
        case Pow(base, exponent) if not (isinstance(exponent, Number) and exponent.value < 0):
            return f"{_inside(base, _UNIT)}**{_inside(exponent, _UNIT)}", _POWER
        case Call(name, args):
            return f"{name}({', '.join(map(str, args))})", _UNIT
        case Piecewise(pieces):
            inside = (f"({value}, {_condition_text(condition)})" for value, condition in pieces)
            return f"Piecewise({', '.join(inside)})", _UNIT
    return _product_text(*fraction_of(expr))


def _product_text(coefficient: Fraction, above: list[Expr], below: list[Expr]) -> tuple[str, int]:
    p, q = _ratio(abs(coefficient))
    top = [p] if p != "1" or not above else []
    top += [_inside(factor, _PRODUCT) for factor in above]
    bottom = [q] if q != "1" else []
    bottom += [_inside(factor, _POWER if len(below) + len(bottom) == 1 else _PRODUCT) for factor in below]
    text = "-" * (coefficient < 0) + "*".join(top)
    if bottom:
        text += "/" + (bottom[0] if len(bottom) == 1 else f"({'*'.join(bottom)})")
    if coefficient < 0:
        return text, _SUM
    return text, _PRODUCT if bottom or len(top) > 1 else _UNIT


def _ratio(value: Fraction) -> tuple[str, str]:
    """Numerator and denominator as written; 0.044715 rather than 8943/200000, but 3/10 as it is."""
    p, q = value.numerator, value.denominator
    places = next((k for k in range(min(q.bit_length(), 100)) if 10**k % q == 0), 0)
    digits = str(p * 10**places // q).zfill(places + 1)
    decimal = f"{digits[:-places]}.{digits[-places:]}" if places else ""
    return (decimal, "1") if q > 1000 and 0 < len(decimal) < len(f"{p}/{q}") else (str(p), str(q))


def _inside(expr: Expr, tightest: int) -> str:
    text, binding = _text(expr)
    return text if binding >= tightest else f"({text})"


def _condition_text(condition: Condition) -> str:
    return "True" if condition is True else f"{condition.lhs} {condition.op} {condition.rhs}"
