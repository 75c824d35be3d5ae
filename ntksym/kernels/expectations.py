"""Gaussian expectations of functions of coordinates, as lines of the book."""

from __future__ import annotations

from typing import Any

from ntksym._lazy import lazy
from ntksym.kernels.book import at
from ntksym.kernels.coordinates import ONE, Coordinate, answered, product
from ntksym.kernels.rules import Rules
from ntksym.kernels.values import Constant, Value
from ntksym.language.expressions import to_sympy
from ntksym.records.formula import Expected, Layout, ref

sympy = lazy("sympy")


class Expectations:
    """Expectations over the Gaussians of a derivation, each asked for once."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules

    def between(self, left: Coordinate, right: Coordinate, v: Value, w: Value, letter: str) -> Any:
        """E[f(u(s)) g(u'(s'))], for the axes of the values v and w: a line, or sums of lines where parts come free."""
        return self._expectation(left, right, v, w, letter, False)

    def of_one(self, coordinate: Coordinate, v: Value) -> Any:
        """E[f(u(s))], an expression over one point."""
        return self._expectation(coordinate, ONE, v, v, "m", True)

    def _expectation(self, left: Coordinate, right: Coordinate, v: Value, w: Value, letter: str, from_one: bool) -> Any:
        opened = self._opened(left, right, v, w, letter, from_one)
        if opened is not None:
            return opened
        expr, variables = product(left, right)
        if not variables:
            return to_sympy(expr)
        K = [[self._centred(x, y, "12") for y in variables] for x in variables]
        m = [self._mean_at(x) for x in variables]
        layout = Layout(self.rules.graph.axes(v), () if from_one else self.rules.graph.axes(w), self._hidden(variables))
        if from_one:
            layout = Layout((*self.rules.graph.axes(v), *layout.shared))
        answer, arguments = self._asked(expr, K, m)
        if answer.expression.is_Number:
            return answer.expression
        diagonal: Any = None
        diagonal_arguments: tuple[tuple[str, Any], ...] = ()
        if not from_one and [x for x, s in variables if s == 1] and [x for x, s in variables if s == 2]:
            expr_d, K_d, m_d = self._at_one_point(expr, variables)
            diagonal, diagonal_arguments = self._asked(expr_d, K_d, m_d)
        meaning = f"E[{expr}]"
        made = self.rules.book.add(
            letter,
            (answer.expectation, tuple(arguments)),
            layout,
            lambda name: Expected(name, layout, meaning, answer, arguments, diagonal, diagonal_arguments),
        )
        name = made.name.partition("|")[0]
        return ref(name, "1") if from_one else made

    def _hidden(self, variables: list[tuple[Value, int]]) -> Any:
        return tuple({a.name: a for x, _ in variables for a in self.rules.structure.hidden(x)}.values())

    def _centred(self, x: tuple[Value, int], y: tuple[Value, int], side: str) -> Any:
        """The covariance of two variables, each at its point, as symbols of lines."""
        (v, i), (w, j) = x, y
        if i > j:
            return self._centred(y, x, side)
        found = self.rules.kernel(v, w)
        product_of_means = self.rules.mean(v) * at(self.rules.mean(w), "22")
        if product_of_means != 0:
            found = self.rules.kernel(v, w, sympy.expand_mul(self.rules.second(v, w) - product_of_means))
        return found if i != j else at(found, f"{i}{j}")

    def _mean_at(self, x: tuple[Value, int]) -> Any:
        found = self.rules.mean(x[0])
        return at(found, "22") if x[1] == 2 else found

    def _at_one_point(self, expr: Any, variables: list[tuple[Value, int]]) -> Any:
        """The same expectation where both points are one."""
        alike = [(x, 1) for x, _ in variables]
        K = [[self._centred(x, y, "11") for y in alike] for x in alike]
        return expr, K, [self._mean_at(x) for x in alike]

    def _asked(self, expr: Any, K: list[list[Any]], m: list[Any]) -> tuple[Any, tuple[tuple[str, Any], ...]]:
        """The answer in symbols of its own, one for each different entry, and what these stand for."""
        count = len(m)
        names = {(0, 0): "p", (0, 1): "r", (1, 1): "q"} if count <= 2 else {}
        stands: dict[Any, Any] = {}

        def symbol(entry: Any, name: str) -> Any:
            if entry.is_Number:
                return entry
            return stands.setdefault(entry, sympy.Symbol(name, real=True))

        covariance = [[sympy.S.Zero] * count for _ in m]
        for i in range(count):
            covariance[i][i] = symbol(K[i][i], names.get((i, i), f"k{i + 1}{i + 1}"))
        for i in range(count):
            for j in range(i + 1, count):
                covariance[i][j] = covariance[j][i] = symbol(K[i][j], names.get((i, j), f"k{i + 1}{j + 1}"))
        means = tuple(symbol(x, f"m{i + 1}") for i, x in enumerate(m))
        answer = answered(expr, tuple(map(tuple, covariance)), means)
        return answer, tuple((value.name, key) for key, value in stands.items())

    def _opened(self, left: Coordinate, right: Coordinate, v: Value, w: Value, letter: str, from_one: bool) -> Any:
        """Variables that are not Gaussian, where the functions are linear in them and all else is independent."""
        for coordinate in (left, right):
            for k in coordinate.used:
                value = coordinate.variables[k]
                if self.rules.structure.is_gaussian(value):
                    continue
                return self._free(left, right, value, v, w, letter, from_one)
        return None

    def _free(
        self, left: Coordinate, right: Coordinate, value: Value, v: Value, w: Value, letter: str, from_one: bool
    ) -> Any:
        draws = self.rules.structure.draws(value)
        if not draws:
            raise self.rules.structure.refusal(
                value, "takes a function of data and random values together, coordinate by coordinate"
            )
        parts = []
        for coordinate in (left, right):
            mine = [k for k in coordinate.used if self.rules.structure.draws(coordinate.variables[k]) & draws]
            rest = [k for k in coordinate.used if k not in mine]
            if len(mine) > 1 or any(k in coordinate.derivative(k).used for k in mine):
                self._not_closed(coordinate, value)
            if mine and rest and any(j in coordinate.derivative(mine[0]).used for j in mine):
                self._not_closed(coordinate, value)
            parts.append(mine[0] if mine else None)
        i, j = parts
        total = sympy.S.Zero
        choices_left = [(None, left if i is None else left.without(i))] + (
            [(i, left.derivative(i))] if i is not None else []
        )
        choices_right = [(None, right if j is None else right.without(j))] + (
            [(j, right.derivative(j))] if j is not None else []
        )
        for a, f in choices_left:
            for b, g in choices_right:
                x = left.variables[a] if a is not None else Constant()
                y = right.variables[b] if b is not None else Constant()
                rest_of = self._expectation(f, g, v, w, letter, from_one)
                if rest_of == 0:
                    continue
                factor = self.rules.mean(x) if from_one else self.rules.second(x, y)
                total += factor * rest_of
        return total

    def _not_closed(self, coordinate: Coordinate, value: Value) -> None:
        raise self.rules.structure.refusal(
            value,
            "is not Gaussian, and a function of it is taken beside what it depends on: put a weight layer between, "
            "or give sizes= so that the loop can be unrolled",
        )
