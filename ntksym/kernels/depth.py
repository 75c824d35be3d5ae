"""Closed forms in depth: recursions that are affine in what a loop carries, solved in the number of copies.

Nothing is known beforehand of networks for which this works: the map of one copy is asked whether it is affine with
constant coefficients. It is for linear networks, for all pairs of inputs, and on the diagonal for homogeneous
activations, with skips or without.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ntksym._lazy import lazy
from ntksym.errors import KernelError
from ntksym.kernels.blocks import BlockMap, block_maps
from ntksym.records.formula import Formula, readings

sympy = lazy("sympy")

Sum = dict[tuple[Any, int], Any]
"""A function of l: the sum of coefficient * binomial(l, k) * base^(l - k), by (base, k)."""


@dataclass(frozen=True)
class ClosedForm:
    """What a loop carries after ``copies`` rounds (a symbol), as an ``expression`` in these and what it started from.

    ``symbol`` reads a line: K(x, x) with "|11", K(x, x') for any two inputs with "|12". Where a growth factor may
    coincide with another one the expression is a ``Piecewise``.
    """

    loop: str
    symbol: Any
    copies: Any
    expression: Any

    def at(self, copies: int) -> Any:
        """The expression for a number of copies."""
        return self.expression.subs(self.copies, copies)

    def latex(self) -> str:
        """The expression in LaTeX, without dollar signs."""
        return str(sympy.latex(self.expression))


@dataclass(frozen=True)
class Row:
    """One state of an affine map: s' = growth * s + the sum of coefficients times other states + constant."""

    growth: Any
    others: Mapping[Any, Any]
    constant: Any


def closed_forms(formula: Formula) -> tuple[ClosedForm, ...]:
    """The closed forms of all loops: what is affine on the diagonal, and what is for every pair of inputs."""
    return tuple(form for block in block_maps(formula).values() for form in _forms(block))


def _forms(block: BlockMap) -> Iterator[ClosedForm]:
    if block.uniform:
        raise KernelError(f"{block.name}: what it carries has positions; closed forms in depth are for plain vectors")
    copies = sympy.Symbol("l", integer=True, nonnegative=True)
    start = dict(zip(block.state, block.start, strict=True))
    for sides in (("1", "11"), ("12",)):
        states = {s: x for s, x in block.next.items() if readings(s)[s][1] in sides}
        rows = affine_rows(states, block.state)
        for symbol, expression in solved(rows, start, copies).items():
            yield ClosedForm(block.name, symbol, copies, expression)


def affine_rows(after: Mapping[Any, Any], states: tuple[Any, ...]) -> dict[Any, Row]:
    """The states whose map is affine in themselves and in states found before, with constant coefficients."""
    rows: dict[Any, Row] = {}
    while True:
        found = {
            symbol: row
            for symbol, expression in after.items()
            if symbol not in rows and (row := _row(expression, symbol, tuple(rows), states)) is not None
        }
        if not found:
            return rows
        rows.update(found)


def _row(expression: Any, own: Any, known: tuple[Any, ...], states: tuple[Any, ...]) -> Row | None:
    read = expression.free_symbols & set(states)
    if not read <= {own, *known}:
        return None
    slopes = {symbol: sympy.cancel(sympy.diff(expression, symbol)) for symbol in read}
    if any(slope.free_symbols & set(states) for slope in slopes.values()):
        return None
    linear = sympy.Add(*(slope * symbol for symbol, slope in slopes.items()))
    constant = sympy.cancel(expression - linear)
    if constant.free_symbols & set(states):
        return None
    growth = slopes.pop(own, sympy.S.Zero)
    return Row(growth, slopes, constant)


def solved(rows: Mapping[Any, Row], start: Mapping[Any, Any], copies: Any) -> dict[Any, Any]:
    """The states after ``copies`` rounds of affine maps, rows in an order in which each reads only earlier ones."""
    driven = (sympy.S.One,) if any(row.constant != 0 for row in rows.values()) else ()
    growths = tuple(dict.fromkeys((*(row.growth for row in rows.values()), *driven)))
    names = {growth: growth if growth.is_number else sympy.Dummy("a") for growth in growths}
    back = {name: growth for growth, name in names.items()}
    cases = []
    for classes in _partitions(tuple(names.values())):
        condition, chosen = _case(classes, back)
        if condition != sympy.false:
            cases.append((_solution(rows, start, copies, {g: chosen[names[g]] for g in growths}, back), condition))
    return {s: sympy.Piecewise(*((solution[s], condition) for solution, condition in cases)) for s in rows}


def _partitions(items: tuple[Any, ...]) -> Iterator[tuple[tuple[Any, ...], ...]]:
    """All ways to say which of the items are equal, those with the most equalities first."""
    if not items:
        yield ()
        return
    found = []
    first, *rest = items
    for part in _partitions(tuple(rest)):
        found += [(*part[:k], (first, *group), *part[k + 1 :]) for k, group in enumerate(part)]
        found.append(((first,), *part))
    yield from sorted(found, key=len)


def _case(classes: tuple[tuple[Any, ...], ...], back: Mapping[Any, Any]) -> tuple[Any, dict[Any, Any]]:
    """The condition under which the growth factors of each class are equal, and one name for each of them."""
    chosen, conditions = {}, []
    for group in classes:
        first = next((x for x in group if x.is_number), group[0])
        for other in group:
            chosen[other] = first
            if other != first:
                conditions.append(sympy.Eq(sympy.factor(back[other] - back[first]), 0))
    return sympy.And(*conditions), chosen


def _solution(
    rows: Mapping[Any, Row], start: Mapping[Any, Any], copies: Any, growths: Mapping[Any, Any], back: Mapping[Any, Any]
) -> dict[Any, Any]:
    sums: dict[Any, Sum] = {}
    for symbol, row in rows.items():
        forcing: Sum = {(sympy.S.One, 0): row.constant} if row.constant != 0 else {}
        for other, coefficient in row.others.items():
            for key, value in sums[other].items():
                forcing[key] = forcing.get(key, sympy.S.Zero) + coefficient * value
        sums[symbol] = _recurrence(growths[row.growth], forcing, start[symbol])
    return {symbol: _written(total, copies).xreplace(dict(back)) for symbol, total in sums.items()}


def _recurrence(growth: Any, forcing: Sum, start: Any) -> Sum:
    """s(l + 1) = growth s(l) + forcing(l), s(0) = start.

    With f_k(l) = binomial(l, k) b^(l - k): f_k(l + 1) = b f_k(l) + f_(k-1)(l). So a forcing f_k is answered by f_(k+1)
    if b is the growth, else by (f_k - the answer to f_(k-1)) / (b - growth).
    """
    total: Sum = {}

    def add(key: tuple[Any, int], value: Any) -> None:
        if value != 0:
            total[key] = total.get(key, sympy.S.Zero) + value

    for (base, k), value in forcing.items():
        if base == growth:
            add((base, k + 1), value)
            continue
        for j in range(k, -1, -1):
            value = value / (base - growth)
            add((base, j), value)
            value = -value
    at_zero = sum((value for (_, k), value in total.items() if k == 0), sympy.S.Zero)
    add((growth, 0), start - at_zero)
    return total


def _written(total: Sum, copies: Any) -> Any:
    """The function as an expression."""
    return sympy.Add(
        *(
            value * sympy.expand_func(sympy.ff(copies, k)) / sympy.factorial(k) * base ** (copies - k)
            for (base, k), value in total.items()
        )
    )
