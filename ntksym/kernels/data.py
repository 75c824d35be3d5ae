"""The inputs of a program as arrays, and the values that are made of them alone."""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce
from operator import add, mul
from typing import Any

import numpy as np

from ntksym.errors import KernelError
from ntksym.kernels.structure import Structure
from ntksym.kernels.values import At, Path, Picked, Value
from ntksym.language.expressions import mpmath_function, numpy_function
from ntksym.language.interpret_rules import Step, rules
from ntksym.language.program import Node, Program
from ntksym.language.types import MatrixType

Array = Any


def read_inputs(program: Program, given: Any, what: str = "the inputs") -> dict[str, Array]:
    """Arrays by the names of a program's inputs, each with a leading axis over inputs."""
    names = [node.name for node in program.inputs]
    if isinstance(given, Mapping):
        arrays = dict(given)
    else:
        several = given if isinstance(given, tuple) else (given,)
        if len(several) != len(names):
            raise KernelError(f"{program.name} has the inputs {', '.join(names)}, but {len(several)} arrays were given")
        arrays = dict(zip(names, several, strict=True))
    if set(arrays) != set(names):
        raise KernelError(f"{program.name} has the inputs {', '.join(names)}, but got {', '.join(map(str, arrays))}")
    out = {}
    for node in program.inputs:
        array = _numbers(arrays[node.name], f"{what}: {node.name}")
        axes = rank(node)
        if array.ndim not in (axes, axes + 1):
            raise KernelError(
                f"{what}: {node.name} {node.type} needs {axes + 1} axes, the first over inputs, not {array.ndim}"
            )
        out[node.name] = array if array.ndim == axes + 1 else array[None]
    count = max(len(array) for array in out.values())
    for name, array in out.items():
        if len(array) not in (1, count):
            raise KernelError(f"{what}: {name} holds {len(array)} inputs, another one {count}")
    return {name: np.broadcast_to(array, (count, *array.shape[1:])) for name, array in out.items()}


def _numbers(given: Any, what: str) -> Array:
    try:
        array = np.asarray(given)
    except ValueError as error:
        raise KernelError(f"{what} is not an array: its rows differ in length") from error
    if array.dtype.kind not in "iufO":
        raise KernelError(f"{what} holds {array.dtype}, not real numbers")
    if array.dtype != object and not np.isfinite(array).all():
        raise KernelError(f"{what} holds numbers that are not finite")
    return array


def rank(node: Node) -> int:
    """Axes of one input."""
    assert not isinstance(node.type, MatrixType)
    return len(node.type.positions) + (node.attr("kind") not in ("tokens", "graph"))


def sizes_from(program: Program, inputs: Mapping[str, Array]) -> dict[str, int]:
    """Dimensions that can be read off the shapes of the inputs."""
    found: dict[str, int] = {}
    for node in program.inputs:
        assert not isinstance(node.type, MatrixType)
        sizes = [axis.size for axis in node.type.positions]
        if rank(node) > len(sizes):
            sizes.append(node.type.coord)
        for size, length in zip(sizes, inputs[node.name].shape[1:], strict=True):
            if len(size.powers) == 1 and size.powers[0][1] == 1 and size.coefficient == 1:
                name = size.powers[0][0].name
                if found.setdefault(name, length) != length:
                    raise KernelError(f"the inputs give {name} the sizes {found[name]} and {length}")
            elif not size.powers and size.coefficient != length:
                raise KernelError(f"the input {node.name} has {length} entries where {size} are expected")
    return found


class DataValues:
    """Values made of the inputs alone, computed by the interpreter's rules."""

    def __init__(self, structure: Structure, inputs: Mapping[str, Array], convert: Any, precise: bool) -> None:
        self.structure = structure
        self.graph = structure.graph
        self.inputs = inputs
        self.convert = convert
        self.precise = precise
        self._known: dict[Value, Array] = {}

    def array(self, node: int, path: Path) -> Array:
        """A value with the axes (inputs, positions, coordinates)."""
        return self._array(self.structure.resolve(At(node, path)))

    def _array(self, value: Value) -> Array:
        if value not in self._known:
            self._known[value] = self._compute(value)
        return self._known[value]

    def _compute(self, value: Value) -> Array:
        if isinstance(value, Picked):
            inner = self._array(value.inner)
            names = [axis.name for axis in self.graph.axes(value.inner)]
            return inner.take(value.index, axis=1 + names.index(value.axis))
        assert isinstance(value, At)
        node = self.graph.node(value)
        if node.op == "input":
            array = self.inputs[node.name]
            if node.attr("kind") == "tokens":
                return array
            array = self.convert(array)
            return array[..., None] if node.attr("kind") == "graph" else array
        inputs = self.graph.inputs(value)
        arrays = tuple(self._array(self.structure.resolve(x)) for x in inputs)
        types = tuple(self.graph.program.nodes[x.node].type for x in inputs)
        step = Step(node, arrays, types, self.graph.numbers, object if self.precise else float, None)
        if node.op == "linear":
            coefficients = [self.convert(self.graph.numbers.number(c)) for c in node.attr("coefficients")]
            return reduce(add, map(mul, coefficients, step.aligned()))
        if node.op == "map" and self.precise:
            phi = node.attr("phi")
            function = np.vectorize(mpmath_function(phi.expr, phi.symbols), otypes=[object])
            return function(*np.broadcast_arrays(*step.aligned()))
        if node.op == "map":
            phi = node.attr("phi")
            return numpy_function(phi.expr, phi.symbols)(*step.aligned())
        return rules[node.op](step)
