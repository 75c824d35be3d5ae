"""Trained finite networks at several sizes of one dimension: how large values are, and how far they move."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from time import monotonic
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ntksym._lazy import lazy
from ntksym.errors import SamplingError
from ntksym.language.dims import Number, as_size
from ntksym.language.program import Program
from ntksym.sampling.ensemble import ensemble
from ntksym.sampling.estimates import Estimate
from ntksym.sampling.network import Network, network
from ntksym.sampling.training import train
from ntksym.scaling.table import ScalingTable
from ntksym.validation.data import Data, data_for

jax = lazy("jax")
jnp = lazy("jax.numpy")

Array = NDArray[Any]

PILOT = 8
"""Networks of each size that are drawn to learn how long one takes, and to tune a rate."""
RATES = tuple(2.0**-k for k in range(-1, 16))
"""Learning rates that are tried, from the largest."""


@dataclass(frozen=True, eq=False)
class Trial:
    """What is trained and watched: a table's entries, with rates of 1 at the smallest size, to be scaled.

    ``sizes`` gives every dimension a size; that of ``dim`` is replaced by each of ``widths``.
    """

    program: Program
    table: ScalingTable
    dim: str
    widths: tuple[int, ...]
    sizes: Mapping[str, Number]
    data: Data | None
    loss: Any
    steps: int
    batch: int
    seed: int
    memory: int
    labels: tuple[str, ...]

    @cached_property
    def networks(self) -> tuple[Network, ...]:
        """One network for each width."""
        return tuple(self._network(width) for width in self.widths)

    def _network(self, width: int) -> Network:
        sizes = {**self.sizes, self.dim: width}
        known = {dim.name: as_size(dim).value(sizes) for dim in self.program.dims}
        base = {name: known[name] for name in self.table.large} | {self.dim: self.widths[0]}
        # decay moves weights that have no gradient yet; the predicted slopes are those of gradients alone
        return network(self.program, sizes, settings=self.table.at(base=base, lr=1.0, weight_decay=0.0, **known))

    @cached_property
    def optimizers(self) -> tuple[tuple[str, str], ...]:
        """The optimizer of every parameter that is trained."""
        return tuple((row.name, row.optimizer) for row in self.table.parameters if row.trained)

    def inputs(self, model: Network) -> tuple[list[Any], Any]:
        """The batches of a network, and the loss on them."""
        data = data_for(self.program, model.numbers, self.seed) if self.data is None else self.data
        batches = data.batches(self.program, model.numbers, self.batch, self.steps, self.seed)
        return batches, data.loss if self.loss is None else self.loss

    def seeds(self) -> list[int]:
        """Seeds for each width, so that networks of different widths are independent."""
        return [int(seed) for seed in np.random.SeedSequence(self.seed).generate_state(len(self.widths))]


@dataclass(frozen=True, eq=False)
class Measured:
    """Base-2 logarithms of root mean squares by label, an array (width, moment), with standard errors.

    A value that is zero in all networks has the logarithm -inf, one that is zero in some of them nan.
    """

    logs: Mapping[str, Array]
    errors: Mapping[str, Array]
    losses: tuple[tuple[float, ...], ...]
    rejected: tuple[int, ...]
    samples: int


@dataclass(frozen=True)
class Moves:
    """The statistic of one network: sizes at the start and of changes, and the losses, at a learning rate.

    Its inputs are (batches, rate), so one compiled function serves every rate.
    """

    optimizers: tuple[tuple[str, str], ...]
    steps: int
    loss: Any
    labels: tuple[str, ...]

    def __call__(self, network: Network, weights: Any, inputs: Any, key: Any) -> dict[str, Any]:
        batches, rate = inputs
        found = train(
            network,
            weights,
            batches,
            dict(self.optimizers),
            self.steps,
            loss=self.loss,
            lr_scale=rate,
            labels=self.labels,
        )
        out = {"loss": found.losses}
        for label in self.labels:
            sizes = jnp.concatenate([found.initial[label][None], found.changes[label]])
            squares = jnp.mean(jnp.reshape(sizes**2, (self.steps + 1, -1)), axis=1)
            out[f"zero {label}"] = squares == 0
            out[label] = jnp.where(squares == 0, 0.0, 0.5 * jnp.log2(jnp.where(squares == 0, 1.0, squares)))
        return out


def measure(trial: Trial, rate: float, samples: int, seconds: float | None = None, progress: bool = False) -> Measured:
    """Train ``samples`` networks of each width, or as many as take about so many ``seconds``."""
    if samples < 2:
        raise SamplingError(f"samples={samples}: an error over networks needs two or more")
    chunk = None
    if seconds is not None:
        samples, chunk = affordable(trial, rate, seconds), PILOT
    found = [
        run(trial, model, rate, samples, seed, chunk=chunk, progress=progress)
        for model, seed in zip(trial.networks, trial.seeds(), strict=True)
    ]
    for width, estimate in zip(trial.widths, found, strict=True):
        if estimate.count < 2:
            raise SamplingError(
                f"{trial.dim} = {width}: {estimate.rejected} of {samples} networks gave nan or infinity; "
                "choose a smaller lr, or more samples"
            )
    logs, errors = {}, {}
    for label in trial.labels:
        zeros = np.stack([estimate[f"zero {label}"].mean for estimate in found])
        plain = np.stack([estimate[label].mean for estimate in found])
        logs[label] = np.where(zeros == 0, plain, np.where(zeros == 1, -np.inf, np.nan))
        errors[label] = np.stack([estimate[label].standard_error for estimate in found])
    losses = tuple(tuple(float(loss) for loss in estimate["loss"].mean) for estimate in found)
    return Measured(logs, errors, losses, tuple(estimate.rejected for estimate in found), samples)


def tuned(trial: Trial) -> float:
    """Half of the rate that leaves the least loss at the smallest size, among powers of two."""
    model = trial.networks[0]
    left = []
    for rate in RATES:
        estimate = run(trial, model, rate, PILOT, trial.seed)
        usable = estimate.count == PILOT
        left.append(float(estimate["loss"].mean[-1]) if usable else np.inf)
    if not np.isfinite(left).any():
        raise SamplingError(f"no learning rate trains {trial.program.name} at its smallest size; give lr=")
    return RATES[int(np.argmin(left))] / 2


def affordable(trial: Trial, rate: float, seconds: float) -> int:
    """How many networks of each width fit into the time: compiling counts, at least ``PILOT`` are drawn."""
    start, each = monotonic(), 0.0
    for model, seed in zip(trial.networks, trial.seeds(), strict=True):
        run(trial, model, rate, PILOT, seed, chunk=PILOT)
        warm = monotonic()
        run(trial, model, rate, PILOT, seed, chunk=PILOT)
        each += monotonic() - warm
    return PILOT * max(1, int((seconds - (monotonic() - start)) / each))


def run(
    trial: Trial,
    model: Network,
    rate: float,
    samples: int,
    seed: int,
    *,
    chunk: int | None = None,
    progress: bool = False,
) -> Estimate:
    """One ensemble; networks that give nan are counted in the estimate, and the caller says so."""
    batches, loss = trial.inputs(model)
    moves = _moves(trial, loss)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*gave nan or infinity", category=RuntimeWarning)
        return ensemble(
            model,
            samples,
            (batches, np.float32(rate)),
            moves,
            seed=seed,
            memory=trial.memory,
            chunk=chunk,
            progress=progress,
        )


@lru_cache(maxsize=8)
def _moves(trial: Trial, loss: Any) -> Moves:
    return Moves(trial.optimizers, trial.steps, loss, trial.labels)
