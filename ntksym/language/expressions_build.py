"""Constructors that keep expressions in one canonical form.

``add``, ``mul``, ``power``, ``call`` and ``piecewise`` flatten, sort, collect equal terms and do exact
arithmetic, and nothing else: they never expand and never change the domain of a real function. Trees made
by them print to a text that parses back to the same tree, so equality of trees is equality of texts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from fractions import Fraction

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
    Relation,
    Symbol,
)

# numbers are exact, so a short text could ask for an endless one
MAX_BITS = 4096
MAX_EXPONENT = 1000

ZERO, ONE, MINUS_ONE = Number(Fraction(0)), Number(Fraction(1)), Number(Fraction(-1))


def number(value: Fraction | int) -> Number:
    """An exact number; ``ExpressionError`` if it is too long to be meant."""
    value = Fraction(value)
    if max(value.numerator.bit_length(), value.denominator.bit_length()) > MAX_BITS:
        raise ExpressionError(f"a number of more than {MAX_BITS} bits is too large")
    return Number(value)


def add(*args: Expr) -> Expr:
    """The sum, flattened, sorted, with equal terms collected."""
    constant, terms = Fraction(0), dict[Expr, Fraction]()
    flat = list(_flatten(Add, args))
    for term in flat:
        if isinstance(term, Number):
            constant += term.value
        else:
            coefficient, rest = _coefficient(term)
            terms[rest] = terms.get(rest, Fraction(0)) + coefficient
    rebuilt = [mul(number(c), rest) for rest, c in sorted(terms.items(), key=lambda t: _key(t[0])) if c]
    if constant:
        rebuilt.insert(0, number(constant))
    if any(isinstance(term, Add) for term in rebuilt):  # 2*(1 + z) - (1 + z): a sum has come free
        return add(*rebuilt)
    return _joined(Add, rebuilt, ZERO)


def mul(*args: Expr) -> Expr:
    """The product, flattened, sorted, with integer powers of equal factors collected (never cancelled)."""
    coefficient, powers = Fraction(1), dict[tuple[Expr, bool], int]()
    flat = [factor for factor in _flatten(Mul, args) if factor != ONE]
    for factor in flat:
        if isinstance(factor, Number):
            coefficient *= factor.value
        else:
            # z/z is not 1 at z = 0: positive and negative powers are kept apart
            base, exponent = _integer_power(factor)
            powers[base, exponent > 0] = powers.get((base, exponent > 0), 0) + exponent
    if not coefficient:
        return ZERO
    factors = sorted((power(base, number(n)) for (base, _), n in powers.items()), key=_key)
    if len(factors) < sum(not isinstance(factor, Number) for factor in flat):
        return mul(number(coefficient), *factors)  # what was collected may collect once more
    return _joined(Mul, factors if coefficient == 1 else [number(coefficient), *factors], ONE)


def power(base: Expr, exponent: Expr) -> Expr:
    """base ** exponent. ``ExpressionError`` for 1/0, for a root of a negative number, for huge powers."""
    if base == Constant("e"):
        return call("exp", exponent)
    if not isinstance(exponent, Number):
        return ONE if base == ONE else Pow(base, exponent)
    n = exponent.value
    if abs(n) > MAX_EXPONENT:
        raise ExpressionError(f"an exponent beyond {MAX_EXPONENT} is too large")
    if n == 0 or base == ONE:
        return ONE
    if n == 1:
        return base
    if isinstance(base, Number):
        return _power_of_number(base.value, n)
    if isinstance(base, Mul) and n.denominator == 1:
        return mul(*(power(factor, exponent) for factor in base.args))
    if isinstance(base, Call) and base.name == "exp":
        return call("exp", mul(exponent, base.args[0]))
    if isinstance(base, Pow) and isinstance(base.exponent, Number) and n.denominator == 1:
        m = base.exponent.value
        # sqrt(z)**2 is not z for z < 0, so powers of powers are merged only where the domain stays
        if m.denominator == 1 or (m * n).denominator > 1 or isinstance(base.base, Number | Constant):
            return power(base.base, number(m * n))
    return Pow(base, exponent)


def call(name: str, *args: Expr) -> Expr:
    """An elementary function of its arguments; only exact values of numbers are worked out."""
    if name in ("Max", "Min"):
        return _extremum(name, args)
    (arg,) = args
    if name == "exp":
        if isinstance(arg, Number) and arg.value in (0, 1):
            return Constant("e") if arg.value else ONE
    elif isinstance(arg, Number) and name in ("Abs", "sign", "step"):
        sign = Fraction((arg.value > 0) - (arg.value < 0))
        return number({"Abs": abs(arg.value), "sign": sign, "step": (1 + sign) / 2}[name])
    return Call(name, args)


def piecewise(pieces: Iterable[tuple[Expr, Condition]]) -> Expr:
    """The value of the first piece whose condition holds. ``ExpressionError`` if none need hold."""
    kept: list[tuple[Expr, Condition]] = []
    for value, condition in pieces:
        holds = _decided(condition)
        if holds is not False:
            kept.append((value, True if holds else condition))
        if holds:
            return kept[0][0] if len(kept) == 1 else Piecewise(tuple(kept))
    raise ExpressionError("the last piece of a Piecewise must be (value, True): what holds otherwise")


def _decided(condition: Condition) -> bool | None:
    """Whether a condition holds, None if that depends on symbols."""
    if condition is True:
        return True
    lhs, op, rhs = condition
    if not (isinstance(lhs, Number) and isinstance(rhs, Number)):
        return None
    return bool(RELATIONS[op](lhs.value, rhs.value))


def _flatten(kind: type[Add] | type[Mul], args: Iterable[Expr]) -> Iterator[Expr]:
    for arg in args:
        yield from _flatten(kind, arg.args) if isinstance(arg, kind) else (arg,)


def _joined(kind: type[Add] | type[Mul], args: list[Expr], neutral: Expr) -> Expr:
    if not args:
        return neutral
    return args[0] if len(args) == 1 else kind(tuple(args))


def _coefficient(term: Expr) -> tuple[Fraction, Expr]:
    if isinstance(term, Mul) and isinstance(term.args[0], Number):
        rest = term.args[1:]
        return term.args[0].value, rest[0] if len(rest) == 1 else Mul(rest)
    return Fraction(1), term


def _integer_power(factor: Expr) -> tuple[Expr, int]:
    match factor:
        case Pow(base, Number(n)) if n.denominator == 1:
            return base, n.numerator
    return factor, 1


def _power_of_number(base: Fraction, n: Fraction) -> Expr:
    if base == 0:
        if n < 0:
            raise ExpressionError("a division by zero")
        return ZERO
    if n.denominator > 1 and base < 0:
        raise ExpressionError("a root of a negative number is not real")
    bits = max(base.numerator.bit_length(), base.denominator.bit_length())
    if bits * abs(n) > MAX_BITS:
        raise ExpressionError(f"a power of more than {MAX_BITS} bits is too large")
    above, below = _exact_root(base.numerator, n.denominator), _exact_root(base.denominator, n.denominator)
    if above is None or below is None:
        return Pow(Number(base), Number(n))
    return number(Fraction(above, below) ** n.numerator)


def _exact_root(value: int, n: int) -> int | None:
    """The integer whose n-th power is ``value``, if there is one (by bisection, exact for any size)."""
    if n == 1 or value == 1:
        return value
    if n >= value.bit_length():  # then 2**n > value, and 2**n must not be worked out
        return None
    low, high = 0, 1 << (value.bit_length() // n + 1)
    while low < high:
        middle = (low + high) // 2
        low, high = (middle + 1, high) if middle**n < value else (low, middle)
    return low if low**n == value else None


def _extremum(name: str, args: Iterable[Expr]) -> Expr:
    flat = dict.fromkeys(
        inner for arg in args for inner in (arg.args if isinstance(arg, Call) and arg.name == name else (arg,))
    )
    numbers = [arg.value for arg in flat if isinstance(arg, Number)]
    kept = sorted((arg for arg in flat if not isinstance(arg, Number)), key=_key)
    if numbers:
        kept.insert(0, Number(max(numbers) if name == "Max" else min(numbers)))
    return kept[0] if len(kept) == 1 else Call(name, tuple(kept))


_NIL = Fraction(0)
_Key = tuple[int, str, Fraction, tuple["_Key", ...]]


def _key(expr: Expr) -> _Key:
    """The order of terms and factors: simple things first, a power where its base stands."""
    match expr:
        case Number(value):
            return 0, "", value, ()
        case Constant(name):
            return 1, name, _NIL, ()
        case Symbol(name):
            return 2, name, _NIL, ()
        case Pow(base, Number(n)):
            rank, name, _, inner = _key(base)
            return (rank, name, n, inner) if rank in (1, 2) else (3, "", n, (_key(base),))
        case Pow(base, exponent):
            return 4, "", _NIL, (_key(base), _key(exponent))
        case Mul(args):
            return 5, "", _NIL, tuple(map(_key, args))
        case Add(args):
            return 6, "", _NIL, tuple(map(_key, args))
        case Call(name, args):
            return 7, name, _NIL, tuple(map(_key, args))
    return 8, str(expr), _NIL, ()


def substitute(expr: Expr, mapping: Mapping[str, Expr]) -> Expr:
    """The expression with symbols replaced, all at once."""

    def walk(node: Expr) -> Expr:
        return mapping.get(node.name, node) if isinstance(node, Symbol) else rebuilt(node, walk)

    return walk(expr)


def rebuilt(expr: Expr, replace: Callable[[Expr], Expr]) -> Expr:
    """The expression made anew from its children, each replaced."""
    match expr:
        case Add(args):
            return add(*map(replace, args))
        case Mul(args):
            return mul(*map(replace, args))
        case Pow(base, exponent):
            return power(replace(base), replace(exponent))
        case Call(name, args):
            return call(name, *map(replace, args))
        case Piecewise(pieces):
            return piecewise((replace(value), _with(condition, replace)) for value, condition in pieces)
    return expr


def _with(condition: Condition, replace: Callable[[Expr], Expr]) -> Condition:
    if condition is True:
        return True
    return Relation(replace(condition.lhs), condition.op, replace(condition.rhs))
