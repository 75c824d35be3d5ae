"""One coordinate of a value as a function of Gaussians: maps between fresh weights, composed."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Any

from ntksym._lazy import lazy
from ntksym.gaussian import Answer, expect
from ntksym.gaussian.calculus import derivative
from ntksym.kernels.structure import (
    INDEX_MOVES,
    Structure,
)
from ntksym.kernels.values import Constant, Form, Lift, Picked, Value
from ntksym.kernels.views import (
    Combination,
    Mapped,
    Merged,
    Moving,
    PickedOne,
    Split,
)
from ntksym.language.expressions import Expr, Symbol, add, mul, number, substitute, symbols

sympy = lazy("sympy")


@dataclass(frozen=True)
class Coordinate:
    """A function of coordinates of other values: ``expr`` in the symbols x0, x1, ... of ``variables``.

    A variable is Gaussian, or a number per position; of any other value only its moments are known.
    """

    expr: Expr
    variables: tuple[Value, ...]

    @property
    def used(self) -> tuple[int, ...]:
        """Which variables occur."""
        return tuple(int(name[1:]) for name in symbols(self.expr))

    def derivative(self, k: int) -> Coordinate:
        """The derivative in variable k, where there is one."""
        return Coordinate(derivative(self.expr, _name(k)), self.variables)

    def without(self, k: int) -> Coordinate:
        """The function at zero in variable k."""
        return Coordinate(substitute(self.expr, {_name(k): number(0)}), self.variables)


ONE = Coordinate(number(1), ())


def _name(k: int) -> str:
    return f"x{k}"


def alone(value: Value) -> Coordinate:
    """A value as a variable."""
    return Coordinate(Symbol(_name(0)), (value,))


class Composer:
    """Coordinates of a structure's values."""

    def __init__(self, structure: Structure) -> None:
        self.structure = structure
        self._known: dict[Value, Coordinate] = {}

    def compose(self, value: Value) -> Coordinate:
        value = self.structure.resolve(value)
        if value not in self._known:
            self._known[value] = self._compose(value)
        return self._known[value]

    def _compose(self, value: Value) -> Coordinate:
        if isinstance(value, Constant):
            return ONE
        if self.structure.is_gaussian(value):
            return alone(value)
        view = self.structure.view(value)
        match view:
            case Combination(terms):
                return self._sum(terms, value)
            case Mapped(phi, arguments):
                parts = [self.compose(x) for x in arguments]
                variables, renamed = _joined(parts)
                return Coordinate(substitute(phi.expr, dict(zip(phi.symbols, renamed, strict=True))), variables)
            case PickedOne(axis, index, inner):
                found = self.compose(inner)
                return Coordinate(found.expr, tuple(Picked(axis, index, x) for x in found.variables))
            case Moving(op, inner) if self.structure.graph.node(op).op in INDEX_MOVES:
                return self._lifted(op, inner)
            case Merged(inner) | Split(inner):
                return self._lifted(value.op if isinstance(value, Lift) else value, inner)
        return alone(value)

    def _lifted(self, op: Any, inner: Value) -> Coordinate:
        found = self.compose(inner)
        return Coordinate(found.expr, tuple(Lift(op, x) for x in found.variables))

    def _sum(self, terms: tuple[tuple[Any, Value], ...], whole: Value) -> Coordinate:
        """Gaussian terms together make one variable; coefficients that are no rational numbers become variables."""
        gaussian = tuple((c, x) for c, x in terms if self.structure.is_gaussian(x))
        others = [(c, x) for c, x in terms if not self.structure.is_gaussian(x)]
        parts = [self.compose(x) for _, x in others]
        factors = [_coefficient(c) for c, _ in others]
        if gaussian:
            constant = all(isinstance(x, Constant) and _is_rational(c) for c, x in gaussian)
            parts.append(ONE if constant else alone(Form(gaussian)))
            factors.append(Coordinate(number(_fraction(sum(c for c, _ in gaussian))), ()) if constant else ONE)
        variables, renamed = _joined([*factors, *parts])
        half = len(factors)
        return Coordinate(add(*(mul(f, p) for f, p in zip(renamed[:half], renamed[half:], strict=True))), variables)


def _is_rational(coefficient: Any) -> bool:
    return bool(getattr(coefficient, "is_Rational", False))


def _fraction(value: Any) -> Any:
    return Fraction(int(value.p), int(value.q))


def _coefficient(coefficient: Any) -> Coordinate:
    if _is_rational(coefficient):
        return Coordinate(number(_fraction(coefficient)), ())
    return alone(Form(((coefficient, Constant()),)))


def _joined(parts: list[Coordinate]) -> tuple[tuple[Value, ...], list[Expr]]:
    """Coordinates over one tuple of variables, equal ones once."""
    variables = tuple(dict.fromkeys(x for part in parts for x in part.variables))
    place = {x: k for k, x in enumerate(variables)}
    renamed = [
        substitute(part.expr, {_name(k): Symbol(_name(place[x])) for k, x in enumerate(part.variables)})
        for part in parts
    ]
    return variables, renamed


def product(left: Coordinate, right: Coordinate) -> tuple[Expr, list[tuple[Value, int]]]:
    """The product of two coordinates at two points: its expression in y00, y01, ... and the variables with points."""
    pairs = [(left.variables[k], 1) for k in left.used] + [(right.variables[k], 2) for k in right.used]
    names = {k: Symbol(f"y{i:02}") for i, k in enumerate(left.used)}
    others = {k: Symbol(f"y{i:02}") for i, k in enumerate(right.used, start=len(left.used))}
    first = substitute(left.expr, {_name(k): s for k, s in names.items()})
    second = substitute(right.expr, {_name(k): s for k, s in others.items()})
    return mul(first, second), pairs


@lru_cache(maxsize=1024)
def answered(expr: Expr, covariance: tuple[tuple[Any, ...], ...], mean: tuple[Any, ...]) -> Answer:
    """The Gaussian expectation of an expression; derived once for each pattern of its covariance."""
    return expect([expr], covariance, mean)
