"""Standard normal numbers for the weights of a network: drawing them is most of the work for a wide one.

One hash of Threefry, the generator of ``jax.random``, makes one number. JAX hashes whole arrays, round by round, on a
CPU; written as plain arithmetic here, hash and quantile are one loop over the numbers, which takes less than half as
long.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any

import numpy as np

from ntksym._lazy import lazy
from ntksym.errors import SamplingError
from ntksym.sampling.storage import Array

jax = lazy("jax")
jnp = lazy("jax.numpy")

LARGE = 4096
"""Parameters with fewer entries are drawn together."""
ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
PARITY = 0x1BD11BDA
"""The constants of Threefry: how far a word is turned in each round, and what completes the key."""


def standard_normals(key: Any, shapes: Mapping[str, tuple[int, ...]], dtype: str) -> dict[str, Array]:
    """Independent N(0, 1) arrays of these shapes.

    Each generator takes long to compile, and cutting arrays from one vector takes a copy: small ones share a vector.
    """
    seed = jax.random.bits(key, (2,), jnp.uint32)
    lengths = {name: prod(shape) for name, shape in shapes.items()}
    least = max(LARGE, sum(lengths.values()) // 16)
    small = [name for name in shapes if lengths[name] < least]
    shared = normals(seed, 0, sum(lengths[name] for name in small), dtype)
    out, start = {}, 0
    for stream, (name, shape) in enumerate(shapes.items(), 1):
        if name in small:
            drawn, start = shared[start : start + lengths[name]], start + lengths[name]
        else:
            drawn = normals(seed, stream, lengths[name], dtype)
        out[name] = drawn.reshape(shape)
    return out


def normals(seed: Array, stream: int, count: int, dtype: str) -> Array:
    """``count`` independent N(0, 1) numbers, for each seed (two random words) and stream different ones."""
    if count > 2**32:
        raise SamplingError(f"a parameter has {count} entries; at most 2^32 can be drawn")
    place = jax.lax.iota(jnp.uint32, count)
    return normal_of_words(*threefry(seed, place, jnp.full_like(place, stream)), dtype)


def threefry(seed: Array, first: Array, second: Array) -> tuple[Array, Array]:
    """Two random words for two counters: Threefry-2x32 with 20 rounds (Salmon et al., SC 2011)."""
    keys = seed[0], seed[1], seed[0] ^ seed[1] ^ np.uint32(PARITY)
    first, second = first + keys[0], second + keys[1]
    for i in range(5):
        for by in ROTATIONS[i % 2]:
            first = first + second
            second = (second << np.uint32(by) | second >> np.uint32(32 - by)) ^ first
        first, second = first + keys[(i + 1) % 3], second + keys[(i + 2) % 3] + np.uint32(i + 1)
    return first, second


def normal_of_words(first: Array, second: Array, dtype: str) -> Array:
    """The quantile of N(0, 1) at random bits, read as a uniform number: of 32 bits for a float32, 64 for a float64.

    Nothing lies beyond the quantile of the number next to one, as in ``jax.random.normal``: a float32 is at most 5.42,
    which a normal number exceeds with a probability of 6e-8, a float64 at most 8.2.
    """
    real = np.dtype(dtype).type
    uniform = jax.lax.bitcast_convert_type(first, jnp.int32).astype(dtype) * real(2**-31)
    if dtype == "float64":
        uniform = uniform + second.astype(dtype) * real(2**-63)
    below_one = np.nextafter(real(1), real(0))
    return real(2**0.5) * jax.lax.erf_inv(jnp.clip(uniform, -below_one, below_one))
