"""How the random weights of a program are wired: which Gaussians each map reads, and what each weight multiplies.

The output of a fresh matrix W is Gaussian given what it multiplies; so is a bias. A *reading* is a sum of such outputs
that functions of coordinates are applied to (a preactivation, or the stream of a residual network), or the program's
output. Nothing but the program's operations decides what is what.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ntksym._lazy import lazy
from ntksym.errors import FiniteWidthError, KernelError
from ntksym.kernels.coordinates import Composer
from ntksym.kernels.derive import PARAMETERIZATIONS, rate_expressions
from ntksym.kernels.structure import Structure, size_expression
from ntksym.kernels.values import At, Constant, Graph, Value
from ntksym.kernels.views import (
    Attended,
    Combination,
    Data,
    Drawn,
    Dropped,
    Merged,
    Moving,
    Normal,
    Numeric,
    PickedOne,
    Rotated,
    Split,
)
from ntksym.language.dims import Number
from ntksym.language.expressions import Expr, Symbol, substitute
from ntksym.language.program import Program
from ntksym.language.types import MatrixType

sympy = lazy("sympy")

_POSITIONS = "has positions, whose kernels fluctuate together for all pairs of them"
_REASONS = (
    ((Normal,), "is divided by a root mean square over its coordinates, which fluctuates with them"),
    (
        (Moving, Attended, PickedOne, Merged, Split, Rotated, Numeric),
        "is made of several positions, whose kernels fluctuate together",
    ),
    ((Dropped,), "is multiplied by a random mask"),
)
"""Why a value of some kind has no 1/n terms here."""


@dataclass(frozen=True)
class Draw:
    """A parameter at work: a bias, or a matrix times a function of a reading, or times data.

    Attributes:
        name: of the parameter, with the copy it belongs to.
        variance: of its entries, times the fan-in: C_W or C_b.
        rate: lambda_W or lambda_b, what the square of a derivative by it is multiplied by, times the fan-in.
        fan_in: the number of coordinates that a matrix sums over, as a SymPy expression; 1 for a bias.
        reading: which reading it reads; None for a bias and for data.
        phi: the number of the function that is applied to the reading.
        data: the value of the program that a first matrix multiplies.
    """

    name: str
    variance: Any
    rate: Any
    fan_in: Any
    reading: int | None = None
    phi: int | None = None
    data: At | None = None


@dataclass(frozen=True)
class Reading:
    """sum_k coefficient_k * draw_k, with the value of the program that it is."""

    value: Value
    terms: tuple[tuple[Any, int], ...]


@dataclass(frozen=True)
class Wiring:
    """The draws and readings of a program, each made of earlier ones; the last reading is the output.

    ``axes`` numbers, for each reading, the coordinates that it shares with other readings: two that read a common draw
    are functions of the same random numbers. ``functions`` are the activations, in the symbol z.
    """

    program: Program
    draws: tuple[Draw, ...]
    readings: tuple[Reading, ...]
    functions: tuple[Expr, ...]
    axes: tuple[int, ...]

    @property
    def output_draws(self) -> tuple[Draw, ...]:
        """What the output is a sum of."""
        return tuple(self.draws[k] for _, k in self.readings[-1].terms)

    @property
    def widths(self) -> tuple[Any, ...]:
        """The number of coordinates of every axis but the output's, as SymPy expressions."""
        found = {self.axes[d.reading]: d.fan_in for d in self.draws if d.reading is not None}
        return tuple(found[axis] for axis in sorted(found))

    def check_chain(self, what: str) -> None:
        """Raises FiniteWidthError unless each reading reads the one before, and no other: a perceptron."""
        if len(set(self.axes)) < len(self.axes):
            raise FiniteWidthError(f"layers share coordinates; {what} are derived for perceptrons")
        for reading in self.readings:
            if sum(self.draws[k].reading is not None for _, k in reading.terms) > 1:
                raise FiniteWidthError(f"layers branch; {what} are derived for perceptrons")


def wiring_of(program: Program, parameterization: str, rates: Mapping[str, Any], sizes: Mapping[str, Number]) -> Wiring:
    """The wiring of a program. Raises FiniteWidthError for what has no 1/n terms here, with the line.

    ``sizes`` must give the number of copies of every repeat.
    """
    if parameterization not in PARAMETERIZATIONS:
        raise FiniteWidthError(f"parameterization={parameterization!r} is not known; write ntk or standard")
    if len(program.outputs) != 1:
        raise FiniteWidthError(f"{program.name} has {len(program.outputs)} outputs; 1/n terms are derived for one")
    scans = next((node for node in program.nodes.values() if node.op == "scan"), None)
    if scans is not None:
        raise FiniteWidthError(f"{scans.source or scans.name}: weights shared along time have no 1/n terms here")
    loops = frozenset(node.id for node in program.nodes.values() if node.op == "repeat")
    graph = Graph(program, dict(sizes), loops)
    reader = _Reader(graph, rate_expressions(program, rates), parameterization == "standard")
    try:
        reader.read(graph.at(program.block.outputs[0], ()))
    except KernelError as error:
        raise FiniteWidthError(str(error)) from None
    return reader.wiring()


class _Reader:
    """Collects draws and readings, those that are needed first."""

    def __init__(self, graph: Graph, rates: Mapping[str, Any], standard: bool) -> None:
        self.graph = graph
        self.structure = Structure(graph)
        self.composer = Composer(self.structure)
        self.rates = rates
        self.standard = standard
        self.draws: list[Draw] = []
        self.readings: list[Reading] = []
        self.functions: list[Expr] = []
        self._known: dict[At, tuple[Value, int]] = {}

    def read(self, value: Value) -> int:
        """The number of the reading that a value is; new draws and readings that it needs come first."""
        waiting = [self.structure.resolve(value)]
        places = {reading.value: k for k, reading in enumerate(self.readings)}
        while waiting:  # no recursion: networks may be a thousand layers deep
            current = waiting[-1]
            terms = self._terms(current, sympy.S.One)
            missing = [r for _, v in terms if (r := self._read_by(v)) is not None and r not in places]
            if missing:
                waiting += missing
                continue
            waiting.pop()
            if current not in places:
                total: dict[int, Any] = {}
                for c, v in terms:
                    draw = self._draw(v, places)
                    total[draw] = total.get(draw, 0) + c
                places[current] = len(self.readings)
                self.readings.append(Reading(current, tuple((c, draw) for draw, c in total.items())))
        return places[self.structure.resolve(value)]

    def _terms(self, value: Value, factor: Any) -> list[tuple[Any, Value]]:
        """A sum taken apart into draws."""
        view = None if isinstance(value, Constant) else self.structure.view(value)
        if isinstance(view, Combination):
            return [each for c, x in view.terms for each in self._terms(self.structure.resolve(x), factor * c)]
        if isinstance(view, Drawn):
            self._check(value, view)
            return [(factor, value)]
        if isinstance(value, Constant):
            raise FiniteWidthError("a constant is added to weight layers, for which 1/n terms are not derived here")
        raise self._refused(value, "is no sum of random weights times something")

    def _refused(self, value: Value, otherwise: str) -> KernelError:
        """The error for a value that has no 1/n terms, with the reason that lies in what makes it, if there is one."""
        made = type(self.structure.view(value))
        why = next((why for kinds, why in _REASONS if made in kinds), otherwise)
        if self.graph.axes(value):
            why = _POSITIONS
        return self.structure.refusal(value, f"{why}, so 1/n terms are not derived here")

    def _check(self, value: Value, drawn: Drawn) -> None:
        node = self.graph.node(drawn.parameter)
        if self.graph.axes(value) or node.type.positions:
            raise self._refused(value, _POSITIONS)
        if drawn.transpose or node.attr("init") != "normal" or node.id in self.graph.program.lookup_tables:
            raise self.structure.refusal(
                value, "uses a transposed, constant or looked-up weight, for which 1/n terms are not derived here"
            )

    def _read_by(self, value: Value) -> Value | None:
        """What a draw reads, None for a bias and for data."""
        view = self.structure.view(value)
        assert isinstance(view, Drawn)
        if view.argument is None or isinstance(self.structure.view(view.argument), Data):
            return None
        coordinate = self.composer.compose(view.argument)
        read = [coordinate.variables[k] for k in coordinate.used]
        if len(read) != 1 or isinstance(read[0], Constant):
            raise self._refused(view.argument, "is no function of one sum of weight layers")
        if not self.structure.is_gaussian(read[0]):
            raise self._refused(read[0], "is not Gaussian and is read by a weight layer")
        return self.structure.resolve(read[0])

    def _draw(self, value: Value, places: Mapping[Value, int]) -> int:
        view = self.structure.view(value)
        assert isinstance(view, Drawn)
        if view.parameter in self._known:
            first, number = self._known[view.parameter]
            if first != value and view.argument is not None:
                raise self.structure.refusal(value, "uses a weight again, so 1/n terms are not derived here")
            return number
        node, read = self.graph.node(view.parameter), self._read_by(value)
        path = "".join(f"[{step}]" for _, step in view.parameter.path)
        variance = self._variance(node)
        fan_in = size_expression(node.type.cols) if isinstance(node.type, MatrixType) else sympy.S.One
        rate = self.rates.get(node.name, sympy.S.One) if node.attr("trainable") else sympy.S.Zero
        draw = Draw(node.name + path, variance, rate * (fan_in if self.standard else variance), fan_in)
        if read is not None and view.argument is not None:
            coordinate = self.composer.compose(view.argument)
            phi = substitute(coordinate.expr, {f"x{coordinate.used[0]}": Symbol("z")})
            if phi not in self.functions:
                self.functions.append(phi)
            draw = replace(draw, reading=places[read], phi=self.functions.index(phi))
        elif view.argument is not None:
            draw = replace(draw, data=view.argument)
        self._known[view.parameter] = value, len(self.draws)
        self.draws.append(draw)
        return len(self.draws) - 1

    def _variance(self, node: Any) -> Any:
        name, number = node.attr("sigma"), node.attr("value")
        if name:
            return sympy.Symbol(name, nonnegative=True) ** 2
        return sympy.Rational(number.numerator, number.denominator) ** 2 if number else sympy.S.Zero

    def wiring(self) -> Wiring:
        return Wiring(self.graph.program, tuple(self.draws), tuple(self.readings), tuple(self.functions), self._axes())

    def _axes(self) -> tuple[int, ...]:
        """Readings with a draw in common have the same coordinates."""
        groups: list[set[int]] = []
        for reading in self.readings:
            draws = {k for _, k in reading.terms}
            joined = [group for group in groups if group & draws]
            groups = [group for group in groups if not group & draws] + [draws.union(*joined)]
        owner = [next(g for g, group in enumerate(groups) if reading.terms[0][1] in group) for reading in self.readings]
        numbers = {g: k for k, g in enumerate(dict.fromkeys(owner))}
        return tuple(numbers[g] for g in owner)
