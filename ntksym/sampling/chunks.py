"""One chunk of an ensemble: its networks drawn, run and reduced to moments in one compiled function.

Network i of an ensemble has the random key ``fold_in(key(seed), i)``, whichever chunk it falls into.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from math import prod
from typing import Any
from uuid import uuid4

import numpy as np

from ntksym._lazy import lazy
from ntksym.sampling.accumulators import GROUPS, LARGEST, Array, Moments
from ntksym.sampling.estimates import Shapes
from ntksym.sampling.network import Network
from ntksym.sampling.precision import double

jax = lazy("jax")
jnp = lazy("jax.numpy")

Statistic = Callable[[Network, Any, Any, Any], Any]
"""(network, weights, inputs, key) -> an array, or a dict of arrays: what is measured of one network."""


@dataclass(frozen=True)
class Task:
    """What is done to every network of an ensemble. Equal tasks are copies of one (also in another process)."""

    network: Network = field(compare=False)
    inputs: Any = field(compare=False)
    statistic: Statistic = field(compare=False)
    seed: int = field(compare=False)
    sigmas: Mapping[str, float] = field(compare=False)
    covariance: bool = field(compare=False)
    token: str = field(default_factory=lambda: uuid4().hex)

    @property
    def measure(self) -> Measure:
        return Measure(self.network, self.statistic, self.covariance)

    def arguments(self) -> tuple[Any, ...]:
        """What the compiled function reads besides the range of samples."""
        return jax.random.key(self.seed), self.inputs, dict(self.sigmas)

    def shapes(self) -> Shapes:
        """The parts of the statistic and their shapes; nothing is computed."""
        return _shapes(self.measure, *_kinds(self))


@dataclass(frozen=True)
class Measure:
    """The part of a task that is compiled: seed, inputs and sigmas are arguments of the function."""

    network: Network
    statistic: Statistic
    covariance: bool

    def one(self, index: Any, key: Any, inputs: Any, sigmas: Mapping[str, Any]) -> dict[str, Array]:
        """The statistic of network ``index``."""
        own = jax.random.fold_in(key, index)
        weights = self.network.init(jax.random.fold_in(own, 0), **sigmas)
        found = self.statistic(self.network, weights, inputs, jax.random.fold_in(own, 1))
        parts = found if isinstance(found, Mapping) else {"": found}
        return {name: jnp.asarray(part) for name, part in parts.items()}

    def chunk(self, size: int, start: Any, stop: Any, *arguments: Any) -> tuple[Array, ...]:
        """The moments of ``size`` networks, a row for each group: network i belongs to group i modulo GROUPS."""
        index = start + jnp.arange(size)

        def one(index: Any) -> dict[str, Array]:
            return self.one(index, *arguments)

        # on a CPU one network after the other stays in the caches, and XLA's products of many matrices are slow there
        parts = jax.lax.map(one, index) if jax.default_backend() == "cpu" else jax.vmap(one)(index)
        groups = min(size, GROUPS)

        def grouped(array: Array) -> Array:
            return array.reshape(size // groups, groups, *array.shape[1:])

        x = grouped(jnp.concatenate([part.reshape(size, -1) for part in parts.values()], axis=1).astype(jnp.float64))
        wanted, finite = grouped(index < stop), (jnp.abs(x) < LARGEST).all(-1)
        kept = (wanted & finite)[..., None]
        count = kept.sum(0)
        mean = jnp.where(kept, x, 0).sum(0) / jnp.maximum(count, 1)
        centred = jnp.where(kept, x - mean, 0)
        products = jnp.einsum("rgi,rgj->gij", centred, centred) if self.covariance else None
        return count[:, 0], (wanted & ~finite).sum(0), mean, (centred**2).sum(0), products


def moments_of(task: Task, start: int, size: int, stop: int) -> tuple[int, Moments]:
    """The moments of networks start ... start + size - 1, those from ``stop`` on left out, and their first group."""
    task = _resident(task)
    with task.network.precision(), double():
        arrays = jax.device_get(compiled(task, size)(start, stop, *task.arguments()))
    return start % GROUPS, Moments(*(None if array is None else np.asarray(array) for array in arrays))


@lru_cache(maxsize=8)
def _resident(task: Task) -> Task:
    """The first of equal tasks that this process has seen, so that a worker compiles once."""
    return task


def compiled(task: Task, size: int) -> Any:
    """The chunk's function, compiled for ``size`` networks and inputs of these shapes."""
    return _compiled(task.measure, size, *_kinds(task))


def _kinds(task: Task) -> tuple[Any, Any, tuple[str, ...]]:
    """What a compiled function must know of its arguments."""
    leaves, structure = jax.tree.flatten(task.inputs)
    return structure, tuple((leaf.shape, str(leaf.dtype)) for leaf in leaves), tuple(sorted(task.sigmas))


@lru_cache(maxsize=32)
def _compiled(measure: Measure, size: int, *kinds: Any) -> Any:
    with measure.network.precision(), double():
        return jax.jit(measure.chunk, static_argnums=0).lower(size, 0, 0, *_likes(*kinds)).compile()


@lru_cache(maxsize=32)
def _shapes(measure: Measure, *kinds: Any) -> Shapes:
    with measure.network.precision(), double():
        found = jax.eval_shape(measure.one, 0, *_likes(*kinds))
    return tuple((name, tuple(part.shape)) for name, part in found.items())


def _likes(structure: Any, kinds: Any, sigmas: tuple[str, ...]) -> tuple[Any, ...]:
    """Stand-ins for the arguments of ``Measure.one``, without their numbers."""
    inputs = structure.unflatten([jax.ShapeDtypeStruct(shape, dtype) for shape, dtype in kinds])
    return jax.random.key(0), inputs, dict.fromkeys(sigmas, 1.0)


ENOUGH = 2**22
"""Bytes of networks that a call on a CPU draws, if these are more than GROUPS: the call itself then costs little."""


def chunk_size(task: Task, samples: int, memory: int, most: int | None) -> int:
    """How many networks in one call: a power of two up to the number of groups, or a multiple of that number."""
    fast = max(ENOUGH // _bytes(task), GROUPS) if jax.default_backend() == "cpu" else samples
    size = rounded(min(samples, max(memory // _bytes(task), 1), most or fast), samples)
    while size > 1:
        used = _working_memory(compiled(task, size))
        if used <= memory:
            break
        size = rounded(min(size * memory // used, size // 2), samples)
    return size


def _bytes(task: Task) -> int:
    """What one network takes at least: weights and the random words for them, its statistic and the moments."""
    weights = sum(prod(stored.full_shape) for stored in task.network.parameters.values())
    length = sum(prod(shape) for _, shape in task.shapes())
    return max(np.dtype(task.network.dtype).itemsize * 2 * weights + 8 * 4 * length, 1)


def rounded(size: int, samples: int) -> int:
    """The next allowed size below, or the next above if that takes all samples at once."""
    if size >= samples:
        return -(-samples // GROUPS) * GROUPS if samples > GROUPS else 1 << (samples - 1).bit_length()
    return size // GROUPS * GROUPS if size >= GROUPS else 1 << (max(size, 1).bit_length() - 1)


def _working_memory(function: Any) -> int:
    """Bytes that a compiled function needs besides its inputs, 0 where the backend does not say."""
    analysis = function.memory_analysis()
    return 0 if analysis is None else int(analysis.temp_size_in_bytes + analysis.output_size_in_bytes)


def plan(start: int, samples: int, size: int) -> Iterator[tuple[int, int, int]]:
    """Chunks (start, size, stop) from sample ``start`` on; after an interruption the first ones may be short."""
    while start < samples:
        part = start % GROUPS
        now = min(size, part & -part) if part else size
        yield start, now, samples
        start += now
