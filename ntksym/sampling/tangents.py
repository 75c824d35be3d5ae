"""The empirical neural tangent kernel: the Gram matrix of the outputs' derivatives by the weights.

No derivative by a weight matrix is ever formed unless that is cheaper. A matrix W used in y = W x contributes
sum over positions p, p' of <g_p, g'_p'> <x_p, x'_p'>, where g is the output's derivative by y: a backward sweep over
the values gives all g, and the order in which the four factors are contracted is the cheapest for their sizes
(Novak, Sohl-Dickstein and Schoenholz 2022, "structured derivatives").
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from string import ascii_letters
from typing import Any, NamedTuple

from ntksym._lazy import lazy
from ntksym.errors import SamplingError
from ntksym.language.program import Node
from ntksym.language.types import MatrixType
from ntksym.sampling.inputs import batch_axes, named_inputs
from ntksym.sampling.network import Network
from ntksym.sampling.precision import delivered
from ntksym.sampling.storage import Array

jax = lazy("jax")
jnp = lazy("jax.numpy")

METHODS = ("structured", "jacobian")

BATCH, OUTPUT, ROW, COLUMN = "(batch)", "(output)", "(row)", "(column)"
"""Names for axes of factors; no position axis can be called so, and loops are called by numbers."""


class Factor(NamedTuple):
    """An array with named axes, batch axis included."""

    array: Array
    axes: tuple[str, ...]


class Use(NamedTuple):
    """One place where a parameter enters: a derivative there is the product of two factors, summed over ``shared``."""

    factors: tuple[Factor, ...]
    shared: tuple[str, ...]


def tangent_kernels(
    network: Network, weights: Mapping[str, Array], inputs: Any, others: Any = None, *, method: str = "structured"
) -> dict[str, Array]:
    """The part of every trainable parameter in the empirical NTK, by the parameter's name.

    Each array has the shape (batch, outputs, other batch, outputs): positions and coordinates of the output are
    counted together, several outputs one after the other. Copies of a repeated block are one parameter.

    Args:
        others: the second inputs; the same as the first by default.
        method: "structured", or "jacobian" to form the Jacobian (simple, and large).
    """
    if method not in METHODS:
        raise SamplingError(f"method={method!r} is not known; write one of: {', '.join(METHODS)}")
    with network.precision():
        given, more = (None if x is None else named_inputs(network.program, x) for x in (inputs, others))
        found = _compiled(network, method)(network.stacked(weights), given, more)
    return dict(delivered(found))


@lru_cache(maxsize=64)
def _compiled(network: Network, method: str) -> Any:
    return jax.jit(partial(_full if method == "jacobian" else _structured, network))


def _full(network: Network, weights: Mapping[str, Array], inputs: Any, others: Any) -> dict[str, Array]:
    left = _jacobian(network, weights, inputs)
    right = left if others is None else _jacobian(network, weights, others)
    return {name: jnp.einsum("aip,bjp->aibj", left[name], right[name]) for name in left}


def _structured(network: Network, weights: Mapping[str, Array], inputs: Any, others: Any) -> dict[str, Array]:
    first = _uses(network, weights, inputs)
    second = first if others is None else _uses(network, weights, others)
    return {
        name: sum(_product(u, v) for u in first[name] for v in second[name]) * network.multiplier(name) ** 2
        for name in first
    }


def tangent_kernel(
    network: Network, weights: Mapping[str, Array], inputs: Any, others: Any = None, *, method: str = "structured"
) -> Array:
    """The empirical NTK, all trainable parameters together; see ``tangent_kernels``."""
    return sum(tangent_kernels(network, weights, inputs, others, method=method).values())


@dataclass(frozen=True)
class TangentKernel:
    """The empirical NTK as a statistic of an ensemble; with ``by_parameter`` a dict that also has each part."""

    by_parameter: bool = False

    def __call__(self, network: Network, weights: Mapping[str, Array], inputs: Any, key: Any) -> Any:
        parts = tangent_kernels(network, weights, inputs)
        total = sum(parts.values())
        return {"total": total, **parts} if self.by_parameter else total


# --- examples one by one ---------------------------------------------------------------------------------


def trainable(network: Network) -> Iterator[Node]:
    """The parameters that are trained."""
    return (stored.node for stored in network.parameters.values() if stored.node.attr("trainable"))


def _examples(network: Network, inputs: Any) -> tuple[dict[str, Any], dict[str, int | None]]:
    """The inputs by name, and which of them have a batch axis; a single example becomes a batch of one."""
    given = {name: jnp.asarray(array) for name, array in named_inputs(network.program, inputs).items()}
    axes = batch_axes(network.program, network.numbers, given)
    if all(axis is None for axis in axes.values()):
        return {name: array[None] for name, array in given.items()}, dict.fromkeys(given, 0)
    return given, axes


def _flat(outputs: Any) -> Array:
    arrays = outputs if isinstance(outputs, tuple) else (outputs,)
    return jnp.concatenate([array.ravel() for array in arrays])


def _jacobian(network: Network, weights: Mapping[str, Array], inputs: Any) -> dict[str, Array]:
    """For every trainable parameter the derivatives (batch, outputs, entries)."""
    names = [node.name for node in trainable(network)]

    def outputs(free: Mapping[str, Array], example: Any) -> Array:
        return _flat(network.forward({**weights, **free}, example, None, frozenset())[0])

    examples, axes = _examples(network, inputs)
    free = {name: weights[name] for name in names}
    found = jax.vmap(jax.jacrev(outputs), (None, axes))(free, examples)
    return {name: found[name].reshape(*found[name].shape[:2], -1) for name in names}


# --- derivatives by values -------------------------------------------------------------------------------


def _uses(network: Network, weights: Mapping[str, Array], inputs: Any) -> dict[str, list[Use]]:
    """For every trainable parameter the places where it enters, with the factors of its derivative there."""
    program, plan = network.program, network.plan
    places = {node.id: list(_places(network, node)) for node in trainable(network)}
    labels = {plan.labels[use.id] for uses in places.values() for use in uses}
    read = {plan.labels[use.inputs[1]] for uses in places.values() for use in uses if use.op != "parameter"}
    shapes = {
        label: (*(loop.times for loop in plan.loops[label]), 1, *network.numbers.shape(node.type))
        for node in program.nodes.values()
        if (label := plan.labels[node.id]) in labels
    }
    zeros = {label: jnp.zeros(shape, network.dtype) for label, shape in shapes.items()}

    def one(example: Any) -> tuple[dict[str, Array], dict[str, Array]]:
        def outputs(probes: Mapping[str, Array]) -> Any:
            found, watched = network.forward(weights, example, None, frozenset(read), probes)
            return _flat(found), watched

        flat, back, watched = jax.vjp(outputs, zeros, has_aux=True)
        (slopes,) = jax.vmap(back)(jnp.eye(flat.size, dtype=flat.dtype))
        return slopes, watched

    examples, axes = _examples(network, inputs)
    slopes, watched = jax.vmap(one, (axes,))(examples)
    return {
        program.nodes[key].name: [_use(network, program.nodes[key], use, slopes, watched) for use in uses]
        for key, uses in places.items()
    }


def _places(network: Network, parameter: Node) -> Iterator[Node]:
    """The values that a parameter enters first: products with a matrix; a vector is a value itself."""
    if not isinstance(parameter.type, MatrixType):
        yield parameter
        return
    for node in network.program.nodes.values():
        if parameter.id in node.inputs:
            if node.op not in ("matmul", "lookup"):
                raise SamplingError(
                    f"{node.source or node.name}: the tangent kernel has no rule for a matrix in the operation "
                    f'{node.op}; use method="jacobian", or write a rule in sampling/tangents.py'
                )
            yield node


def _use(network: Network, parameter: Node, use: Node, slopes: Mapping[str, Array], watched: Mapping[str, Any]) -> Use:
    plan = network.plan
    label = plan.labels[use.id]
    loops = tuple(str(loop.node) for loop in plan.loops[label])
    positions = tuple(axis.name for axis in use.type.positions)
    # (batch, output, loops, 1, positions, coordinates)
    slope = slopes[label].squeeze(2 + len(loops)) * plan.uses.get(label, 1.0)
    own = {str(loop.node) for loop in plan.loops[plan.labels[parameter.id]] if loop.copies}
    own |= {axis.name for axis in parameter.type.positions}
    shared = tuple(name for name in (*loops, *positions) if name not in own)
    if use.op == "parameter":
        return Use((Factor(slope, (BATCH, OUTPUT, *loops, *positions, ROW)),), shared)
    source = network.program.nodes[use.inputs[1]]
    source_label = plan.labels[source.id]
    array = watched[source_label]
    axes = (*(str(loop.node) for loop in plan.loops[source_label]), *(axis.name for axis in source.type.positions))
    if use.op == "lookup":
        vocab = network.numbers.shape(parameter.type)[-1]
        array = jax.nn.one_hot(array, vocab, dtype=network.dtype)
    made, given = (COLUMN, ROW) if use.attr("transpose") else (ROW, COLUMN)
    return Use(
        (
            Factor(slope, (BATCH, OUTPUT, *loops, *positions, made)),
            Factor(array, (BATCH, *axes, given)),
        ),
        shared,
    )


def _product(first: Use, second: Use) -> Array:
    """The sum over all axes but batches and outputs, where own axes are common and shared ones are not."""
    letters: dict[str, str] = {}
    operands, texts = [], []
    for side, use in (("1", first), ("2", second)):
        apart = {BATCH, OUTPUT, *use.shared}
        for array, axes in use.factors:
            names = [name + side if name in apart else name for name in axes]
            texts.append("".join(letters.setdefault(name, ascii_letters[len(letters)]) for name in names))
            operands.append(array)
    out = "".join(letters[name] for name in (f"{BATCH}1", f"{OUTPUT}1", f"{BATCH}2", f"{OUTPUT}2"))
    return jnp.einsum(f"{','.join(texts)}->{out}", *operands, optimize="optimal")
