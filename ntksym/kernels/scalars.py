"""Lines of a formula for two inputs, as definitions of plain numbers, one for every reading.

A line K3 stands for three numbers, K3(x, x), K3(x, x') and K3(x', x'); here each is a definition of its own, with the
symbol that reads it. A line over positions is one number where it is the same at all positions.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from ntksym._lazy import lazy
from ntksym.errors import KernelError
from ntksym.gaussian import Answer, evaluate
from ntksym.gaussian.slopes import slopes
from ntksym.kernels.book import at
from ntksym.records.formula import SAME, Algebra, Averaged, Expected, Line, Moved, Pointwise, Shared, readings, ref

sympy = lazy("sympy")
mpmath = lazy("mpmath")

TRANSLATIONS = ("patches", "shift")
"""Moves along positions that read both points at the same distance from where they are."""


@dataclass(frozen=True)
class Definition:
    """``symbol`` = ``expression`` in symbols defined before.

    Of an expectation ``answer`` holds the question, and ``arguments`` what the symbols of the answer are.
    """

    symbol: Any
    expression: Any
    meaning: str
    answer: Answer | None = None
    arguments: tuple[tuple[str, Any], ...] = ()


def definitions(lines: Iterable[Line], wanted: Iterable[Any], uniform: bool = False) -> tuple[Definition, ...]:
    """The definitions that expressions need, in order; symbols that no line defines are left as they are.

    ``uniform`` takes every line to be the same at all positions, far from the edges (of an image, where windows reach
    over it). Raises KernelError for lines over positions otherwise, and for those that mix positions of one input.
    """
    by_name = {line.name: line for line in lines}
    found: dict[Any, Definition] = {}

    def visit(expression: Any) -> None:
        for symbol, (name, side) in sorted(readings(expression).items(), key=lambda item: item[0].name):
            if symbol not in found and name in by_name:
                made = _definition(by_name[name], symbol, side, uniform)
                visit(made.expression)
                for _, argument in made.arguments:
                    visit(argument)
                found[symbol] = made

    for expression in wanted:
        visit(expression)
    return tuple(found.values())


def _definition(line: Line, symbol: Any, side: str, uniform: bool) -> Definition:
    if uniform and isinstance(line, Moved | Shared | Averaged):
        if isinstance(line, Moved) and not _translates(line):
            raise KernelError(f"{line.meaning}: this mixes positions, so that no two of them are left alone")
        return Definition(symbol, ref(line.source, side), line.meaning)
    if not (uniform or line.layout.is_scalar):
        raise KernelError(f"{line.meaning}: this needs a program without positions, on plain vectors")
    if isinstance(line, Algebra):
        return Definition(symbol, apart(line.expression, side), line.meaning)
    if isinstance(line, Expected):
        alone = line.diagonal is not None and side in ("11", "22")
        answer, arguments = (line.diagonal, line.diagonal_arguments) if alone else (line.answer, line.arguments)
        given = tuple((name, apart(x, side)) for name, x in arguments)
        symbols = {s.name: s for s in answer.expression.free_symbols}
        expression = answer.expression.xreplace({symbols[name]: x for name, x in given if name in symbols})
        return Definition(symbol, expression, line.meaning, answer, given)
    if isinstance(line, Pointwise) and line.op in ("expression", "rsqrt"):
        expression = apart(line.expression, side)
        return Definition(
            symbol, expression ** -sympy.Rational(1, 2) if line.op == "rsqrt" else expression, line.meaning
        )
    raise KernelError(f"{line.meaning}: this has no meaning for two inputs without positions")


def _translates(line: Moved) -> bool:
    return line.op in TRANSLATIONS and line.sides == "both" and "length" not in dict(line.attrs)


def apart(expression: Any, side: str) -> Any:
    """An expression at a side; the two inputs are different ones at "12"."""
    if side == "12":
        same = [s for s, (name, _) in readings(expression).items() if name.startswith(SAME)]
        return expression.xreplace(dict.fromkeys(same, sympy.S.Zero))
    return at(expression, side)


def joined(expression: Any, found: Iterable[Definition]) -> Any:
    """An expression with all definitions put in."""
    for definition in reversed(tuple(found)):
        expression = expression.xreplace({definition.symbol: definition.expression})
    return expression


def numbers(found: Iterable[Definition], values: Mapping[Any, Any], digits: int) -> dict[Any, Any]:
    """All symbols as mpmath numbers, from numbers for those that are not defined."""
    known = dict(values)
    for definition in found:
        if definition.answer is None:
            known[definition.symbol] = number(definition.expression, known)
        else:
            given = {name: number(x, known) for name, x in definition.arguments}
            known[definition.symbol] = evaluate(definition.answer, given, digits).value
    return known


def changes(
    found: Iterable[Definition], known: Mapping[Any, Any], by: Mapping[Any, Any], digits: int
) -> dict[Any, Any]:
    """The derivatives of all symbols at numbers ``known``, along changes ``by`` of those that are not defined."""
    moving = dict(by)
    for definition in found:
        if definition.answer is None:
            total = change(definition.expression, known, moving)
        else:
            given = {name: number(x, known) for name, x in definition.arguments}
            partial = dict(slopes(definition.answer))
            total = mpmath.mpf(0)
            for name, argument in definition.arguments:
                along = change(argument, known, moving)
                if along != 0:
                    for weight, slope in partial.get(name, ()):
                        if slope.expression != 0:
                            total += number(weight, {}) * evaluate(slope, given, digits).value * along
        moving[definition.symbol] = total
    return moving


def change(expression: Any, known: Mapping[Any, Any], moving: Mapping[Any, Any]) -> Any:
    """The derivative of one expression along changes of its symbols."""
    parts = (number(sympy.diff(expression, s), known) * moving[s] for s in expression.free_symbols if moving.get(s))
    return mpmath.fsum(parts)


def number(expression: Any, known: Mapping[Any, Any]) -> Any:
    """An expression as an mpmath number. Raises KernelError where one is missing."""
    symbols = tuple(sorted(expression.free_symbols, key=lambda s: s.name))
    missing = [symbol.name for symbol in symbols if symbol not in known]
    if missing:
        raise KernelError(f"a number is needed for {', '.join(missing)}")
    return mpmath.mpmathify(_function(expression, symbols)(*(known[symbol] for symbol in symbols)))


@lru_cache(maxsize=4096)
def _function(expression: Any, symbols: tuple[Any, ...]) -> Any:
    return sympy.lambdify(symbols, expression, "mpmath")
