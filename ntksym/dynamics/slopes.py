"""A loss and its derivative by the outputs, in double precision."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ntksym._lazy import lazy
from ntksym.sampling.precision import precision
from ntksym.sampling.training import Loss, loss_named

jax = lazy("jax")
jnp = lazy("jax.numpy")

Array = Any


def loss_and_slope(loss: str | Loss) -> Callable[[Array, Array], tuple[float, Array]]:
    """The loss as ``ns.train`` has it: a function of outputs and targets that gives its value and dL/df."""
    compiled = jax.jit(jax.value_and_grad(loss_named(loss)))

    def evaluated(outputs: Array, targets: Array) -> tuple[float, Array]:
        with precision("float64"):
            value, slope = compiled(jnp.asarray(outputs), jnp.asarray(targets))
        return float(value), np.asarray(slope)

    return evaluated
