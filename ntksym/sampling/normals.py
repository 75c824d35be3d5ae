"""Standard normal numbers for the weights of a network: drawing them is most of the cost of a wide one."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod, sqrt
from typing import Any

import numpy as np

from ntksym._lazy import lazy
from ntksym.sampling.storage import Array

jax = lazy("jax")
jnp = lazy("jax.numpy")
threefry = lazy("jax.extend.random")

LARGE = 4096
"""Parameters with fewer entries are drawn together."""


def standard_normals(key: Any, shapes: Mapping[str, tuple[int, ...]], dtype: str) -> dict[str, Array]:
    """Independent N(0, 1) arrays of these shapes.

    Each generator takes long to compile, and cutting arrays from one vector takes a copy: small ones share a vector.
    """
    lengths = {name: prod(shape) for name, shape in shapes.items()}
    least = max(LARGE, sum(lengths.values()) // 16)
    small = [name for name in shapes if lengths[name] < least]
    shared = normals(jax.random.fold_in(key, 0), sum(lengths[name] for name in small), dtype)
    out, start = {}, 0
    for i, (name, shape) in enumerate(shapes.items(), 1):
        if name in small:
            drawn, start = shared[start : start + lengths[name]], start + lengths[name]
        else:
            drawn = normals(jax.random.fold_in(key, i), lengths[name], dtype)
        out[name] = drawn.reshape(shape)
    return out


def normals(key: Any, count: int, dtype: str) -> Array:
    """``count`` independent N(0, 1) numbers.

    A hash of Threefry gives 64 random bits, and hashing is most of the work. A float64 takes them all; where
    ``jax.random.normal`` makes one float32 of a hash, this makes two.
    """
    if dtype == "float64":
        return jax.random.normal(key, (count,), dtype)
    seed = jax.random.bits(key, (2,), jnp.uint32)
    return normal_of_word(threefry.threefry_2x32(seed, jnp.arange(count, dtype=jnp.uint32)))


def normal_of_word(words: Array) -> Array:
    """The float32 quantile of N(0, 1) for 32 random bits, read as a signed integer that is uniform.

    Nothing lies beyond 5.42, the quantile of the float32 next to one, as in ``jax.random.normal``; a normal number
    does with a probability of 6e-8.
    """
    uniform = jax.lax.bitcast_convert_type(words, jnp.int32).astype(jnp.float32) * np.float32(2**-31)
    below_one = np.nextafter(np.float32(1), np.float32(0))
    return np.float32(sqrt(2)) * jax.lax.erf_inv(jnp.clip(uniform, -below_one, below_one))
