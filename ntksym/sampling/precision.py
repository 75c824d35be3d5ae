"""Floating types: float64 without changing JAX's settings for the whole process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np

from ntksym._lazy import lazy
from ntksym.errors import SamplingError

jax = lazy("jax")
jnp = lazy("jax.numpy")
experimental = lazy("jax.experimental")

DTYPES = ("float32", "float64")


@contextmanager
def precision(dtype: str) -> Iterator[None]:
    """Inside, JAX computes in ``dtype``: float64 is allowed, and no matrix product is rounded to fewer bits."""
    check_dtype(dtype)
    with ExitStack() as stack:
        # accelerators round the factors of a float32 product unless told not to
        stack.enter_context(jax.default_matmul_precision("float32"))
        if dtype == "float64":
            stack.enter_context(double())
        yield


@contextmanager
def double() -> Iterator[None]:
    """Inside, JAX may make float64 arrays; those of float32 stay what they are."""
    # JAX moved it; the older place is gone in newer versions
    enable = jax.enable_x64 if hasattr(jax, "enable_x64") else experimental.enable_x64
    with enable(True):
        yield


def check_dtype(dtype: str) -> None:
    if dtype not in DTYPES:
        raise SamplingError(f"dtype={dtype!r} is not known; write one of: {', '.join(DTYPES)}")


def delivered(results: Any) -> Any:
    """Results as they leave this package: NumPy arrays where JAX, outside, would not know their float64."""
    if jnp.result_type(float) == np.float64:
        return results

    def safe(leaf: Any) -> Any:
        hidden = isinstance(leaf, jax.Array) and not isinstance(leaf, jax.core.Tracer) and leaf.dtype == np.float64
        return np.asarray(leaf) if hidden else leaf

    return jax.tree.map(safe, results)
