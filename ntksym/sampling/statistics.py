"""Statistics of the values of a network: kernels, moments and cumulants, products of four.

Each is a callable ``statistic(network, weights, inputs, key)`` for ``ensemble``, compared by what it measures.
Averages run over the coordinates of a value inside of each network, then over networks. A value inside a repeat
or scan has its copies or steps along leading axes. ``label`` is a value's name in ``print(program)``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ntksym._lazy import lazy
from ntksym.errors import SamplingError
from ntksym.sampling.estimates import Estimate, Summary
from ntksym.sampling.inputs import batch_axes
from ntksym.sampling.network import Network
from ntksym.sampling.storage import Array

jnp = lazy("jax.numpy")


@dataclass(frozen=True)
class Kernels:
    """For each label E[v_i(a) v_i(b)], a and b running over inputs and positions.

    The shape is (loops, batch, positions, batch, positions), for several labels a dict of such.
    """

    labels: tuple[str, ...]

    def __call__(self, network: Network, weights: Mapping[str, Array], inputs: Any, key: Any) -> Any:
        values = _values(network, weights, inputs, self.labels)
        return _single({label: self._kernel(network, label, value) for label, value in values.items()})

    def _kernel(self, network: Network, label: str, value: Array) -> Array:
        flat, loops = _flattened(network, label, value)
        places = value.shape[len(loops) : -1]
        return (flat @ flat.swapaxes(-1, -2) / value.shape[-1]).reshape(*loops, *places, *places)


def kernel(*labels: str) -> Kernels:
    """The kernel of values: E[v(x) v(x')] for each pair of inputs and positions."""
    return Kernels(labels)


@dataclass(frozen=True)
class Moments:
    """E[v_i^k] for k = 1 ... order at every input and position, along a new last axis."""

    labels: tuple[str, ...]
    order: int = 4

    def __call__(self, network: Network, weights: Mapping[str, Array], inputs: Any, key: Any) -> Any:
        values = _values(network, weights, inputs, self.labels)
        powers = np.arange(1, self.order + 1)
        return _single({label: (v[..., None] ** powers).mean(-2) for label, v in values.items()})


def moments(*labels: str, order: int = 4) -> Moments:
    """The raw moments of single coordinates up to an order; ``cumulants`` makes cumulants of them."""
    return Moments(labels, order)


def cumulants(estimate: Estimate) -> tuple[Array, Array]:
    """Cumulants 1 to 4 of single coordinates from an estimate of ``moments(label)``, and their standard errors."""
    shape = estimate.shapes[0][1]
    if len(estimate.shapes) > 1 or not shape or not 1 <= shape[-1] <= 4:
        raise SamplingError("cumulants reads an estimate of moments(label) of order 4 at most; choose one label of it")

    def from_moments(summary: Summary) -> Array:
        m = np.moveaxis(summary.mean, -1, 0)
        found = [m[0]]
        if len(m) > 1:
            found.append(m[1] - m[0] ** 2)
        if len(m) > 2:
            found.append(m[2] - 3 * m[1] * m[0] + 2 * m[0] ** 3)
        if len(m) > 3:
            found.append(m[3] - 4 * m[2] * m[0] - 3 * m[1] ** 2 + 12 * m[1] * m[0] ** 2 - 6 * m[0] ** 4)
        return np.stack(found, axis=-1)

    return estimate.derived(from_moments)


@dataclass(frozen=True)
class FourPoint:
    """Products of four values at inputs and positions a, b, c, d (flattened into one axis each):

    ``kernel`` E[v_i(a) v_i(b)], ``same`` E[v_i(a) v_i(b) v_i(c) v_i(d)], and ``pairs``
    E[v_i(a) v_i(b) v_j(c) v_j(d)] for different coordinates i and j, each without bias.
    """

    label: str

    def __call__(self, network: Network, weights: Mapping[str, Array], inputs: Any, key: Any) -> dict[str, Array]:
        (value,) = _values(network, weights, inputs, (self.label,)).values()
        flat, _ = _flattened(network, self.label, value)
        n = value.shape[-1]
        if n < 2:
            raise SamplingError(f"the value {self.label} has {n} coordinate; pairs of coordinates need two")
        kernel = jnp.einsum("...ai,...bi->...ab", flat, flat) / n
        same = jnp.einsum("...ai,...bi,...ci,...di->...abcd", flat, flat, flat, flat) / n
        both = kernel[..., :, :, None, None] * kernel[..., None, None, :, :]
        return {"kernel": kernel, "same": same, "pairs": (n * both - same) / (n - 1)}


def four_point(label: str) -> FourPoint:
    """Products of four values; ``connected`` makes the connected four-point function of them."""
    return FourPoint(label)


def connected(estimate: Estimate) -> tuple[Array, Array]:
    """E[v_i v_i v_j v_j] - E[v_i v_i] E[v_j v_j] for i != j, from ``four_point(label)``, and its standard error.

    Of order 1/n: n times it is the four-point vertex V of (ab)(cd) (Roberts, Yaida and Hanin 2022, section 4.2).
    """

    def difference(summary: Summary) -> Array:
        kernel, pairs = summary.mean["kernel"], summary.mean["pairs"]
        return pairs - kernel[..., :, :, None, None] * kernel[..., None, None, :, :]

    return estimate.derived(difference)


def _values(network: Network, weights: Mapping[str, Array], inputs: Any, labels: tuple[str, ...]) -> dict[str, Array]:
    values = network.values(weights, inputs, labels=labels)
    axes = batch_axes(network.program, network.numbers, inputs).values()
    if any(axis == 0 for axis in axes):
        return values
    return {label: jnp.expand_dims(value, len(network.plan.loops[label])) for label, value in values.items()}


def _flattened(network: Network, label: str, value: Array) -> tuple[Array, tuple[int, ...]]:
    """Loops apart, then all inputs and positions as one axis, then the coordinates; and the lengths of the loops."""
    loops = value.shape[: len(network.plan.loops[label])]
    return value.reshape(*loops, -1, value.shape[-1]), loops


def _single(parts: dict[str, Array]) -> Any:
    return next(iter(parts.values())) if len(parts) == 1 else parts
