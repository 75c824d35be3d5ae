"""Formulas in static single assignment: lines that define functions of two points, read one after the other.

A *point* is an input together with positions (pixels, time steps). A line ``K3`` defines K3(s, s') for every pair of
points; it reads other lines at (s, s') and on the diagonals (s, s) and (s', s'). A line over one point, such as a
mean, is read at s or at s'. In expressions these readings are symbols: ``ref("K3")``, ``ref("K3", "11")``,
``ref("m1", "2")``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from ntksym._lazy import lazy
from ntksym.records.evidence import Evidence

sympy = lazy("sympy")

EXACT = Evidence("exact")
SAME = "same"
"""A name that is 1 where both points are one and the same, and 0 elsewhere; ``same:head`` looks at one axis only."""


@lru_cache(maxsize=4096)
def ref(name: str, side: str = "12") -> Any:
    """The symbol that reads a line: at both points ("12"), on a diagonal ("11", "22"), at one point ("1", "2").

    The diagonal of a covariance (a name with K) is taken to be positive, everything else real. The bar in its name
    tells such a symbol from a hyperparameter.
    """
    if side in ("11", "22") and name.startswith("K"):
        return sympy.Symbol(f"{name}|{side}", positive=True)
    return sympy.Symbol(f"{name}|{side}", real=True)


def is_one_point(name: str) -> bool:
    """Whether a name is that of a function of one point, such as a mean: these begin with m."""
    return name.startswith("m")


def readings(expression: Any) -> dict[Any, tuple[str, str]]:
    """The symbols of an expression that read lines, by name: the line's name, and at which points."""
    found = {}
    for symbol in sorted(expression.free_symbols, key=str):
        name, bar, side = symbol.name.partition("|")
        if bar:
            found[symbol] = (name, side)
    return found


def names_in(expression: Any) -> set[str]:
    """The names of the lines that an expression reads."""
    return {name for name, _ in readings(expression).values()}


@dataclass(frozen=True)
class Layout:
    """The position axes (records with a name and a size) of a line: of the first point, of the second, of both."""

    left: tuple[Any, ...] = ()
    right: tuple[Any, ...] = ()
    shared: tuple[Any, ...] = ()

    @property
    def is_scalar(self) -> bool:
        return not (self.left or self.right or self.shared)


@dataclass(frozen=True)
class Line:
    """One definition: ``name`` at two points; ``meaning`` says in words what it is."""

    name: str
    layout: Layout
    meaning: str

    def reads(self) -> set[str]:
        """The names of the lines that this one needs."""
        return set()

    @property
    def defines(self) -> tuple[str, ...]:
        return (self.name,)

    @property
    def evidence(self) -> Evidence:
        return EXACT


@dataclass(frozen=True)
class Gram(Line):
    """The inner product of a data value with itself or another, over its coordinates: sum_i u_i(s) v_i(s') / d.

    ``tokens`` asks whether two token indices are equal instead. ``first`` and ``second`` are values of the
    program: a node id and the steps of the loops around it.
    """

    first: Any
    second: Any
    tokens: bool = False


@dataclass(frozen=True)
class Algebra(Line):
    """An expression in other lines."""

    expression: Any

    def reads(self) -> set[str]:
        return names_in(self.expression)


@dataclass(frozen=True)
class Expected(Line):
    """A Gaussian expectation: ``answer`` in symbols of its own, and the expressions that they stand for.

    ``diagonal`` is the same where both points are one, where the first form would be singular. Answers are
    ``ntksym.gaussian.Answer`` records.
    """

    answer: Any
    arguments: tuple[tuple[str, Any], ...]
    diagonal: Any = None
    diagonal_arguments: tuple[tuple[str, Any], ...] = ()

    def reads(self) -> set[str]:
        found: set[str] = set()
        for _, expression in (*self.arguments, *self.diagonal_arguments):
            found |= names_in(expression)
        return found

    @property
    def evidence(self) -> Evidence:
        found: Evidence = self.answer.evidence
        return found

    @property
    def expression(self) -> Any:
        """The closed form (or the unevaluated expectation) in the symbols of other lines."""
        symbols = {symbol.name: symbol for symbol in self.answer.expression.free_symbols}
        given = {symbols[name]: value for name, value in self.arguments if name in symbols}
        return self.answer.expression.xreplace(given)


@dataclass(frozen=True)
class Differential(Line):
    """How an expectation changes when what it depends on does: its partial derivatives times these changes.

    ``changes`` and ``diagonal_changes`` say how the symbols of the answers of ``of`` change, those that do.
    """

    of: Expected
    changes: tuple[tuple[str, Any], ...]
    diagonal_changes: tuple[tuple[str, Any], ...]

    def reads(self) -> set[str]:
        found = self.of.reads()
        for _, expression in (*self.changes, *self.diagonal_changes):
            found |= names_in(expression)
        return found

    @property
    def evidence(self) -> Evidence:
        return self.of.evidence


@dataclass(frozen=True)
class Moved(Line):
    """A linear operation along positions of one line, on the left point, the right one, or both.

    ``op`` and ``attrs`` are those of the program's operation; ``weights`` names a line over one point, or a data value.
    """

    source: str
    op: str
    attrs: tuple[tuple[str, Any], ...]
    sides: str
    weights: str = ""

    def reads(self) -> set[str]:
        return {self.source, self.weights} - {""}


@dataclass(frozen=True)
class Averaged(Line):
    """The mean over axes that both points share (positions that were merged into the coordinates)."""

    source: str

    def reads(self) -> set[str]:
        return {self.source}


@dataclass(frozen=True)
class Shared(Line):
    """A line read where both points have the same index along some axes, which they share from here on."""

    source: str
    axes: tuple[tuple[str, str], ...]

    def reads(self) -> set[str]:
        return {self.source}


@dataclass(frozen=True)
class HeadAverage(Line):
    """E[sum_jj' A_j V_jj' A'_j'] with A, A' the softmax along the axis ``key`` of centred Gaussian logits.

    ``logits`` names their covariances: of those of the first point with themselves, with those of the second, and of
    the latter with themselves; ``values`` names V. Each of these lines has the axis ``key`` at both points.
    ``query`` is the axis whose position a key must not exceed, "" where all keys are seen. Where ``slopes`` names a
    line S, the mean is E[sum_jj' sum_kk' dA_j/dL_k dA'_j'/dL'_k' S_kk' V_jj'] instead.
    """

    logits: tuple[str, str, str]
    values: str
    key: str
    query: str = ""
    slopes: str = ""

    def reads(self) -> set[str]:
        return {*self.logits, self.values, self.slopes} - {""}

    @property
    def evidence(self) -> Evidence:
        return Evidence("quadrature", note="the softmax of random logits has no closed form; evaluate() gives a bound")


@dataclass(frozen=True)
class Stacked(Line):
    """Lines for single steps, put side by side along an axis of the left or the right point."""

    sources: tuple[Any, ...]
    axis: str
    side: str

    def reads(self) -> set[str]:
        return set().union(*map(names_in, self.sources))


@dataclass(frozen=True)
class Pointwise(Line):
    """A value over one point that is a number in the limit: a data operation, or the diagonal of a line.

    ``layout.left`` holds its axes. ``op`` is "diagonal" (of ``expression``), or an operation on other such values.
    """

    op: str
    attrs: tuple[tuple[str, Any], ...] = ()
    sources: tuple[str, ...] = ()
    expression: Any = None

    def reads(self) -> set[str]:
        return set(self.sources) | (names_in(self.expression) if self.expression is not None else set())


@dataclass(frozen=True)
class State:
    """One number that a loop carries: its symbol inside, its value before, after one round, and its final name."""

    name: str
    layout: Layout
    meaning: str
    start: Any
    after: Any
    final: str


@dataclass(frozen=True)
class Loop(Line):
    """``times`` rounds of lines that map the carried state to the next one: the recursion in depth."""

    times: Any
    states: tuple[State, ...]
    lines: tuple[Line, ...]

    def reads(self) -> set[str]:
        inside = {name for line in self.lines for name in line.defines} | {state.name for state in self.states}
        found = names_in(self.times)
        for line in self.lines:
            found |= line.reads()
        for state in self.states:
            found |= names_in(state.start) | names_in(state.after)
        return found - inside

    @property
    def defines(self) -> tuple[str, ...]:
        return tuple(state.final for state in self.states)


def walk(lines: tuple[Line, ...]) -> Iterator[Line]:
    """Every line in order, those inside of loops after their loop."""
    for line in lines:
        yield line
        if isinstance(line, Loop):
            yield from walk(line.lines)


@dataclass(frozen=True)
class Formula:
    """Lines in an order in which each reads only what came before, and what they are to give."""

    lines: tuple[Line, ...]
    outputs: Mapping[str, Any] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Line]:
        return iter(self.lines)
