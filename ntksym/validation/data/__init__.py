"""Data to train a program on: its shape follows from the types of the program's inputs and of its output.

Real inputs show handwritten digits, tokens a short text. Nothing here looks at what an architecture is called.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ntksym.errors import SamplingError
from ntksym.language.dims import Dim, Number, Size
from ntksym.language.interpret_sizes import Numbers
from ntksym.language.program import Node, Program
from ntksym.language.types import MatrixType, Type
from ntksym.sampling.inputs import batch_axes, named_inputs, one_shape
from ntksym.validation.data.digits import SIDE, digits, shown
from ntksym.validation.data.text import characters, continued, prose, surrounded

Array = NDArray[Any]
Batch = tuple[dict[str, Array], Array]

WINDOW = 16
DEPTH, WIDE, NARROW = 2, 64, 8


@dataclass(frozen=True, eq=False)
class Data:
    """Examples for a program: ``inputs`` by name, ``targets`` with one row each, and the loss that they ask for."""

    inputs: Mapping[str, Array]
    targets: Array
    loss: str

    def batches(self, program: Program, numbers: Numbers, size: int, count: int, seed: int) -> list[Batch]:
        """``count`` batches of ``size`` examples, drawn without repetition inside of each."""
        axes = batch_axes(program, numbers, self.inputs)
        if size > len(self.targets):
            raise SamplingError(f"a batch of {size} does not fit into {len(self.targets)} examples of data")
        random = np.random.default_rng(seed)
        out = []
        for _ in range(count):
            rows = random.choice(len(self.targets), size, replace=False)
            inputs = {name: array if axes[name] is None else array[rows] for name, array in self.inputs.items()}
            out.append((inputs, self.targets[rows]))
        return out


def given_data(program: Program, data: tuple[Any, Any]) -> Data:
    """A person's own (inputs, targets): integers are classes, real targets are fitted by least squares."""
    if not isinstance(data, tuple) or len(data) != 2:
        raise SamplingError(f"data is a pair (inputs, targets) of arrays, not a {type(data).__name__}")
    inputs = {name: np.asarray(array) for name, array in named_inputs(program, data[0]).items()}
    targets = np.asarray(data[1])
    return Data(inputs, targets, "cross_entropy" if np.issubdtype(targets.dtype, np.integer) else "mse")


def data_for(program: Program, numbers: Numbers, seed: int = 0) -> Data:
    """Data in the shape that a program's types ask for.

    Tokens are characters: an output at every position is asked for the next one, an output without positions for the
    one that is left out in the middle. Real inputs all show the same digit, a graph is a ring; the output is asked for
    the digit (its class where it has several coordinates, even or odd where it has one), or, where it has the shape
    of the first input, for the image under some noise.

    Raises SamplingError for other programs: several outputs, or tokens and real inputs together.
    """
    kinds = {node.attr("kind") for node in program.inputs} - {"graph"}
    if len(program.outputs) != 1 or (len(kinds) > 1 and "tokens" in kinds) or not kinds:
        raise SamplingError(f"{program.name}: no data fits its inputs and outputs; give data=(inputs, targets)")
    inputs, labels = (_text if kinds == {"tokens"} else _images)(program, numbers)
    inputs |= {n.name: _ring(one_shape(n, numbers)) for n in program.inputs if n.attr("kind") == "graph"}
    output = program.outputs[0].type
    shape = numbers.shape(output)
    first = program.inputs[0]
    if kinds != {"tokens"} and len(shape) > 1 and shape == one_shape(first, numbers):
        noise = np.random.default_rng(seed).standard_normal(inputs[first.name].shape)
        return Data({**inputs, first.name: inputs[first.name] + noise}, inputs[first.name], "mse")
    places = shape[:-1]
    labels = labels.reshape(len(labels), *([1] * (len(places) + 1 - labels.ndim)), *labels.shape[1:])
    labels = np.broadcast_to(labels, (len(labels), *places))
    if shape[-1] == 1:
        return Data(inputs, 1.0 - 2.0 * (labels % 2)[..., None], "mse")
    return Data(inputs, labels % shape[-1], "cross_entropy")


def _images(program: Program, numbers: Numbers) -> tuple[dict[str, Array], Array]:
    images, labels = digits()
    real = [node for node in program.inputs if node.attr("kind") != "graph"]
    return {node.name: shown(images, node.attr("kind"), one_shape(node, numbers)) for node in real}, labels


def _text(program: Program, numbers: Numbers) -> tuple[dict[str, Array], Array]:
    node, *others = (node for node in program.inputs if node.attr("kind") == "tokens")
    if others:
        raise SamplingError(f"{program.name}: no data fits its inputs and outputs; give data=(inputs, targets)")
    vocab = min((numbers.number(size) for size in _vocabularies(program)), default=prose()[1])
    (length,) = one_shape(node, numbers)
    here = {axis.name for axis in node.type.positions}
    everywhere = here & {axis.name for axis in program.outputs[0].type.positions}
    windows, labels = (continued if everywhere else surrounded)(characters(int(vocab)), length)
    return {node.name: windows}, labels


def _ring(shape: tuple[int, ...]) -> Array:
    """The normalised adjacency of a ring in which every node sees its two neighbours and itself."""
    one = np.eye(shape[0])
    ring: Array = (one + np.roll(one, 1, 0) + np.roll(one, -1, 0)) / 3
    return ring


def _vocabularies(program: Program) -> Iterator[Size]:
    """How many rows the tables have that tokens are looked up in."""
    for key in program.lookup_tables:
        table = program.nodes[key].type
        assert isinstance(table, MatrixType)
        yield table.cols


# --- sizes ----------------------------------------------------------------------------------------------


def sizes_for(program: Program, given: Mapping[str, Number]) -> dict[str, Number]:
    """``given``, and a size for every dimension that has none: what the data offers, else a small one."""
    out = dict(given)
    for size, length in _natural(program):
        dim = _bare(size)
        if dim is not None and dim.default is None and dim.equals is None:
            out.setdefault(dim.name, length)
    return out


def _natural(program: Program) -> Iterator[tuple[Size | Dim, int]]:
    for size in _vocabularies(program):
        yield size, prose()[1]
    for node in program.inputs:
        yield from _natural_input(node)
    for node in program.nodes.values():
        if node.op == "repeat":
            yield node.attr("times"), DEPTH
    for dim in program.dims:
        yield dim, WIDE if dim.large else NARROW


def _natural_input(node: Node) -> Iterator[tuple[Size, int]]:
    assert isinstance(node.type, Type)
    kind, axes = node.attr("kind"), [axis.size for axis in node.type.positions]
    for size in axes:
        yield size, WINDOW if kind == "tokens" else SIDE
    if kind in ("vector", "sequence", "image"):
        yield node.type.coord, {"vector": SIDE * SIDE, "sequence": SIDE, "image": 1}[kind]


def _bare(size: Size | Dim) -> Dim | None:
    """The dimension that a size is, if it is one."""
    if isinstance(size, Dim):
        return size
    alone = len(size.powers) == 1 and size.coefficient == 1 and size.powers[0][1] == 1
    return size.powers[0][0] if alone else None
