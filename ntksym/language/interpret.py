"""The interpreter: weights drawn and a program run forward in plain NumPy, the reference for every backend.

Layout of the arrays that go in and come out: first a batch axis, if there is one; then the position axes
in the order of the type; then the coordinate axis, also where it has length one. Without a coordinate axis
are token indices, which are integers, and a graph's adjacency matrix ``(batch, N, N')`` from N' to N.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from math import isfinite
from typing import Any

from ntksym._lazy import lazy
from ntksym.errors import ProgramError
from ntksym.language.dims import Number
from ntksym.language.interpret_rules import Array, Step, aligned, place, rules
from ntksym.language.interpret_sizes import Numbers
from ntksym.language.printing import labels
from ntksym.language.program import Block, Node, Program

np = lazy("numpy")

Scopes = tuple[tuple[str, int], ...]
"""The copies of repeated blocks that surround a node: (full name of the block, number of the copy)."""


# --- weights ---------------------------------------------------------------------------------------------


def copy_name(name: str, scopes: Scopes) -> str:
    """The name of one copy: ``block.up.w`` is ``block[3].up.w`` in the fourth copy of ``block``."""
    out, done = "", 0
    for scope, number in scopes:
        out += f"{name[done : len(scope)]}[{number}]"
        done = len(scope)
    return out + name[done:]


def draw(
    program: Program, sizes: Mapping[str, Number], seed: int = 0, dtype: Any = "float64", **sigmas: float
) -> dict[str, Array]:
    """All parameters at initialization, by name; one array for each copy of a block (``block[3].up.w``).

    A Gaussian matrix has the standard deviation sigma / sqrt(fan_in), a vector or a lookup table sigma.
    Each parameter has a random stream of its own, made from ``seed`` and its name: adding a layer changes
    no other.

    Args:
        sizes: the dimensions by name, as in ``{"n": 64, "L": 3}``; dimensions with a default may be left out.
        sigmas: values of the sigma symbols, as in ``sigma_w=1.5``; by default 1 for weights and 0 for biases.

    Returns arrays of shape (positions, rows, columns) or (positions, coordinates), positions only where a
    parameter is indexed by some.

    Example:
        >>> import numpy as np
        >>> import ntksym as ns
        >>> program, sizes = ns.zoo.load("mlp")(depth=1), {"n": 64, "d_in": 3}
        >>> weights = ns.draw(program, sizes, seed=1, sigma_w=2**0.5)
        >>> {name: weight.shape for name, weight in weights.items()}
        {'input.w': (64, 3), 'input.b': (64,), 'readout.w': (1, 64), 'readout.b': (1,)}
        >>> ns.run(program, weights, np.ones((5, 3)), sizes).shape
        (5, 1)
    """
    numbers = Numbers(program, sizes)
    known = sorted({node.attr("sigma") for node in program.parameters} - {""})
    for name, value in sigmas.items():
        if name not in known:
            raise ProgramError(f"draw: {program.name} has no {name}; it has: {', '.join(known) or 'none'}")
        if not (isfinite(value) and value >= 0):
            raise ProgramError(f"draw: {name}={value} is not a standard deviation")
    out = {}
    for name, node in _copies(program.block, numbers, ()):
        shape = numbers.shape(node.type)
        if node.attr("init") == "constant":
            array = np.full(shape, float(node.attr("value")))
        else:
            sigma = float(sigmas.get(node.attr("sigma"), node.attr("value")))
            array = _stream(seed, name).standard_normal(shape) * (sigma / numbers.number(program.fan_in(node)) ** 0.5)
        out[name] = array.astype(dtype)
    return out


def _copies(block: Block, numbers: Numbers, scopes: Scopes) -> Iterator[tuple[str, Node]]:
    for node in block.nodes:
        if node.op == "parameter":
            yield copy_name(node.name, scopes), node
        elif node.op == "repeat" and node.block:
            for copy in range(_times(node, numbers)):
                yield from _copies(node.block, numbers, (*scopes, (node.name, copy)))
        elif node.block:
            yield from _copies(node.block, numbers, scopes)


def _stream(seed: int, name: str) -> Any:
    digest = sha256(name.encode()).digest()
    words = tuple(int.from_bytes(digest[i : i + 4], "big") for i in range(0, 16, 4))
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=words)))


def _times(node: Node, numbers: Numbers) -> int:
    times = numbers.number(node.attr("times"))
    if not isinstance(times, int) or times < 0:
        raise ProgramError(f"{node.name} is repeated {node.attr('times')} = {times} times; it must be a whole number")
    return times


# --- running forward -------------------------------------------------------------------------------------


def run(
    program: Program,
    weights: Mapping[str, Array],
    inputs: Any,
    sizes: Mapping[str, Number],
    *,
    seed: int | None = None,
) -> Any:
    """The program's output for one input or a batch; a tuple of arrays if it has several outputs.

    Args:
        weights: as made by ``draw``.
        inputs: the array of a program with one input, otherwise a mapping from names to arrays, or a tuple
            in the program's order. Each may have a leading batch axis; one without is shared by the batch.
        sizes: the dimensions by name.
        seed: the coins that dropout throws; without it nothing is dropped.
    """
    frame = _Frame(program, weights, Numbers(program, sizes), seed, inputs)
    frame.evaluate(program.block, (), "")
    outputs = tuple(frame.finished(node) for node in program.outputs)
    return outputs[0] if len(outputs) == 1 else outputs


def values(
    program: Program,
    weights: Mapping[str, Array],
    inputs: Any,
    sizes: Mapping[str, Number],
    *,
    seed: int | None = None,
) -> dict[str, Array]:
    """Every value on the way, under its name in ``print(program)``; arguments are those of ``run``.

    Within loops a name has the copy or the step in front: ``block[3].v7``, ``v5[0].v9``.
    """
    frame = _Frame(program, weights, Numbers(program, sizes), seed, inputs)
    frame.watched = {}
    frame.evaluate(program.block, (), "")
    return frame.watched


@dataclass
class _Frame:
    """One run: the arrays of all values computed so far, those of a loop's body anew in every round."""

    program: Program
    weights: Mapping[str, Array]
    numbers: Numbers
    seed: int | None
    inputs: Any
    arrays: dict[int, Array] = field(default_factory=dict)
    loops: dict[int, tuple[Array, ...]] = field(default_factory=dict)
    watched: dict[str, Array] | None = None

    def __post_init__(self) -> None:
        self.coin = None if self.seed is None else np.random.default_rng(self.seed)
        self.labels = labels(self.program)
        self.several = {node.inputs[0] for node in self.program.nodes.values() if node.op == "result"}
        self.batch: int | None = None
        self.given = self.read_inputs()
        self.weights = {name: np.asarray(array) for name, array in self.weights.items()}
        types = {array.dtype for array in (*self.weights.values(), *self.given.values())}
        floats = [dtype for dtype in types if np.issubdtype(dtype, np.floating)]
        self.dtype = np.result_type(*floats) if floats else np.dtype(float)

    # --- inputs ---

    def read_inputs(self) -> dict[str, Array]:
        names = [node.name for node in self.program.inputs]
        if isinstance(self.inputs, Mapping):
            given = dict(self.inputs)
        else:
            arrays = self.inputs if isinstance(self.inputs, tuple) else (self.inputs,)
            if len(arrays) != len(names):
                raise ProgramError(
                    f"{self.program.name} has the inputs {', '.join(names)}, but got {len(arrays)} arrays"
                )
            given = dict(zip(names, arrays, strict=True))
        if set(given) != set(names):
            found = ", ".join(map(str, given)) or "none"
            raise ProgramError(f"{self.program.name} has the inputs {', '.join(names)}, but got: {found}")
        return {node.name: self.read_input(node, given[node.name]) for node in self.program.inputs}

    def read_input(self, node: Node, given: Any) -> Array:
        array = np.asarray(given)
        tokens = node.attr("kind") == "tokens"
        if tokens and not np.issubdtype(array.dtype, np.integer):
            raise ProgramError(f"the input {node.name} holds token indices, which are integers, not {array.dtype}")
        if not tokens and not np.issubdtype(array.dtype, np.floating):
            array = array.astype(float)
        one = self.numbers.shape(node.type)
        if node.attr("kind") == "graph":
            one = one[:-1]
        batched = array.ndim == len(one) + 1
        if array.shape[int(batched) :] != one:
            batch = ", ".join(["batch", *map(str, one)])
            raise ProgramError(
                f"the input {node.name}: {node.type} has the shape {array.shape}; expected {one}, or ({batch})"
            )
        if batched:
            if self.batch not in (None, len(array)):
                raise ProgramError(f"the input {node.name} has a batch of {len(array)}, another one of {self.batch}")
            self.batch = len(array)
        array = array if batched else array[None]
        return array[..., None] if node.attr("kind") == "graph" else array

    # --- values ---

    def evaluate(self, block: Block, scopes: Scopes, path: str) -> None:
        for node in block.nodes:
            if node.op in structure:
                structure[node.op](self, node, scopes, path)
            elif node.op in rules:
                self.arrays[node.id] = rules[node.op](self.step(node))
            else:
                raise ProgramError(
                    f"{node.source or node.name}: the interpreter has no rule for the operation {node.op}; "
                    f'write one under @rule("{node.op}") in ntksym/language/interpret_rules.py'
                )
            if self.watched is not None and node.op != "parameter" and node.id not in self.several:
                self.watched[path + self.labels[node.id]] = self.finished(node)

    def step(self, node: Node) -> Step:
        types = tuple(self.program.nodes[i].type for i in node.inputs)
        arrays = tuple(self.arrays[i] for i in node.inputs)
        return Step(node, arrays, types, self.numbers, self.dtype, self.coin)

    def finished(self, node: Node) -> Array:
        """A value as a person gets it: with a batch axis if the inputs have one."""
        array = self.arrays[node.id]
        return array[0] if self.batch is None else np.array(np.broadcast_to(array, (self.batch, *array.shape[1:])))

    def input(self, node: Node, scopes: Scopes, path: str) -> None:
        self.arrays[node.id] = self.given[node.name]

    def parameter(self, node: Node, scopes: Scopes, path: str) -> None:
        name = copy_name(node.name, scopes)
        if name not in self.weights:
            raise ProgramError(f"the weights lack {name}; ns.draw(program, sizes) makes all of them")
        array, shape = self.weights[name], self.numbers.shape(node.type)
        if array.shape != shape:
            raise ProgramError(f"the weight {name} has the shape {array.shape}; expected {shape}")
        self.arrays[node.id] = array[None]

    def bound(self, node: Node, scopes: Scopes, path: str) -> None:
        """A carry or an element: the loop has set it already."""

    def result(self, node: Node, scopes: Scopes, path: str) -> None:
        self.arrays[node.id] = self.loops[node.inputs[0]][node.attr("index")]

    def round(self, block: Block, state: tuple[Array, ...], scopes: Scopes, path: str) -> tuple[Array, ...]:
        """What a loop's body makes of its state, with the position axes in the order of the state's."""
        carries = block.arguments[: len(state)]
        self.arrays.update(zip(carries, state, strict=True))
        self.evaluate(block, scopes, path)
        nodes = self.program.nodes
        return tuple(
            aligned(self.arrays[i], nodes[i].type, nodes[carry].type.positions)
            for i, carry in zip(block.outputs, carries, strict=True)
        )

    def repeat(self, node: Node, scopes: Scopes, path: str) -> None:
        assert node.block is not None
        own = node.name[len(scopes[-1][0]) + 1 :] if scopes else node.name
        state = tuple(self.arrays[i] for i in node.inputs)
        for copy in range(_times(node, self.numbers)):
            state = self.round(node.block, state, (*scopes, (node.name, copy)), f"{path}{own}[{copy}].")
        self.loops[node.id], self.arrays[node.id] = state, state[0]

    def scan(self, node: Node, scopes: Scopes, path: str) -> None:
        assert node.block is not None
        count = node.attr("states")
        state = tuple(self.arrays[i] for i in node.inputs[:count])
        sequences = [self.arrays[i] for i in node.inputs[count:]]
        axes = [place(self.program.nodes[i].type, node.attr("axis")) for i in node.inputs[count:]]
        history = []
        for time in range(sequences[0].shape[axes[0]]):
            for i, sequence, axis in zip(node.block.arguments[count:], sequences, axes, strict=True):
                self.arrays[i] = sequence.take(time, axis=axis)
            state = self.round(node.block, state, scopes, f"{path}{self.labels[node.id]}[{time}].")
            history.append(state)
        # early states may not depend on the batch yet
        stacked = (np.stack(np.broadcast_arrays(*states), axis=-2) for states in zip(*history, strict=True))
        self.loops[node.id] = tuple(stacked)
        self.arrays[node.id] = self.loops[node.id][0]


structure: dict[str, Callable[[_Frame, Node, Scopes, str], None]] = {
    "input": _Frame.input,
    "parameter": _Frame.parameter,
    "carry": _Frame.bound,
    "element": _Frame.bound,
    "result": _Frame.result,
    "repeat": _Frame.repeat,
    "scan": _Frame.scan,
}
"""The operations that do more than read arrays: they read what is given, or run a body."""
