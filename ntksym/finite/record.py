"""The record of a program's 1/n terms, and their numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from ntksym._lazy import lazy
from ntksym.errors import FiniteWidthError, ProgramError
from ntksym.finite.moments import Moments, Scales
from ntksym.finite.tensors import CORRECTIONS, FLUCTUATIONS, VERTICES
from ntksym.finite.values import FiniteValues
from ntksym.finite.wiring import Wiring, wiring_of
from ntksym.gaussian.pieces import has_kinks
from ntksym.kernels.data import DataValues, read_inputs, sizes_from
from ntksym.kernels.values import At, Graph
from ntksym.language.dims import Number, dim_value
from ntksym.language.printing import labels
from ntksym.language.program import Program
from ntksym.language.trace import Architecture

sympy = lazy("sympy")


@dataclass(frozen=True)
class FiniteWidth:
    """The 1/n terms of a program: how its random weights are wired, which is all that they follow from.

    Tensors are those of ``ntksym.finite.tensors``: corrections G1, Theta1 of the mean kernels, vertices V, D, F, A, B,
    and P to U. Everything is of leading order in 1/n, at fixed ratios of widths and fixed depth.
    """

    program: Program
    wiring: Wiring
    parameterization: str
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
        unknown = next((name for name in tensors if name not in CORRECTIONS and name not in VERTICES), None)
        if unknown is not None:
            raise FiniteWidthError(f"there is no tensor {unknown}; there are: {', '.join((*CORRECTIONS, *VERTICES))}")
        inputs = read_inputs(self.program, x, "x")
        count = len(next(iter(inputs.values())))
        known = self._numbers(inputs, {**(values or {}), **numbers})
        moments = Moments(self.wiring, count, self._scales(inputs, known))
        readings = range(len(self.wiring.readings))
        kernels = [
            np.array([[[moments.kernel(order, r, a, b) for b in range(count)] for a in range(count)] for r in readings])
            for order in (0, 1)
        ]
        found = {name: _tensor(moments, name, count) for name in tensors}
        return FiniteValues(
            self.program.name,
            tuple(self._labels()),
            tuple(map(str, self.wiring.widths)),
            tuple(_maybe(width, known) for width in self.wiring.widths),
            kernels[0],
            kernels[1],
            found,
            moments.brackets.evidence,
            tuple(self._notes(tensors)),
        )

    def _numbers(self, inputs: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
        """All numbers that symbols stand for, as far as they are known."""
        sigmas = {n.attr("sigma"): float(n.attr("value")) for n in self.program.parameters if n.attr("sigma")}
        dims = {dim.name: dim for dim in self.program.dims}
        unknown = next((name for name in values if name not in sigmas and name not in dims), None)
        if unknown is not None:
            raise FiniteWidthError(f"{self.program.name} has no {unknown}; it has: {', '.join((*sigmas, *dims))}")
        sizes = {**dict(self.sizes), **sizes_from(self.program, inputs)}
        for name, value in self.sizes:
            if values.get(name, value) != value or sizes[name] != value:
                raise FiniteWidthError(
                    f"the 1/n terms were derived for {name} = {value}; derive them again for another"
                )
        sizes.update({name: value for name, value in values.items() if name in dims})
        found = {name: float(values.get(name, default)) for name, default in sigmas.items()}
        for name, dim in dims.items():
            try:
                found[name] = float(dim_value(dim, sizes))
            except ProgramError:
                continue
        return found

    def _scales(self, inputs: Mapping[str, Any], known: Mapping[str, Any]) -> Scales:
        graph = Graph(
            self.program, dict(known), frozenset(n.id for n in self.program.nodes.values() if n.op == "repeat")
        )
        data = DataValues(graph, inputs, lambda array: np.asarray(array, dtype=float), False)
        grams = {}
        for k, draw in enumerate(self.wiring.draws):
            if draw.data is not None:
                array = data.array(draw.data.node, draw.data.path)
                grams[k] = array @ array.T / array.shape[-1]
        draws, readings = self.wiring.draws, self.wiring.readings
        return Scales(
            tuple(_number(draw.variance, known, "sigma_w") for draw in draws),
            tuple(_number(draw.rate, known, draw.name) for draw in draws),
            tuple({k: _number(c, known, draws[k].name) for c, k in reading.terms} for reading in readings),
            grams,
        )

    def _labels(self) -> Iterator[str]:
        """The readings by the names of ``print(program)``, those in copies of a repeat with the copy's number."""
        names = labels(self.program)
        for k, reading in enumerate(self.wiring.readings):
            value = reading.value
            if not isinstance(value, At):
                yield f"sum {k}"
                continue
            copies = "".join(f"{self.program.nodes[loop].name}[{step}]." for loop, step in value.path)
            yield copies + names[value.node]

    def _notes(self, tensors: Sequence[str]) -> Iterator[str]:
        kinked = any(map(has_kinks, self.wiring.functions))
        named = [name for name in tensors if name in VERTICES and VERTICES[name].order > 1]
        if kinked and named:
            yield (
                f"{', '.join(named)}: the activation has kinks, so second derivatives are taken almost everywhere, as "
                "programs do; true differentials of the tangent kernel have delta functions there"
            )


def _tensor(moments: Moments, name: str, count: int) -> Any:
    """A tensor at all readings: the axes (readings, inputs, ..., axes of the network)."""
    readings, inputs = range(len(moments.wiring.readings)), range(count)
    if name in CORRECTIONS:
        made = CORRECTIONS[name]
        return np.array([[[moments.correction(r, made.pair(a, b)) for b in inputs] for a in inputs] for r in readings])
    vertex = VERTICES[name]
    found = [[moments.covariance(r, vertex.entry(*x)) for x in product(inputs, repeat=4)] for r in readings]
    return np.array(found).reshape(len(readings), count, count, count, count, -1)


def _maybe(expression: Any, known: Mapping[str, Any]) -> float | None:
    """An expression as a number, None where a size is missing."""
    value = expression.subs({symbol: known[symbol.name] for symbol in expression.free_symbols if symbol.name in known})
    return float(value) if value.is_number else None


def _number(expression: Any, known: Mapping[str, Any], what: str) -> float:
    expression = sympy.sympify(expression)
    found = _maybe(expression, known)
    if found is None:
        missing = sorted(symbol.name for symbol in expression.free_symbols if symbol.name not in known)
        raise FiniteWidthError(f"{what} needs a number for {', '.join(missing)}; give it, as in {missing[0]}=64")
    return found


def finite_width(
    program: Program | Architecture,
    *,
    parameterization: str = "ntk",
    rates: Mapping[str, Any] | None = None,
    sizes: Mapping[str, Number] | None = None,
) -> FiniteWidth:
    """The leading 1/n terms of a program's kernels, tangent kernel and their fluctuations.

    Weights are N(0, sigma_w^2 / fan_in), biases N(0, sigma_b^2), independent. Programs are sums of weight layers, each
    applied to a function of one such sum: perceptrons, residual networks. What else there is, is refused.

    Args:
        parameterization: "ntk" for gradients by unit Gaussians, "standard" for those by the weights themselves.
        rates: learning-rate weights by parameter name; numbers, SymPy expressions, or names of symbols.
        sizes: dimensions that must be numbers, such as the number of copies of a repeat.

    Raises FiniteWidthError with the line in the user's file for a program whose 1/n terms are not derived.
    """
    built = program() if isinstance(program, Architecture) else program
    assert isinstance(built, Program)
    given = dict(sizes or {})
    return FiniteWidth(
        built, wiring_of(built, parameterization, rates or {}, given), parameterization, tuple(given.items())
    )
