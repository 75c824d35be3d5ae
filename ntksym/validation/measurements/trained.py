"""``trained``: the outputs of networks that were trained by full-batch gradient descent on the squared error.

Weights are unit Gaussians, as in the tangent parameterization. Arguments: ``inputs`` and ``targets`` to train on, as
nested tuples; ``optimizer`` ("sgd" or "momentum"), ``lr`` and ``steps``; ``index`` (input, output) of the experiment's
inputs; ``over`` networks the mean, the variance or the std.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ntksym._lazy import lazy
from ntksym.records.predictions import Arguments, Experiment
from ntksym.sampling.network import Network
from ntksym.sampling.storage import Array
from ntksym.sampling.training import train
from ntksym.validation.measurements._base import Measurement, entry, register
from ntksym.validation.measurements.ntk import unit_settings

jnp = lazy("jax.numpy")

TASK = ("inputs", "targets", "optimizer", "lr", "steps")


@dataclass(frozen=True)
class Trained:
    """Outputs at the inputs of the experiment after some steps."""

    inputs: Any
    targets: Any
    optimizer: str
    lr: float
    steps: int

    def __call__(self, network: Network, weights: Mapping[str, Array], inputs: Any, key: Any) -> Any:
        batch = (jnp.asarray(self.inputs, network.dtype), jnp.asarray(self.targets, network.dtype))
        done = train(network, weights, [batch], self.optimizer, self.steps, labels=(), key=key)
        return network.forward(done.weights, inputs, None, frozenset())[0]


def trained_settings(network: Network, experiment: Experiment, arguments: Arguments) -> Any:
    """Every parameter a unit Gaussian, all with the same learning rate."""
    rows = unit_settings(network, experiment, {"parameterization": "ntk"})
    return {name: replace(row, lr=arguments["lr"]) for name, row in rows.items()}


def _statistic(network: Network, requests: Sequence[Arguments]) -> Trained:
    first: Any = requests[0]
    return Trained(*(first[name] for name in TASK))


TRAINED = register(
    Measurement("trained", _statistic, entry, settings=trained_settings, needs=(*TASK, "index"), apart=TASK)
)
