"""Optimizers by name, for one parameter each: its own rate, epsilon and weight decay."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ntksym._lazy import lazy
from ntksym.errors import SamplingError

jax = lazy("jax")
optax = lazy("optax")
contrib = lazy("optax.contrib")

MOMENTUM = 0.9


@dataclass(frozen=True)
class Rate:
    """The numbers of one parameter's updates; no decay and a tiny epsilon unless said."""

    lr: float
    eps: float = 1e-8
    weight_decay: float = 0.0


Builder = Callable[[Rate, int], Any]

builders: dict[str, Builder] = {
    "sgd": lambda rate, ndim: optax.sgd(rate.lr),
    "momentum": lambda rate, ndim: optax.sgd(rate.lr, momentum=MOMENTUM),
    "adam": lambda rate, ndim: optax.adam(rate.lr, eps=rate.eps),
    "adamw": lambda rate, ndim: optax.adamw(rate.lr, eps=rate.eps, weight_decay=rate.weight_decay),
    "lion": lambda rate, ndim: optax.lion(rate.lr, weight_decay=rate.weight_decay),
    "muon": lambda rate, ndim: _muon(rate, ndim),
}
"""The Optax transformation of one array, by the optimizer's name: from its rate, and the number of its axes."""


def transformation(optimizer: str, rate: Rate, ndim: int) -> Any:
    """What Optax does to one parameter, whose matrices (if any) are its last two axes."""
    if optimizer not in builders:
        raise SamplingError(f"the sampler has no optimizer {optimizer!r}; it has: {', '.join(builders)}")
    return builders[optimizer](rate, ndim)


def _muon(rate: Rate, ndim: int) -> Any:
    """An update of spectral norm lr (Jordan 2024, without a factor for the shape), a matrix at a time."""
    if ndim < 2:
        raise SamplingError("muon updates matrices; choose another optimizer for vectors, as in {'norm.g': 'adamw'}")
    if "weight_dimension_numbers" not in inspect.signature(contrib.scale_by_muon).parameters:
        raise SamplingError("this optax scales muon's updates by the matrix's shape: pip install -U optax")
    orthogonal = contrib.scale_by_muon()

    def one_matrix(update: Any, state: Any) -> Any:
        return orthogonal.update(update, state)

    init, update = orthogonal.init, one_matrix
    for _ in range(ndim - 2):
        init, update = jax.vmap(init), jax.vmap(update)

    def each(updates: Any, state: Any, params: Any = None) -> Any:
        return update(updates, state)

    spectral = optax.GradientTransformation(init, each)
    return optax.chain(spectral, optax.add_decayed_weights(rate.weight_decay), optax.scale(-rate.lr))
