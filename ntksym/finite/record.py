"""The record of a program's 1/n terms, and their numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import product
from typing import Any

import numpy as np

from ntksym._lazy import lazy
from ntksym.errors import FiniteWidthError, NtksymError, ProgramError
from ntksym.finite.exact import ExactMoments
from ntksym.finite.generated import module_of
from ntksym.finite.moments import Moments, Scales
from ntksym.finite.pairs import CompiledPairs
from ntksym.finite.predictions import coefficients
from ntksym.finite.tensors import CORRECTIONS, FLUCTUATIONS, VERTICES
from ntksym.finite.values import ExactValues, FiniteValues
from ntksym.finite.wiring import Wiring, wiring_of
from ntksym.gaussian.pieces import has_kinks
from ntksym.kernels.data import DataValues, read_inputs, sizes_from
from ntksym.kernels.derive import rate_expressions
from ntksym.kernels.serial_math import assumption, read, written
from ntksym.kernels.structure import Structure
from ntksym.kernels.values import At, Graph
from ntksym.language.dims import Number, dim_value
from ntksym.language.printing import labels
from ntksym.language.program import Program
from ntksym.language.serial import program_from_json
from ntksym.language.serial import to_json as program_to_json
from ntksym.language.trace import Architecture
from ntksym.records.predictions import Experiment, Prediction

sympy = lazy("sympy")

SCHEMA = "ntksym.finite_width/1"


@dataclass(frozen=True)
class FiniteWidth:
    """The 1/n terms of a program: how its random weights are wired, which is all that they follow from.

    Tensors are those of ``ntksym.finite.tensors``: corrections G1, Theta1 of the mean kernels, vertices V, D, F, A, B,
    and P to U. Everything is of leading order in 1/n, at fixed ratios of widths and fixed depth.
    """

    program: Program
    wiring: Wiring
    parameterization: str
    rates: tuple[tuple[str, Any], ...]
    sizes: tuple[tuple[str, Number], ...]

    def evaluate(
        self, x: Any, *, tensors: Sequence[str] = FLUCTUATIONS, values: Mapping[str, Any] | None = None, **numbers: Any
    ) -> FiniteValues:
        """The limit and its 1/n terms at inputs x, in double precision.

        Args:
            x: as for ``ntksym.run``, the first axis over inputs.
            tensors: names of the tensors wanted.
            values: sigmas by name (``sigma_w``) and sizes of dimensions (``n``), also as keywords. A width may be left
                out: what a tensor has of each 1/width is kept apart.

        Raises FiniteWidthError for unknown or missing numbers, and for brackets that are infinite.
        """
        _check_names(tensors, (*CORRECTIONS, *VERTICES))
        inputs, known = self.read(x, {**(values or {}), **numbers})
        count = len(next(iter(inputs.values())))
        moments = Moments(self.wiring, count, self._scales(inputs, known, float))

        def value(name: str) -> Callable[..., Any]:
            if name in CORRECTIONS:
                return lambda reading, *at: moments.correction(reading, CORRECTIONS[name].pair(*at))
            return lambda reading, *at: moments.covariance(reading, VERTICES[name].entry(*at))

        return FiniteValues(
            self.program.name,
            tuple(self._labels()),
            tuple(map(str, self.wiring.widths)),
            self.widths(known),
            self._array(count, 2, lambda reading, a, b: moments.kernel(0, reading, a, b)),
            self._array(count, 2, lambda reading, a, b: moments.kernel(1, reading, a, b)),
            {name: self._array(count, 2 if name in CORRECTIONS else 4, value(name)) for name in tensors},
            moments.brackets.evidence,
            tuple(self._notes(tensors)),
        )

    def exact(
        self, x: Any, *, tensors: Sequence[str] = ("V",), values: Mapping[str, Any] | None = None, **numbers: Any
    ) -> ExactValues:
        """Means and covariances of the finite network itself, exact in its widths, as rationals.

        For perceptrons of functions that are linear on either side of zero: of one input, or linear and of any number.

        Args:
            x: inputs in exact numbers (integers, Fractions); floats count as the binary fractions they are.
            tensors: names of vertices.
            values: sigmas and all sizes, exact numbers or SymPy's (``sigma_w=sqrt(2)``), also as keywords.

        Raises FiniteWidthError where the moments do not close, and for numbers that are missing or not rational.
        """
        _check_names(tensors, tuple(VERTICES))
        inputs, known = self.read(x, {**(values or {}), **numbers})
        count = len(next(iter(inputs.values())))
        scales = self._scales(inputs, known, _fraction)
        widths = tuple(_whole(_number(n, known, "the number of coordinates")) for n in self.wiring.widths)
        moments = ExactMoments(self.wiring, count, scales, widths)

        def mean(letters: str) -> Callable[..., Any]:
            return lambda reading, a, b: moments.mean(reading, ((letters, a), (letters, b)))

        def vertex(name: str) -> Callable[..., Any]:
            return lambda reading, *at: moments.covariance(reading, VERTICES[name].entry(*at))

        return ExactValues(
            self.program.name,
            tuple(self._labels()),
            tuple(map(str, self.wiring.widths)),
            widths,
            self._array(count, 2, mean("")),
            self._array(count, 2, mean("a")),
            {name: self._array(count, 4, vertex(name)) for name in tensors},
            self.wiring,
            scales,
        )

    def to_json(self) -> dict[str, Any]:
        """A plain JSON object with ``"schema": "ntksym.finite_width/1"``; ``from_json`` inverts it."""
        return {
            "schema": SCHEMA,
            "program": program_to_json(self.program),
            "parameterization": self.parameterization,
            "rates": {name: written(rate) for name, rate in self.rates},
            "symbols": {s.name: assumption(s) for _, rate in self.rates for s in rate.free_symbols},
            "sizes": {name: str(size) for name, size in self.sizes},
        }

    @staticmethod
    def from_json(data: Any) -> FiniteWidth:
        """The record that ``to_json`` wrote, derived again. Raises FiniteWidthError for anything else."""
        schema = data.get("schema") if isinstance(data, Mapping) else None
        if schema != SCHEMA:
            raise FiniteWidthError(f"this is no record of 1/n terms: its schema is {schema!r}, expected {SCHEMA!r}")
        try:
            return finite_width(
                program_from_json(data["program"]),
                parameterization=data["parameterization"],
                rates={name: read(rate, data["symbols"]) for name, rate in data["rates"].items()},
                sizes={name: _plain(Fraction(size)) for name, size in data["sizes"].items()},
            )
        except KeyError as error:
            raise FiniteWidthError(f"this record of 1/n terms is not complete: it lacks {error}") from None
        except (TypeError, ValueError, AttributeError, NtksymError) as error:
            raise FiniteWidthError(f"this record of 1/n terms cannot be read: {error}") from None

    def compile(self, *, values: Mapping[str, Any] | None = None, **numbers: Any) -> CompiledPairs:
        """The same recursion for pairs of inputs as fast code, called with inputs: ``compiled(x, y)``.

        For perceptrons, and for the tensors ``FLUCTUATIONS``. Numbers are as for ``evaluate``, widths included. The
        code of an activation is derived in a second or two; compiling it takes longer, once, and is kept on the disk.

        Raises FiniteWidthError where layers branch or share coordinates, and for kinks without closed forms.
        """
        self.wiring.check_chain("compiled terms")
        modules = tuple(map(module_of, self.wiring.functions))
        return CompiledPairs(self, {**(values or {}), **numbers}, modules)

    def output_bias(self, x: Any, values: Mapping[str, Any]) -> float:
        """What biases add to the kernel of the output."""
        _, known = self.read(x, values)
        last = self.wiring.readings[-1].terms
        draws = self.wiring.draws
        biases = ((c, draws[k]) for c, k in last if draws[k].reading is None and draws[k].data is None)
        return sum(float(_number(c**2 * draw.variance, known, draw.name)) for c, draw in biases)

    def _array(self, count: int, rank: int, value: Callable[..., Any]) -> Any:
        """Entries for every reading and all inputs, as an array; entries may be arrays themselves."""
        readings = range(len(self.wiring.readings))
        found = np.array([value(*place) for place in product(readings, *[range(count)] * rank)])
        return found.reshape(len(readings), *[count] * rank, *found.shape[1:])

    def predictions(self, experiment: Experiment) -> Iterator[Prediction]:
        """What finite networks must show in an experiment: the terms of order 1/n; see ``ntksym.validate``."""
        return coefficients(self, experiment)

    # --- numbers ---

    def read(self, x: Any, values: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """The inputs as arrays, and all numbers that symbols stand for, as far as they are known."""
        inputs = read_inputs(self.program, x, "x")
        sigmas = {node.attr("sigma"): node.attr("value") for node in self.program.parameters if node.attr("sigma")}
        dims = {dim.name: dim for dim in self.program.dims}
        rates = {symbol.name for draw in self.wiring.draws for symbol in draw.rate.free_symbols} - {*sigmas, *dims}
        names = (*sigmas, *dims, *sorted(rates))
        unknown = next((name for name in values if name not in names), None)
        if unknown is not None:
            raise FiniteWidthError(f"{self.program.name} has no {unknown}; it has: {', '.join(names)}")
        sizes = {**dict(self.sizes), **sizes_from(self.program, inputs)}
        for name, value in self.sizes:
            if values.get(name, value) != value or sizes[name] != value:
                raise FiniteWidthError(f"the 1/n terms were derived for {name} = {value}, not for another size")
        sizes.update({name: value for name, value in values.items() if name in dims})
        known = {name: values.get(name, default) for name, default in sigmas.items()}
        known |= {name: values[name] for name in rates if name in values}
        for name, dim in dims.items():
            try:
                known[name] = dim_value(dim, sizes)
            except ProgramError:
                continue
        return inputs, known

    def scales(self, known: Mapping[str, Any], convert: Callable[[Any], Any]) -> Scales:
        """The numbers of the wiring as ``convert`` makes them, floats or Fractions; no Gram matrices."""
        draws = self.wiring.draws
        return Scales(
            tuple(convert(_number(draw.variance, known, draw.name)) for draw in draws),
            tuple(convert(_number(draw.rate, known, draw.name)) for draw in draws),
            tuple(
                {k: convert(_number(c, known, draws[k].name)) for c, k in reading.terms}
                for reading in self.wiring.readings
            ),
            {},
        )

    def data(
        self, inputs: Mapping[str, Any], known: Mapping[str, Any], convert: Callable[[Any], Any]
    ) -> dict[int, Any]:
        """What weights multiply of the inputs, (inputs, coordinates), by draw."""
        loops = frozenset(node.id for node in self.program.nodes.values() if node.op == "repeat")
        sizes = {dim.name: known[dim.name] for dim in self.program.dims if dim.name in known}
        is_exact = convert is not float
        entries = np.vectorize(convert, otypes=[object if is_exact else float])
        values = DataValues(Structure(Graph(self.program, sizes, loops)), inputs, entries, is_exact)
        found = ((k, draw.data) for k, draw in enumerate(self.wiring.draws) if draw.data is not None)
        return {k: values.array(value.node, value.path) for k, value in found}

    def _scales(self, inputs: Mapping[str, Any], known: Mapping[str, Any], convert: Callable[[Any], Any]) -> Scales:
        """All numbers of the wiring, with Gram matrices of the inputs."""
        data = self.data(inputs, known, convert)
        grams = {k: array @ array.T / array.shape[-1] for k, array in data.items()}
        return replace(self.scales(known, convert), grams=grams)

    def widths(self, known: Mapping[str, Any]) -> tuple[float | None, ...]:
        """The width of every axis, None where a size is missing."""
        found = (_maybe(width, known) for width in self.wiring.widths)
        return tuple(None if n is None else float(n) for n in found)

    # --- words ---

    def _labels(self) -> Iterator[str]:
        """The readings by the names of ``print(program)``, those in copies of a repeat with the copy's number."""
        names = labels(self.program)
        for k, reading in enumerate(self.wiring.readings):
            value = reading.value
            if isinstance(value, At):
                copies = "".join(f"{self.program.nodes[loop].name}[{step}]." for loop, step in value.path)
                yield copies + names[value.node]
            else:
                yield f"sum {k}"

    def _notes(self, tensors: Sequence[str]) -> Iterator[str]:
        named = [name for name in tensors if name in VERTICES and VERTICES[name].order > 1]
        if named and any(map(has_kinks, self.wiring.functions)):
            yield (
                f"{', '.join(named)}: the activation has kinks, so second derivatives are taken almost everywhere, as "
                "programs do; true differentials of the tangent kernel have delta functions there"
            )


def _plain(number: Fraction) -> Number:
    return int(number) if number.denominator == 1 else number


def _check_names(tensors: Sequence[str], known: tuple[str, ...]) -> None:
    unknown = next((name for name in tensors if name not in known), None)
    if unknown is not None:
        raise FiniteWidthError(f"there is no tensor {unknown} here; there are: {', '.join(known)}")


def _maybe(expression: Any, known: Mapping[str, Any]) -> Any:
    """An expression as a SymPy number, None where a size is missing."""
    given = {symbol: sympy.sympify(known[symbol.name]) for symbol in expression.free_symbols if symbol.name in known}
    return expression.subs(given) if len(given) == len(expression.free_symbols) else None


def _number(expression: Any, known: Mapping[str, Any], what: str) -> Any:
    expression = sympy.sympify(expression)
    missing = sorted(symbol.name for symbol in expression.free_symbols if symbol.name not in known)
    if missing:
        raise FiniteWidthError(f"{what} needs a number for {', '.join(missing)}; give it, as in {missing[0]}=64")
    return _maybe(expression, known)


def _fraction(number: Any) -> Fraction:
    """An exact number; a float is the binary fraction it is."""
    value = sympy.sympify(number)
    if value.is_Float:
        value = sympy.Rational(value)
    if not value.is_Rational:
        raise FiniteWidthError(f"{number} is not rational, and results that are exact in n are; give exact numbers")
    return Fraction(int(value.p), int(value.q))


def _whole(number: Any) -> int:
    value = _fraction(number)
    if value.denominator != 1 or value < 1:
        raise FiniteWidthError(f"a width of {number} is no positive whole number")
    return int(value)


def finite_width(
    program: Program | Architecture,
    *,
    parameterization: str = "ntk",
    rates: Mapping[str, Any] | None = None,
    sizes: Mapping[str, Number] | None = None,
) -> FiniteWidth:
    """The leading 1/n terms of a program's kernels, tangent kernel and their fluctuations.

    By hand for a perceptron: derivation finite_width.

    Weights are N(0, sigma_w^2 / fan_in), biases N(0, sigma_b^2), independent. Programs are sums of weight layers, each
    applied to a function of one such sum: perceptrons, residual networks. What else there is, is refused.

    Args:
        parameterization: "ntk" for gradients by unit Gaussians, "standard" for those by the weights themselves.
        rates: learning-rate weights by parameter name; numbers, SymPy expressions, or names of symbols.
        sizes: dimensions that must be numbers, such as the number of copies of a repeat.

    Raises FiniteWidthError with the line in the user's file for a program whose 1/n terms are not derived.

    Example:
        >>> import ntksym as ns
        >>> from ntksym.finite import ntk_fluctuation
        >>> record = ns.finite_width(ns.zoo.load("mlp")(depth=2))
        >>> found = record.evaluate([[1.0, 1.0]], n=100, sigma_w=2**0.5)
        >>> print(f"tangent kernels of width 100 differ by {ntk_fluctuation(found)[0, 0]:.0%}")
        tangent kernels of width 100 differ by 25%
    """
    built = program() if isinstance(program, Architecture) else program
    assert isinstance(built, Program)
    given = dict(sizes or {})
    wiring = wiring_of(built, parameterization, rates or {}, given)
    weights = rate_expressions(built, rates or {})
    return FiniteWidth(built, wiring, parameterization, tuple(weights.items()), tuple(given.items()))
