"""Kernels of inputs of one norm as functions of the cosine between them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ntksym._lazy import lazy
from ntksym.errors import KernelError
from ntksym.kernels.scalars import Definition, apart, definitions, number, numbers
from ntksym.records.formula import Formula, Gram, Line, Loop, is_one_point, readings, ref

sympy = lazy("sympy")
mpmath = lazy("mpmath")

GUARD = 15
LARGEST = 2000
"""Operations of the largest single expression that is made."""


@dataclass(frozen=True)
class SphereKernel:
    """NNGP and NTK of two inputs with x.x/d = x'.x'/d = q and cosine c, all copies of repeats one after the other.

    ``outputs`` gives "nngp" and "ntk" in symbols that ``definitions`` define in turn, so a deep network is a
    composition of small functions. The derivative of an expectation may be infinite at c = 1 or -1; its value is not.
    """

    definitions: tuple[Definition, ...]
    outputs: tuple[tuple[str, Any], ...]
    c: Any
    q: Any

    @property
    def nngp(self) -> Any:
        """The NNGP kernel as one expression in c. Raises KernelError where that would be very large."""
        return self._expression("nngp")

    @property
    def ntk(self) -> Any:
        """The NTK as one expression in c. Raises KernelError where that would be very large, or was not derived."""
        return self._expression("ntk")

    def _expression(self, name: str) -> Any:
        expression = self._output(name)
        for definition in reversed(self.definitions):
            expression = expression.xreplace({definition.symbol: definition.expression})
            if sympy.count_ops(expression) > LARGEST:
                raise KernelError(f"{name} of this depth is too large for one expression; use its definitions")
        return correlated(expression)

    def _output(self, name: str) -> Any:
        if name not in dict(self.outputs):
            raise KernelError(f"{name} was not derived")
        return dict(self.outputs)[name]

    def latex(self, name: str = "ntk") -> str:
        """One kernel in LaTeX, without dollar signs."""
        return str(sympy.latex(self._expression(name)))

    def evaluate(self, c: Any, digits: int = 30, **values: Any) -> dict[str, Any]:
        """Both kernels at a cosine, in mpmath numbers; ``values`` are those of q and of hyperparameters."""
        with mpmath.workdps(digits + GUARD):
            free = set().union(*(_free(d) for d in self.definitions), *(x.free_symbols for _, x in self.outputs))
            named = {symbol.name: symbol for symbol in free - {d.symbol for d in self.definitions}}
            given = {**values, self.c.name: c}
            unknown = next((name for name in values if name not in named), None)
            if unknown is not None:
                raise KernelError(f"these kernels do not depend on {unknown}; they do on: {', '.join(sorted(named))}")
            known = {named[name]: mpmath.mpmathify(x) for name, x in given.items() if name in named}
            found = numbers(self.definitions, known, digits + GUARD // 2)
            return {name: number(x, found) for name, x in self.outputs}


def _free(definition: Definition) -> set[Any]:
    if definition.answer is None:
        return set(definition.expression.free_symbols)
    return set().union(*(x.free_symbols for _, x in definition.arguments))


def on_sphere(formula: Formula, values: Mapping[str, Any]) -> SphereKernel:
    """The kernels on a sphere; ``values`` puts in numbers, of q, hyperparameters and numbers of copies.

    Raises KernelError for programs with positions, and where a number of copies is missing.
    """
    c, q = sympy.Symbol("c", real=True), sympy.Symbol("q", positive=True)
    unrolling = Unrolling(values, c, q)
    unrolling.lines(formula.lines)
    outputs = {line.name: line for line in formula.lines if line.name in ("nngp", "ntk")}
    found = tuple((name, unrolling.rename(ref(name))) for name in outputs)
    return SphereKernel(_needed(unrolling.found, found), found, c, unrolling.put(q))


def _needed(found: list[Definition], outputs: tuple[tuple[str, Any], ...]) -> tuple[Definition, ...]:
    wanted = set().union(*(expression.free_symbols for _, expression in outputs))
    kept = []
    for definition in reversed(found):
        if definition.symbol in wanted:
            kept.append(definition)
            wanted |= definition.expression.free_symbols | _free(definition)
    return tuple(reversed(kept))


class Unrolling:
    """Definitions of a formula on the sphere, the second input's norm that of the first, loops run copy by copy."""

    def __init__(self, values: Mapping[str, Any], c: Any, q: Any) -> None:
        self.values = values
        self.found: list[Definition] = []
        self.names: dict[Any, Any] = {}
        self.c, self.q = c, q
        self._used: set[str] = set()

    def lines(self, lines: tuple[Line, ...]) -> None:
        """The definitions of some lines, one after the other."""
        for line in lines:
            if isinstance(line, Loop):
                self._loop(line)
            elif isinstance(line, Gram):
                self._gram(line)
            else:
                sides = ("1",) if not line.name[0].isupper() and line.name not in ("nngp", "ntk") else ("11", "12")
                for side in sides:
                    self._define(line, side)

    def _gram(self, line: Gram) -> None:
        if not line.layout.is_scalar or line.tokens or line.first != line.second:
            raise KernelError("on_sphere needs a program on one plain vector, without positions or tokens")
        q = self.put(self.q)
        self.names.update({ref(line.name, "11"): q, ref(line.name, "12"): self.c * q})

    def _define(self, line: Line, side: str) -> None:
        symbol = ref(line.name, side)
        (made, *_) = [d for d in definitions((line,), (symbol,)) if d.symbol == symbol]
        arguments = tuple((key, self.rename(x)) for key, x in made.arguments)
        self._add(symbol, self.rename(made.expression), line.meaning, made.answer, arguments)

    def _add(self, symbol: Any, expression: Any, meaning: str, answer: Any = None, arguments: Any = ()) -> None:
        name = self._fresh(symbol)
        self.found.append(Definition(name, expression, meaning, answer, arguments))
        self.names[symbol] = name

    def _fresh(self, symbol: Any) -> Any:
        """A symbol of its own for a copy: the line's name, with the copy behind it from the second one on."""
        base, _, side = symbol.name.partition("|")
        stem = f"{base}_diagonal" if side == "11" else base
        name = next(x for k in range(len(self._used) + 2) if (x := f"{stem}_{k}" if k else stem) not in self._used)
        self._used.add(name)
        return sympy.Symbol(name, positive=True) if symbol.is_positive else sympy.Symbol(name, real=True)

    def _loop(self, loop: Loop) -> None:
        times = self.rename(loop.times)
        if not times.is_Integer or times < 0:
            names = ", ".join(f"{s.name}=10" for s in times.free_symbols)
            raise KernelError(f"{loop.meaning}: on_sphere runs every copy; add {names or 'a whole number'}")
        entries = [(s, side) for s in loop.states for side in (("1",) if is_one_point(s.name) else ("11", "12"))]
        values = [(s.name, side, s.meaning, s.start) for s, side in entries]
        for k in range(int(times) + 1):
            new = [(ref(name, side), self.rename(apart(x, side)), meaning) for name, side, meaning, x in values]
            for entry in new:
                self._add(*entry)
            if k < times:
                self.lines(loop.lines)
                values = [(s.name, side, s.meaning, s.after) for s, side in entries]
        for s, side in entries:
            self.names[ref(s.final, side)] = self.names[ref(s.name, side)]

    def rename(self, expression: Any) -> Any:
        """An expression in the symbols of this kernel: the second input is like the first where it stands alone."""
        alone = {}
        for symbol, (name, side) in readings(expression).items():
            first = ref(name, {"2": "1", "22": "11"}.get(side, side))
            alone[symbol] = self.names.get(first, first)
        return self.put(expression.xreplace(alone))

    def put(self, expression: Any) -> Any:
        """An expression with the given numbers in it."""
        known = {s: sympy.nsimplify(self.values[s.name]) for s in expression.free_symbols if s.name in self.values}
        return expression.xreplace(known)


def correlated(expression: Any) -> Any:
    """Roots of products with positive factors taken apart: sqrt(p^2 - r^2) with r = c p is p sqrt(1 - c^2)."""
    return expression.replace(
        lambda e: e.is_Pow and e.exp.is_Rational and not e.exp.is_Integer and e.base.is_Add,
        lambda e: sympy.expand_power_base(sympy.factor_terms(e.base) ** e.exp),
    )
