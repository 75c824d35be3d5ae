"""A formula as the steps of a page: definitions over display symbols, not yet in any markup."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ntksym._lazy import lazy
from ntksym.errors import KernelError
from ntksym.gaussian import Expectation
from ntksym.gaussian.unevaluated import Unevaluated
from ntksym.kernels.labelled import moves
from ntksym.kernels.recursion import KernelRecursion
from ntksym.kernels.rendering_algebra import averaged, closed_form, factored, indicator, with_definitions
from ntksym.kernels.rendering_heads import heads
from ntksym.kernels.rendering_names import OUTPUTS, REINDEXING, Glossary, Indices, hidden, is_positional, named
from ntksym.kernels.rendering_positions import Place, Positions, Written
from ntksym.kernels.structure import size_expression
from ntksym.language.expressions import Symbol as Variable
from ntksym.language.expressions import mul, substitute, to_sympy
from ntksym.language.program import Node
from ntksym.records.formula import (
    SAME,
    Algebra,
    Differential,
    Expected,
    Gram,
    HeadAverage,
    Line,
    Loop,
    Pointwise,
    Stacked,
    State,
    is_one_point,
    readings,
    walk,
)

sympy = lazy("sympy")


@dataclass(frozen=True)
class Sum:
    """A sum over indices."""

    over: tuple[Any, ...]
    product: Any


@dataclass(frozen=True)
class Average:
    """The expectation of an expression in Gaussian variables."""

    of: Any


@dataclass(frozen=True)
class Data:
    """The entries of an input (x where there is only one), or of what is made of it, at ``point`` "1" or "2"."""

    name: str
    indices: tuple[Any, ...]
    point: str


@dataclass(frozen=True)
class Inner:
    """The mean product of the coordinates of two data values, or whether two tokens are equal.

    ``over`` are indices that were merged into the coordinates, of which there are ``size`` in all.
    """

    first: Data
    second: Data
    over: tuple[Any, ...]
    size: Any
    tokens: bool


@dataclass(frozen=True)
class Listed:
    """Expressions for the positions of an axis, one after the other."""

    parts: tuple[Any, ...]
    index: Any


@dataclass(frozen=True)
class Applied:
    """A named operation: ``name`` of an expression, over an index or under a condition."""

    name: str
    of: tuple[Any, ...]
    over: tuple[Any, ...] = ()


Right = Any
"""A SymPy expression, or one of the forms above."""


@dataclass(frozen=True)
class Step:
    """``left`` = the right sides, one after the other; ``level`` counts the loops around; ``same`` where x' = x."""

    left: Any
    right: tuple[Right, ...]
    level: int
    note: str = ""


@dataclass(frozen=True)
class Gaussians:
    """The variables of the expectations that follow, and what the symbols of their law stand for."""

    variables: tuple[Any, ...]
    mean: tuple[Any, ...]
    covariance: tuple[tuple[Any, ...], ...]
    stands: tuple[tuple[Any, Any], ...]
    level: int


@dataclass(frozen=True)
class ForEach:
    """The steps that follow, one level deeper, are done for every round."""

    index: Any
    times: Any
    name: str
    level: int


Item = Step | Gaussians | ForEach

_WRITTEN = (Algebra, Expected, Gram, HeadAverage, Loop, Pointwise, Stacked)


@dataclass(frozen=True)
class Page:
    """All steps, and what their symbols stand for."""

    items: tuple[Item, ...]
    glossary: Glossary
    indices: Indices
    shown: tuple[tuple[Any, Line], ...]
    """The lines that are shown, each with its symbol."""


def page(recursion: KernelRecursion) -> Page:
    """The steps of a recursion. Raises KernelError for kinds of lines that have no notation."""
    for line in walk(recursion.formula.lines):
        if not isinstance(line, _WRITTEN) and not is_positional(line):
            what = "derivatives of expectations" if isinstance(line, Differential) else type(line).__name__
            raise KernelError(f"{line.name}: there is no notation for {what} yet; evaluate() and to_json() know them")
    return _Writer(recursion).page()


class _Writer:
    def __init__(self, recursion: KernelRecursion) -> None:
        self.recursion = recursion
        formula = recursion.formula
        self.lines = {line.name: line for line in walk(formula.lines)}
        layouts = {name: line.layout for name, line in self.lines.items()}
        for line in self.lines.values():
            if isinstance(line, Loop):
                for state in line.states:
                    layouts[state.name] = layouts[state.final] = state.layout
        indices = Indices(frozenset(x.attr("axis") for x in recursion.program.nodes.values() if x.op == "patches"))
        self.glossary = Glossary()
        self.hidden = hidden(formula)
        self.names = named(formula)
        self.positions = Positions(self.lines, layouts, self.names, self.hidden, self.glossary, indices)
        self.items: list[Item] = []
        self.shown: list[tuple[Any, Line]] = []

    def page(self) -> Page:
        self.write(self.recursion.formula.lines, 0, [])
        return Page(tuple(self.items), self.glossary, self.positions.indices, tuple(self.shown))

    def write(self, lines: Sequence[Line], level: int, known: list[tuple[Any, Any]]) -> None:
        law: Any = None
        for line in _ordered(lines):
            if line.name in self.hidden:
                continue
            if isinstance(line, Expected):
                new = (line.arguments, line.answer.expectation.covariance, line.answer.expectation.mean, line.layout)
                if new != law:
                    self.items.append(self.gaussians(line, level))
                    law = new
                self.expected(line, level)
                continue
            law = None
            if isinstance(line, Loop):
                self.loop(line, level, known)
            else:
                self.define(line, level, known)

    # --- definitions ---

    def define(self, line: Line, level: int, known: list[tuple[Any, Any]]) -> None:
        one = line.name[0] in "am"
        place = self.positions.home(line.layout, "1" if one else "12")
        left = self.positions.symbol(line.name, place)
        right: Right
        if isinstance(line, Algebra):
            right = self.tidied(self.expression(line.expression, place), known)
            known.append((left, sympy.expand_mul(self.expression(line.expression, place))))
        elif isinstance(line, Gram):
            right = self.inner(line, place)
        elif isinstance(line, HeadAverage):
            right = heads(self.positions, line, place)
        elif isinstance(line, Stacked):
            index = next(
                i
                for a, i in {**place.left, **{f"{a}'": i for a, i in place.right.items()}}.items()
                if a == (line.axis if line.side == "left" else f"{line.axis}'")
            )
            right = Listed(tuple(self.tidied(self.expression(x, place), known) for x in line.sources), index)
        elif isinstance(line, Pointwise):
            right = self.pointwise(line, place)
        else:
            assert is_positional(line)
            found = self.positions.written(line.name, place)
            right = Sum(tuple(found.sums), found.product)
        note = {"nngp": "NNGP kernel", "ntk": "neural tangent kernel"}.get(line.name, "")
        self.items.append(Step(left, (right,), level, note))
        self.shown.append((left, line))

    def tidied(self, expression: Any, known: list[tuple[Any, Any]]) -> Any:
        expanded = sympy.expand_mul(expression)
        with_known = with_definitions(expanded, [(s, d) for s, d in known if not d.is_Symbol])
        return factored(with_known, expanded.free_symbols - set(self.glossary.known))

    def expression(self, expression: Any, place: Place) -> Any:
        """An expression with display symbols for what it reads."""
        changes = {}
        for symbol, (name, side) in readings(expression).items():
            if name.startswith(SAME):
                changes[symbol] = self.same(name, place)
            else:
                changes[symbol] = self.positions.read(name, self.positions.seen(place, side))
        return expression.xreplace(changes)

    def same(self, name: str, place: Place) -> Any:
        axis = name.partition(":")[2]
        axes = [axis] if axis else [a for a in place.left if a in place.right]
        pairs = [(place.left[a], place.right[a]) for a in axes if a in place.right]
        inputs = [] if axis else [(sympy.Symbol("x"), sympy.Symbol("x'"))]
        return sympy.Mul(*(indicator(sympy.Eq(*pair)) for pair in (*inputs, *pairs)))

    def inner(self, line: Gram, place: Place) -> Inner:
        nodes = [self.recursion.program.nodes[value[0]] for value in (line.first, line.second)]
        size = size_expression(nodes[0].type.coord)  # type: ignore[union-attr]
        found, out = [], Written()
        for node, where, point in zip(nodes, (place.left, place.right), "12", strict=True):
            sums = Written()
            found.append(self.data(node, dict(where), point, sums))
            out = sums if sums.sums else out
        return Inner(found[0], found[1], tuple(out.sums), size, line.tokens)

    def data(self, node: Node, where: dict[str, Any], point: str, out: Written) -> Data:
        """An input at indices, seen through the operations that only choose positions; else what is made of it."""
        nodes, inputs = self.recursion.program.nodes, self.recursion.program.inputs
        if node.op == "merge":
            inner = nodes[node.inputs[0]]
            for axis in inner.type.positions:
                if axis.name not in where:  # merged coordinates of both points have the same index
                    where[axis.name] = self.positions.bound(self.positions.indices.left(axis.name), out)
            return self.data(inner, where, point, out)
        if node.op in REINDEXING:
            inner = nodes[node.inputs[0]]
            self.positions.move(node.op, dict(node.attrs), where, point, point == "2", {}, "", out)
            return self.data(inner, where, point, out)
        name = "x" if node.op == "input" and len(inputs) == 1 else node.name
        return Data(name, tuple(where[axis.name] for axis in node.type.positions), point)

    def pointwise(self, line: Pointwise, place: Place) -> Right:
        attrs = dict(line.attrs)
        if line.op == "data":
            return self.data(self.recursion.program.nodes[attrs["value"][0]], dict(place.left), "1", Written())
        if line.op in ("expression", "rsqrt", "average"):
            shared = {a: self.positions.indices.left(a) for a in attrs.get("axes", ())}
            inside = self.expression(line.expression, Place({**place.left, **shared}, place.right, shared, "1"))
            inside = self.tidied(inside, [])
            if line.op == "average":
                return Applied("average", (inside,), tuple(shared.values()))
            return inside if line.op == "expression" else 1 / sympy.sqrt(inside)
        if line.op in moves:
            found = self.positions.written(line.name, place)
            return Sum(tuple(found.sums), found.product)
        if line.op == "joined":
            both = self.positions.layouts[line.sources[0]]
            indices = list(place.left.values())
            left = dict(zip([a.name for a in both.left], indices, strict=False))
            right = {a.name: place.left.get(a.name, self.positions.indices.left(a.name)) for a in both.right}
            return self.positions.read(line.sources[0], Place(left, right, {}, "11"))
        sources = tuple(self.positions.read(name, place) for name in line.sources)
        if line.op == "map":
            phi = attrs["phi"]
            return averaged(to_sympy(phi.expr)).xreplace(
                {sympy.Symbol(name, real=True): x for name, x in zip(phi.symbols, sources, strict=True)}
            )
        over = [place.left[attrs[key]] for key in ("axis", "key", "query") if key in attrs]
        return Applied(line.op, sources, tuple(over))

    # --- expectations ---

    def gaussians(self, line: Expected, level: int) -> Gaussians:
        question, place = line.answer.expectation, self.place(line)
        stands = []
        for name, value in line.arguments:
            stands.append((sympy.Symbol(name, real=True), self.tidied(self.expression(value, place), [])))
        return Gaussians(_variables(question.n), question.mean, question.covariance, tuple(stands), level)

    def place(self, line: Expected) -> Place:
        return self.positions.home(line.layout, "1" if is_one_point(line.name) else "12")

    def expected(self, line: Expected, level: int) -> None:
        left = self.positions.symbol(line.name, self.place(line))
        right: list[Right] = [Average(_question(line.answer.expectation))]
        if not line.answer.expression.has(Unevaluated):
            right.append(closed_form(line.answer.expression))
        note = "" if len(right) == 2 else "no closed form"
        self.items.append(Step(left, tuple(right), level, note))
        self.shown.append((left, line))
        if line.diagonal is not None and len(right) == 2 and not line.diagonal.expression.has(Unevaluated):
            alone = self.positions.symbol(line.name, self.positions.seen(self.place(line), "11"))
            self.items.append(Step(alone, (closed_form(line.diagonal.expression),), level))

    # --- loops ---

    def loop(self, loop: Loop, level: int, known: list[tuple[Any, Any]]) -> None:
        states = sorted(loop.states, key=lambda state: "KCmT".find(state.name[0]))
        index = self.names[states[0].name].levels[-1] if states else sympy.Symbol("ell")
        starts = list(known)
        for state in states:
            self.state(state, state.start, sympy.S.Zero, level, starts)
        name = loop.name.partition(":")[2]
        self.items.append(ForEach(index, loop.times, name, level))
        inside = list(known)
        self.write(loop.lines, level + 1, inside)
        for state in states:
            self.state(state, state.after, index + 1, level + 1, inside)

    def state(self, state: State, value: Any, round_: Any, level: int, known: list[tuple[Any, Any]]) -> None:
        place = self.positions.home(state.layout, "1" if is_one_point(state.name) else "12")
        levels = (*self.names[state.name].levels[:-1], round_)
        left = self.positions.symbol(state.name, place, levels)
        shown = self.expression(value, place)
        self.items.append(Step(left, (self.tidied(shown, known),), level))
        known.append((left, sympy.expand_mul(shown)))


def _ordered(lines: Iterable[Line]) -> list[Line]:
    """Expectations over the same Gaussians stand together, that of the function before that of its derivative."""
    waiting = [line for line in lines if line.name not in OUTPUTS]
    outputs = [line for line in lines if line.name in OUTPUTS]
    found: list[Line] = []
    for line in waiting:
        if line in found:
            continue
        found.append(line)
        if isinstance(line, Expected):
            alike = [x for x in waiting if isinstance(x, Expected) and _law(x) == _law(line) and x not in found]
            found[-1:] = sorted([line, *alike], key=lambda x: x.name[0] == "D")
    return found + outputs


def _law(line: Expected) -> Any:
    question = line.answer.expectation
    return line.arguments, question.covariance, question.mean, line.layout


def _variables(count: int) -> tuple[Any, ...]:
    names = ("u", "v") if count <= 2 else tuple(f"z_{k + 1}" for k in range(count))
    return tuple(sympy.Symbol(name, real=True) for name in names[:count])


def _question(question: Expectation) -> Any:
    """What the expectation is taken of, in display variables."""
    names = {f"z{k + 1}": Variable(x.name) for k, x in enumerate(_variables(question.n))}
    return averaged(to_sympy(substitute(mul(*question.factors), names)))
