"""``training``: the root mean square of a value at the start, or of its change after t steps.

The mean runs over inputs, positions, coordinates, copies and networks; the networks are trained on random targets.
Arguments: ``value``; ``step``, 0 for the size at the start; ``steps``, how many are taken; ``optimizer``, pairs of
parameters and optimizers. The prediction brings the numbers of every parameter (``settings``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ntksym._lazy import lazy
from ntksym.errors import ValidationError
from ntksym.records.predictions import Arguments, Experiment
from ntksym.sampling.estimates import Summary
from ntksym.sampling.network import Network
from ntksym.sampling.storage import Array
from ntksym.sampling.training import train
from ntksym.validation.measurements._base import Measurement, register, values_of

jnp = lazy("jax.numpy")


@dataclass(frozen=True)
class MeanSquares:
    """For each value the mean square of its start, then of its change after each step."""

    values: tuple[str, ...]
    optimizer: tuple[tuple[str, str], ...]
    steps: int
    rates: tuple[tuple[str, float | None, float | None, float | None], ...]
    """Of every parameter lr, eps and weight decay: they belong to the question that is asked."""

    def __call__(self, network: Network, weights: Mapping[str, Array], inputs: Any, key: Any) -> Any:
        done = train(
            network, weights, [inputs], dict(self.optimizer), self.steps, labels=self.values, probe=inputs[0], key=key
        )
        return {
            value: jnp.stack([jnp.mean(size**2) for size in (done.initial[value], *done.changes[value])])
            for value in self.values
        }


def _statistic(network: Network, requests: Sequence[Arguments]) -> MeanSquares:
    first: Any = requests[0]
    rates = tuple((name, row.lr, row.eps, row.weight_decay) for name, row in sorted(network.settings.items()))
    return MeanSquares(values_of(requests), first["optimizer"], first["steps"], rates)


def _read(summary: Summary, arguments: Arguments) -> float:
    means: Any = summary.mean
    return float(np.sqrt(means[arguments["value"]][arguments["time"]]))


def _with_targets(network: Network, experiment: Experiment) -> tuple[Any, Any]:
    """The inputs, and standard normal targets that do not depend on the width where the outputs' shape does not."""
    outputs = network.program.outputs
    if len(outputs) > 1:
        raise ValidationError(f"{network.program.name} has {len(outputs)} outputs; training is measured with one")
    rng = np.random.default_rng([experiment.seed, 1])
    first = experiment.inputs
    batch = len(next(iter(first.values())) if isinstance(first, Mapping) else first)
    return first, rng.standard_normal((batch, *network.numbers.shape(outputs[0].type)))


TRAINING = register(
    Measurement(
        "training",
        _statistic,
        _read,
        inputs=_with_targets,
        needs=("value", "time", "steps", "optimizer"),
        apart=("optimizer", "steps"),
    )
)
