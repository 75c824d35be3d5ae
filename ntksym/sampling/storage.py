"""Where weights are kept: one array for each parameter of the program, the copies of a repeated block stacked.

``block.up.w`` of a block repeated L times is one array with a leading axis of length L, so that ``lax.scan`` can
run over depth. The interpreter keeps the copies apart (``block[3].up.w``); both forms hold the same numbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from ntksym._lazy import lazy
from ntksym.errors import SamplingError
from ntksym.language.interpret import copy_name
from ntksym.language.interpret_sizes import Numbers
from ntksym.language.program import Block, Node, Program

jax = lazy("jax")
jnp = lazy("jax.numpy")

Array = Any
Weights = dict[str, Array]


@dataclass(frozen=True)
class Stored:
    """One parameter: its node, the loops that give it copies (full name, how many), the shape of one copy."""

    node: Node
    loops: tuple[tuple[str, int], ...]
    shape: tuple[int, ...]

    @property
    def name(self) -> str:
        return self.node.name

    @property
    def stack(self) -> tuple[int, ...]:
        """The lengths of the leading axes."""
        return tuple(times for _, times in self.loops)

    @property
    def full_shape(self) -> tuple[int, ...]:
        return (*self.stack, *self.shape)

    def copies(self) -> Iterator[tuple[tuple[int, ...], str]]:
        """Every copy: its place in the stack, and its own name."""
        for place in product(*map(range, self.stack)):
            scopes = tuple((name, number) for (name, _), number in zip(self.loops, place, strict=True))
            yield place, copy_name(self.name, scopes)


def rounds(node: Node, numbers: Numbers) -> int:
    """How often a repeat runs at these sizes."""
    times = numbers.number(node.attr("times"))
    if not isinstance(times, int) or times < 0:
        raise SamplingError(f"{node.name} is repeated {node.attr('times')} = {times} times; give a whole number")
    return times


def storage(program: Program, numbers: Numbers) -> dict[str, Stored]:
    """Every parameter of the program by name."""
    return {stored.name: stored for stored in _stored(program.block, numbers, ())}


def _stored(block: Block, numbers: Numbers, loops: tuple[tuple[str, int], ...]) -> Iterator[Stored]:
    for node in block.nodes:
        if node.op == "parameter":
            yield Stored(node, loops, numbers.shape(node.type))
        elif node.op == "repeat":
            yield from _stored(node.body, numbers, (*loops, (node.name, rounds(node, numbers))))
        elif node.block:
            yield from _stored(node.block, numbers, loops)


def stacked(kept: Mapping[str, Stored], weights: Mapping[str, Array]) -> Weights:
    """The weights in stacked form, checked against the program; copies under their own names are stacked."""
    out, used = {}, set[str]()
    for name, stored in kept.items():
        if name in weights:
            out[name] = jnp.asarray(weights[name])
            used.add(name)
        else:
            own = [copy for _, copy in stored.copies()]
            missing = next((copy for copy in own if copy not in weights), None)
            if missing is not None:
                raise SamplingError(f"the weights lack {missing}; network.init(key) makes all of them")
            arrays = [concrete(weights[copy]) for copy in own]
            out[name] = _stack(arrays, stored)
            used.update(own)
        expected = stored.full_shape
        if out[name].shape != expected:
            raise SamplingError(f"the weight {name} has the shape {out[name].shape}; expected {expected}")
    unknown = next((name for name in weights if name not in used), None)
    if unknown is not None:
        raise SamplingError(f"the program has no weight {unknown}; it has: {', '.join(kept) or 'none'}")
    return out


def _stack(arrays: list[Array], stored: Stored) -> Array:
    if not arrays:
        return jnp.zeros(stored.full_shape)
    if not stored.loops:
        return arrays[0]
    wrong = next((array.shape for array in arrays if array.shape != stored.shape), None)
    if wrong is not None:
        raise SamplingError(f"a copy of the weight {stored.name} has the shape {wrong}; expected {stored.shape}")
    traced = any(isinstance(array, jax.core.Tracer) for array in arrays)
    return jnp.asarray((jnp if traced else np).stack(arrays)).reshape(stored.full_shape)


def copies(kept: Mapping[str, Stored], weights: Mapping[str, Array]) -> Weights:
    """The weights as the interpreter names them, one array for each copy."""
    arrays = {name: concrete(array) for name, array in weights.items()}
    return {name: arrays[stored.name][place] for stored in kept.values() for place, name in stored.copies()}


def concrete(array: Array) -> Array:
    """As a NumPy array, whose parts cost nothing; inside a JAX transformation the array itself."""
    return array if isinstance(array, jax.core.Tracer) else np.asarray(array)
