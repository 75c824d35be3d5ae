"""The arrays that a network is given, checked against the program's inputs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ntksym._lazy import lazy
from ntksym.errors import SamplingError
from ntksym.language.interpret_sizes import Numbers
from ntksym.language.program import Node, Program

jax = lazy("jax")
jnp = lazy("jax.numpy")

Array = Any


def named_inputs(program: Program, inputs: Any) -> dict[str, Any]:
    """The inputs by name, from a mapping, a tuple in the program's order, or a single array."""
    names = [node.name for node in program.inputs]
    if isinstance(inputs, Mapping):
        given = dict(inputs)
    else:
        arrays = inputs if isinstance(inputs, tuple) else (inputs,)
        if len(arrays) != len(names):
            raise SamplingError(f"{program.name} has the inputs {', '.join(names)}, but got {len(arrays)} arrays")
        given = dict(zip(names, arrays, strict=True))
    if set(given) != set(names):
        found = ", ".join(map(str, given)) or "none"
        raise SamplingError(f"{program.name} has the inputs {', '.join(names)}, but got: {found}")
    return {name: given[name] for name in names}


def one_shape(node: Node, numbers: Numbers) -> tuple[int, ...]:
    """The shape of an input without a batch axis."""
    shape = numbers.shape(node.type)
    return shape[:-1] if node.attr("kind") == "graph" else shape


def batch_axes(program: Program, numbers: Numbers, inputs: Any) -> dict[str, int | None]:
    """For every input 0 if it has a batch axis, else None: what ``jax.vmap`` asks for."""
    given = named_inputs(program, inputs)
    return {
        node.name: 0 if np.ndim(given[node.name]) > len(one_shape(node, numbers)) else None for node in program.inputs
    }


def read_inputs(program: Program, numbers: Numbers, inputs: Any, dtype: str) -> tuple[dict[str, Array], int | None]:
    """The inputs with a batch axis each (of length 1 where it is shared), and the length of the batch if any."""
    out: dict[str, Array] = {}
    batch: int | None = None
    given = named_inputs(program, inputs)
    for node in program.inputs:
        array = jnp.asarray(given[node.name])
        tokens = node.attr("kind") == "tokens"
        if tokens and not jnp.issubdtype(array.dtype, jnp.integer):
            raise SamplingError(f"the input {node.name} holds token indices, which are integers, not {array.dtype}")
        one = one_shape(node, numbers)
        batched = array.ndim == len(one) + 1
        if array.shape[int(batched) :] != one:
            expected = ", ".join(["batch", *map(str, one)])
            raise SamplingError(
                f"the input {node.name}: {node.type} has the shape {array.shape}; expected {one}, or ({expected})"
            )
        if batched:
            if batch not in (None, len(array)):
                raise SamplingError(f"the input {node.name} has a batch of {len(array)}, another one of {batch}")
            batch = len(array)
        array = array if batched else array[None]
        array = array if tokens else array.astype(dtype)
        out[node.name] = array[..., None] if node.attr("kind") == "graph" else array
    return out, batch


def check_tokens(program: Program, numbers: Numbers, inputs: Any) -> None:
    """Whether all tokens stand in the tables they are looked up in; JAX itself would not say."""
    given = named_inputs(program, inputs)
    sources: dict[int, str] = {node.id: node.name for node in program.inputs}
    nodes = program.nodes
    for loop in nodes.values():
        if loop.op == "scan":
            count = loop.attr("states")
            for argument, outer in zip(loop.body.arguments[count:], loop.inputs[count:], strict=True):
                sources[argument] = sources.get(outer, "")
        elif loop.op in ("relabel", "pick"):
            sources[loop.id] = sources.get(loop.inputs[0], "")
        elif loop.op == "lookup" and sources.get(loop.inputs[1]):
            array = given[sources[loop.inputs[1]]]
            vocab = numbers.shape(nodes[loop.inputs[0]].type)[-1]
            if isinstance(array, jax.core.Tracer) or np.size(array) == 0:
                continue
            low, high = int(np.min(array)), int(np.max(array))
            if not 0 <= low <= high < vocab:
                raise SamplingError(
                    f"{loop.source}: token indices from {low} to {high}, but the table has 0 to {vocab - 1}"
                )
