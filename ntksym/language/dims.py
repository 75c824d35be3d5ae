"""Dimensions: positive symbols that are taken large or stay finite, and monomials in them.

A ``Dim`` is a symbol (``n``, ``L``, ``d_in``). A ``Size`` is a positive coefficient times powers of
dimensions; sizes are what axes are as long as and what values are scaled by (``L**-0.5``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from math import isfinite
from numbers import Integral, Real
from typing import Union

from ntksym.errors import ProgramError
from ntksym.language.source import fail

Number = int | float | Fraction
SizeLike = Union["Dim", "Size", int, float, Fraction]


def exact(number: Number) -> Fraction:
    """The rational a person means by a number: 0.1 is one tenth, not its nearest binary fraction."""
    if isinstance(number, Fraction):
        return number
    if isinstance(number, Integral):
        return Fraction(int(number))
    if not isfinite(number):
        raise fail(f"{number!r} is not a finite number")
    return Fraction(repr(float(number)))


def _power(exponent: object) -> Fraction:
    if isinstance(exponent, Integral | Fraction) and not isinstance(exponent, bool):
        return exact(exponent)  # type: ignore[arg-type]
    if isinstance(exponent, float) and (2 * exponent).is_integer():
        return Fraction(exponent)
    raise fail(
        f"a dimension was raised to the power {exponent!r}; exponents are exact: write an int, a half such "
        "as 0.5, or a Fraction such as Fraction(1, 3)"
    )


def _root(number: Fraction, degree: int) -> Fraction:
    """The exact root where it is rational, otherwise a decimal of double precision."""
    if degree == 1:
        return number
    top, bottom = (round(part ** (1 / degree)) for part in (number.numerator, number.denominator))
    if (top**degree, bottom**degree) == (number.numerator, number.denominator):
        return Fraction(top, bottom)
    return exact(float(number) ** (1 / degree))


class _Arithmetic:
    """The arithmetic shared by Dim and Size: products and powers; sums are not sizes."""

    __slots__ = ()

    def __mul__(self, other: SizeLike) -> Size:
        if not isinstance(other, (Dim, Size, int, float, Fraction)):
            return NotImplemented
        left, right = as_size(self), as_size(other)  # type: ignore[arg-type]
        powers = dict(left.powers)
        for dim, power in right.powers:
            powers[dim] = powers.get(dim, Fraction(0)) + power
        return Size.of(left.coefficient * right.coefficient, powers)

    __rmul__ = __mul__

    def __pow__(self, exponent: Number) -> Size:
        base, power = as_size(self), _power(exponent)  # type: ignore[arg-type]
        if base.coefficient == 0 and power < 0:
            raise fail(f"{base}**({power}) divides by zero")
        if base.coefficient < 0 and power.denominator != 1:
            raise fail(f"({base})**({power}) is a root of a negative number")
        return Size.of(
            _root(base.coefficient, power.denominator) ** power.numerator, {dim: p * power for dim, p in base.powers}
        )

    def __truediv__(self, other: SizeLike) -> Size:
        if not isinstance(other, (Dim, Size, int, float, Fraction)):
            return NotImplemented
        return self * as_size(other) ** -1

    def __rtruediv__(self, other: SizeLike) -> Size:
        return self**-1 * other

    def __neg__(self) -> Size:
        return self * -1

    def __add__(self, other: object) -> Size:
        if not isinstance(other, (Dim, Size, int, float, Fraction)):
            return NotImplemented
        raise fail(
            f"{self} and {other} cannot be added or subtracted: a size is a product of dimensions; give "
            'the sum a name of its own, as in m = ns.dims("m")'
        )

    __radd__ = __sub__ = __rsub__ = __add__


@dataclass(frozen=True, slots=True)
class Dim(_Arithmetic):
    """A named dimension: ``large`` ones are taken to infinity by the analyses, others stay finite.

    ``default`` is the size used where a concrete one is needed and none is given; ``equals`` declares a
    relation (``d_head = n / H``).
    """

    name: str
    large: bool = True
    default: Fraction | None = None
    equals: Size | None = None

    def __post_init__(self) -> None:
        if not self.name.isidentifier():
            raise fail(f"{self.name!r} is not a name for a dimension; use letters, digits and _")

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Size(_Arithmetic):
    """A monomial: coefficient * product of dimension**power, powers exact and sorted by name."""

    coefficient: Fraction = Fraction(1)
    powers: tuple[tuple[Dim, Fraction], ...] = ()

    @staticmethod
    def of(coefficient: Fraction, powers: Mapping[Dim, Fraction]) -> Size:
        kept = sorted(((d, p) for d, p in powers.items() if p), key=lambda item: item[0].name)
        return Size(coefficient, tuple(kept))

    @cached_property
    def canonical(self) -> Size:
        """The same size with every declared relation substituted: two sizes are equal when these are."""
        if not any(dim.equals for dim, _ in self.powers):
            return self
        out = Size(self.coefficient)
        for dim, power in self.powers:
            out = out * (dim.equals.canonical if dim.equals else dim) ** power
        return out

    def same(self, other: Size) -> bool:
        """Whether both are the same number at all sizes, given the declared relations."""
        return self == other or self.canonical == other.canonical

    @property
    def is_one(self) -> bool:
        return self.canonical == ONE

    def value(self, sizes: Mapping[str, Number]) -> float | int:
        """The number at concrete sizes of the dimensions; an int where it is one.

        Raises ProgramError for a dimension without a size.
        """
        exactly, result = self.coefficient, 1.0
        for dim, power in self.powers:
            number = exact(dim_value(dim, sizes))
            if power.denominator == 1:
                exactly *= number**power.numerator
            else:
                result *= float(number) ** float(power)
        if result == 1.0:
            return int(exactly) if exactly.denominator == 1 else float(exactly)
        return float(exactly) * result

    def dims(self) -> Iterator[Dim]:
        """Every dimension that occurs, those in declared relations included."""
        for dim, _ in self.powers:
            yield dim
            if dim.equals:
                yield from dim.equals.dims()

    def __str__(self) -> str:
        over = [_factor(d.name, p) for d, p in self.powers if p > 0]
        under = [_factor(d.name, -p) for d, p in self.powers if p < 0]
        number, denominator = self.coefficient.numerator, self.coefficient.denominator
        if denominator > 1000:
            over.insert(0, f"{float(self.coefficient):.6g}")
        else:
            if number != 1 or not over:
                over.insert(0, str(number))
            if denominator != 1:
                under.insert(0, str(denominator))
        top = "*".join(over)
        if not under:
            return top
        return f"{top}/{under[0]}" if len(under) == 1 else f"{top}/({'*'.join(under)})"

    __repr__ = __str__


def _factor(name: str, power: Fraction) -> str:
    if power in (1, Fraction(1, 2)):
        return name if power == 1 else f"sqrt({name})"
    return f"{name}**{power}" if power.denominator == 1 else f"{name}**({power})"


ONE = Size()


def as_size(value: SizeLike, what: str = "a size") -> Size:
    """A Size from a Dim, a Size or a number; ``what`` it is for is named in the error."""
    if isinstance(value, Size):
        return value
    if isinstance(value, Dim):
        return Size(Fraction(1), ((value, Fraction(1)),))
    if isinstance(value, bool) or not isinstance(value, Real):  # NumPy's numbers are Real, too
        raise fail(f"found {value!r} for {what}; expected a number, a dimension from ns.dims, or a product of them")
    return Size(exact(value))


def as_length(value: SizeLike, what: str = "a length") -> Size:
    """The size of an axis: positive, and whole where it is a number."""
    size = as_size(value, what)
    if size.coefficient <= 0 or (not size.powers and size.coefficient.denominator != 1):
        raise fail(f"found {size} for {what}; expected a positive whole number or a dimension")
    return size


def dims(names: str) -> Dim | tuple[Dim, ...]:
    """Dimensions that are taken large: ``n, L = ns.dims("n L")``; a single name gives a single Dim.

    Example:
        >>> import ntksym as ns
        >>> n, L = ns.dims("n L")
        >>> 1 / (n * L**0.5)
        1/(sqrt(L)*n)
    """
    made = tuple(Dim(name) for name in names.replace(",", " ").split())
    if not made:
        raise fail('ns.dims needs names, as in n, L = ns.dims("n L")')
    return made[0] if len(made) == 1 else made


def dim(name: str, *, equals: SizeLike | None = None) -> Dim:
    """One large dimension, with a relation to others if any: ``d_head = ns.dim("d_head", equals=n / H)``.

    Example:
        >>> import ntksym as ns
        >>> n, H = ns.dims("n H")
        >>> d_head = ns.dim("d_head", equals=n / H)
        >>> d_head.equals
        n/H
    """
    relation = None if equals is None else as_size(equals)
    if relation is not None and any(part.name == name for part in relation.dims()):
        raise fail(f"the dimension {name} is defined through itself: {name} = {relation}")
    return Dim(name, equals=relation)


def fixed(name: str, size: Number | None = None) -> Dim:
    """A dimension (or positive constant) that stays finite; ``size`` is its default where one is needed.

    Example:
        >>> import ntksym as ns
        >>> n, d = ns.dims("n"), ns.fixed("d", 64)
        >>> n / d
        n/d
    """
    return Dim(name, large=False, default=None if size is None else exact(size))


def dim_value(dim: Dim, sizes: Mapping[str, Number]) -> Number:
    """The concrete size of one dimension: given, by its relation, or its default."""
    if dim.name in sizes:
        return sizes[dim.name]
    if dim.equals is not None:
        return dim.equals.value(sizes)
    if dim.default is not None:
        return dim.default
    raise ProgramError(f"no size is given for the dimension {dim.name}; add it, as in sizes={{'{dim.name}': 64}}")


@dataclass(frozen=True)
class Axis:
    """A position axis: a name and a length."""

    name: str
    size: Size = field(default=ONE)

    def __post_init__(self) -> None:
        if not self.name.rstrip("'").isidentifier():
            raise fail(f"{self.name!r} is not a name for a position axis; use letters, digits, _ and final primes")

    def __str__(self) -> str:
        text = str(self.size)
        return self.name if text == self.name else f"{self.name}={text}"
