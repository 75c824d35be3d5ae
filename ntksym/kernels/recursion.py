"""The record of a kernel recursion: a formula for NNGP and NTK, and its numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ntksym._lazy import lazy
from ntksym.errors import KernelError
from ntksym.kernels.arithmetic import FLOAT_DIGITS, Double, Precise
from ntksym.kernels.data import DataValues, read_inputs, sizes_from
from ntksym.kernels.evaluate import Evaluation, Pairs
from ntksym.kernels.values import Graph
from ntksym.language.dims import Number, dim_value
from ntksym.language.program import Program
from ntksym.records.evidence import Evidence, weakest
from ntksym.records.formula import Expected, Formula, walk

mpmath = lazy("mpmath")


@dataclass(frozen=True)
class KernelValues:
    """Kernel matrices: rows are the first inputs, columns the second; then the positions of both outputs, if any.

    ``nngp`` and ``ntk`` (None where it was not derived) hold mpmath numbers, or floats where no digits were asked for.
    """

    nngp: Any
    ntk: Any
    evidence: Evidence


@dataclass(frozen=True)
class KernelRecursion:
    """NNGP and NTK of a program at infinite width, as definitions in static single assignment.

    ``formula`` runs from the inputs' inner products to the lines ``nngp`` and ``ntk``; a ``repeat`` of the program is
    a loop of it, the recursion in depth.
    """

    program: Program
    formula: Formula
    parameterization: str
    sizes: tuple[tuple[str, Number], ...]
    unrolled: frozenset[int]

    @property
    def evidence(self) -> Evidence:
        """How the formula is known: as its weakest line."""
        return weakest(*(line.evidence for line in walk(self.formula.lines)))

    @property
    def hyperparameters(self) -> dict[str, float]:
        """Standard deviations that can be set, and what they are if they are not."""
        found = {}
        for node in self.program.parameters:
            if node.attr("sigma"):
                found[node.attr("sigma")] = float(node.attr("value"))
        return found

    def evaluate(self, x: Any, x2: Any = None, *, digits: int | None = 15, **values: Any) -> KernelValues:
        """The kernel matrices of inputs x with themselves, or with x2.

        Args:
            x, x2: as for ``ntksym.run``, the first axis over inputs; floats count as the binary fractions they are.
            digits: significant digits, in mpmath; None computes in double precision, which is much faster.
            values: hyperparameters (``sigma_w=1.5``, exact numbers or floats) and sizes of dimensions (``L=10``).

        Raises KernelError for inputs of wrong shapes, unknown or missing numbers.
        """
        first = read_inputs(self.program, x, "x")
        second = None if x2 is None else read_inputs(self.program, x2, "x2")
        count = len(next(iter(first.values())))
        inputs = first if second is None else {k: np.concatenate([first[k], second[k]]) for k in first}
        total = len(next(iter(inputs.values())))
        sizes, numbers = self._numbers(inputs, values)
        graph = Graph(self.program, sizes, self.unrolled)
        with mpmath.workdps((digits or FLOAT_DIGITS) + 15):
            arithmetic = Double(FLOAT_DIGITS) if digits is None else Precise(digits + 5)
            hyperparameters = {name: arithmetic.array(_exact(value))[()] for name, value in numbers.items()}
            pairs = Pairs.of(total, None if second is None else count)
            data = DataValues(graph, inputs, arithmetic.array, digits is not None)
            run = Evaluation(
                pairs, data, arithmetic, hyperparameters, lambda axis: graph.numbers.length(axis.size, axis.name)
            )
            run.run(self.formula)
            found = {
                name: _matrix(run.arrays[name].data, pairs, count, None if second is None else total - count)
                for name in ("nngp", "ntk")
                if name in run.arrays
            }
        return KernelValues(found["nngp"], found.get("ntk"), weakest(self.evidence, *arithmetic.evidence))

    def _numbers(self, inputs: Mapping[str, Any], values: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """The sizes of dimensions, and all numbers that symbols stand for."""
        dims = {dim.name: dim for dim in self.program.dims}
        known = {**self.hyperparameters, **{s.name: None for s in self._rates()}}
        unknown = next((name for name in values if name not in known and name not in dims), None)
        if unknown is not None:
            raise KernelError(f"{self.program.name} has no {unknown}; it has: {', '.join((*known, *dims))}")
        sizes: dict[str, Any] = {**dict(self.sizes), **sizes_from(self.program, inputs)}
        for name, value in self.sizes:
            if sizes[name] != value:
                raise KernelError(f"the recursion was derived for {name} = {value}, and the inputs have {sizes[name]}")
        sizes.update({name: value for name, value in values.items() if name in dims})
        numbers = {name: values.get(name, default) for name, default in known.items()}
        for name, dim in dims.items():
            if name in sizes or dim.default is not None or dim.equals is not None:
                try:
                    numbers[name] = dim_value(dim, sizes)
                except Exception:
                    continue
        return sizes, {name: value for name, value in numbers.items() if value is not None}

    def _rates(self) -> set[Any]:
        return set()

    def __iter__(self) -> Any:
        return iter(self.formula)

    @property
    def expectations(self) -> tuple[Expected, ...]:
        """All Gaussian expectations of the recursion."""
        return tuple(line for line in walk(self.formula.lines) if isinstance(line, Expected))


def _exact(value: Any) -> Any:
    return float(value) if isinstance(value, np.floating) else value


def _matrix(data: Any, pairs: Pairs, rows: int, columns: int | None) -> Any:
    """Arrays over pairs as matrices; the other half of a symmetric one has its positions swapped."""
    half = (data.ndim - 1) // 2
    if columns is not None:
        own = len(pairs.alone)
        return np.array(data[own:].reshape(rows, columns, *data.shape[1:]))
    out = np.empty((rows, rows, *data.shape[1:]), dtype=data.dtype)
    out[pairs.first, pairs.second] = data
    swap = (0, *range(1 + half, 1 + 2 * half), *range(1, 1 + half))
    out[pairs.second, pairs.first] = data.transpose(swap)
    return out
