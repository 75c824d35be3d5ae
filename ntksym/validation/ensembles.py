"""Measured numbers: one ensemble for each statistic and width, and of it one value for each batch of networks.

The networks of an ensemble fall into batches (``sampling.accumulators.GROUPS``). What a batch contributes to a number
is its jackknife pseudo-value: the batch's own mean where the number is a mean, and in general values whose average
has no bias of order 1/samples. They are nearly independent and normal: Student's t holds for what is linear in them.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from math import isfinite, log
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np

from ntksym.errors import ValidationError
from ntksym.language.dims import Number
from ntksym.language.program import Program
from ntksym.records.predictions import Experiment, Prediction
from ntksym.sampling.accumulators import GROUPS
from ntksym.sampling.ensemble import ensemble
from ntksym.sampling.estimates import Estimate, Summary
from ntksym.sampling.network import Network, network
from ntksym.validation.measurements import Measurement, measurement_named
from ntksym.validation.record import Rejected

Array = Any
PILOT = 2 * GROUPS
"""Networks that are timed before the number of samples is chosen; also the fewest that make batches of two."""


@dataclass(frozen=True)
class Options:
    """How ensembles are computed; only ``seed`` and ``dtype`` change the numbers."""

    seed: int = 0
    dtype: str = "float32"
    memory: int = 2**28
    checkpoint: str | os.PathLike[str] | None = None
    scheduler: Any = None
    progress: bool = False


@dataclass(frozen=True)
class Run:
    """The ensembles of one statistic: what is drawn at each width, and the predictions that read it."""

    measurement: Measurement
    predictions: Mapping[int, Prediction]
    """By their places among all."""
    experiment: Experiment
    networks: tuple[Network, ...]
    plain: bool

    @property
    def requests(self) -> list[Mapping[str, Any]]:
        return [dict(prediction.arguments) for prediction in self.predictions.values()]

    def estimate(self, place: int, samples: int, options: Options) -> Estimate:
        """The ensemble of the width number ``place``."""
        drawn, width = self.networks[place], self.experiment.widths[place]
        statistic = self.measurement.statistic(drawn, self.requests)
        seed = seed_of(options.seed, width, repr(statistic))
        with warnings.catch_warnings():
            # said in the record, with the numbers
            warnings.filterwarnings("ignore", message=".*networks gave nan or infinity", category=RuntimeWarning)
            return ensemble(
                drawn,
                samples,
                self.measurement.inputs(drawn, self.experiment),
                statistic,
                seed=seed,
                # other parameters carry their sigma in their numbers
                sigmas=self.experiment.sigmas if self.plain else None,
                memory=options.memory,
                checkpoint=self._file(options.checkpoint, drawn, width, statistic),
                scheduler=options.scheduler,
                progress=options.progress,
            )

    def _file(self, folder: Any, drawn: Network, width: int, statistic: Any) -> Path | None:
        if folder is None:
            return None
        Path(folder).mkdir(parents=True, exist_ok=True)
        name = sha256(f"{drawn.identity} {statistic!r}".encode()).hexdigest()[:12]
        return Path(folder) / f"{self.measurement.name}-{width}-{name}.npz"


def seed_of(seed: int, width: int, statistic: str) -> int:
    """A seed for each width and statistic: ensembles of different widths must not share random numbers."""
    digest = sha256(f"{seed} {width} {statistic}".encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1


def runs_of(program: Program, predictions: Sequence[Prediction], experiment: Experiment, options: Options) -> list[Run]:
    """Predictions of one statistic and one kind of network together; raises ValidationError for unknown statistics."""
    groups: dict[Any, dict[int, Prediction]] = {}
    for place, prediction in enumerate(predictions):
        groups.setdefault(measurement_named(prediction.statistic).group(prediction), {})[place] = prediction
    return [_run(program, group, experiment, options) for group in groups.values()]


def _run(program: Program, group: Mapping[int, Prediction], experiment: Experiment, options: Options) -> Run:
    first = next(iter(group.values()))
    measurement = measurement_named(first.statistic)
    networks, plain = [], True
    for width in experiment.widths:
        sizes = experiment.at(width)
        drawn = _plain(program, tuple(sorted(sizes.items())), options.dtype)
        if first.settings is not None:
            settings = first.settings(sizes)
        else:
            settings = measurement.settings(drawn, experiment, dict(first.arguments))
        if settings is not None:
            drawn, plain = network(program, sizes, settings=settings, dtype=options.dtype), False
        networks.append(drawn)
    return Run(measurement, group, experiment, tuple(networks), plain)


@lru_cache(maxsize=16)
def _plain(program: Program, sizes: tuple[tuple[str, Number], ...], dtype: str) -> Network:
    """One network for equal questions, so that what was compiled for it is used again."""
    return network(program, dict(sizes), dtype=dtype)


# --- measuring -------------------------------------------------------------------------------------------


def measured(runs: Sequence[Run], samples: int, options: Options) -> tuple[list[Array], list[Rejected]]:
    """For each prediction an array (widths, batches), nan where it could not be measured; and what was left out.

    Where the slope of a logarithm is predicted the values are logarithms.
    """
    out: dict[int, Array] = {}
    lost = []
    for run in runs:
        rows = []
        for place, width in enumerate(run.experiment.widths):
            estimate = run.estimate(place, samples, options)
            if estimate.rejected:
                lost.append(Rejected(run.measurement.name, width, estimate.rejected))
            rows.append(_batches(run, estimate))
        out.update(zip(run.predictions, np.moveaxis(np.array(rows), -1, 0), strict=True))
    return [out[place] for place in sorted(out)], lost


def _batches(run: Run, estimate: Estimate) -> Array:
    """The contribution of every batch to every prediction, an array (batches, predictions)."""
    if not all(estimate.groups.count):
        return np.full((GROUPS, len(run.predictions)), np.nan)

    def numbers(summary: Summary) -> Array:
        pairs = zip(run.predictions.values(), run.requests, strict=True)
        return np.array([_number(run.measurement, summary, *pair) for pair in pairs])

    return estimate.pseudo_values(numbers)


def _number(measurement: Measurement, summary: Summary, prediction: Prediction, request: Mapping[str, Any]) -> float:
    try:
        found = measurement.read(summary, request)
    except ValidationError as error:
        raise ValidationError(f"{prediction.quantity}: {error}") from None
    if prediction.law.growth:
        return log(abs(found)) if isfinite(found) and found else float("nan")
    return found


def affordable(runs: Sequence[Run], seconds: float, options: Options) -> int:
    """How many networks of each width can be measured in so many seconds, as a number of whole batches.

    A pilot is run twice: the first time compiles, the second shows what a network costs.
    """
    quiet = Options(options.seed, options.dtype, options.memory, None, options.scheduler, False)
    start, cost = monotonic(), 0.0
    for run in runs:
        for place in range(len(run.networks)):
            run.estimate(place, PILOT, quiet)
            warm = monotonic()
            run.estimate(place, PILOT, quiet)
            cost += (monotonic() - warm) / PILOT
    # another number of samples compiles anew
    left = seconds - 2 * (monotonic() - start)
    return max(int(left / cost) // GROUPS * GROUPS, PILOT)
