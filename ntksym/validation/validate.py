"""``validate``: predictions of records, measured on finite networks of the same program."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ntksym.errors import ValidationError
from ntksym.language.dims import Number
from ntksym.language.program import Program
from ntksym.language.trace import Architecture
from ntksym.records.predictions import Experiment, Predicting, Prediction, predictions_of
from ntksym.sampling.accumulators import GROUPS
from ntksym.validation.ensembles import PILOT, Options, affordable, measured, runs_of
from ntksym.validation.experiments import experiment_of
from ntksym.validation.fits import caught, coefficients_of, fit, share, threshold
from ntksym.validation.record import AGREES, DISAGREES, NO_FIT, NOT_MEASURED, Check, Point, Validation

Array = Any
POWER = 0.9
SAMPLES = 2048
"""So many that even the square of one Gaussian coordinate, averaged over a batch, is nearly normal."""
ROUNDINGS = 16
"""So many roundings of the floating type are part of every error, however many networks are averaged."""


def validate(
    program: Program | Architecture,
    *records: Predicting | Prediction,
    widths: Sequence[int],
    inputs: Any = None,
    samples: int | None = None,
    seconds: float | None = None,
    dim: str | None = None,
    sizes: Mapping[str, Number] | None = None,
    sigmas: Mapping[str, float] | None = None,
    steps: int = 1,
    batch: int = 4,
    seed: int = 0,
    alpha: float = 1e-3,
    dtype: str = "float32",
    memory: int = 2**28,
    checkpoint: str | os.PathLike[str] | None = None,
    scheduler: Any = None,
    progress: bool = False,
) -> Validation:
    """Hold what records predict against finite networks: every prediction with measured ± error, t and a verdict.

    At each width an ensemble is drawn for each statistic; a law in the width is fitted to what it shows (a + b/n + ...
    for a limit, so that a bias of finite width is extrapolated away), and the predicted coefficient is tested. The test
    is fixed before anything is measured: see ``Validation`` for what ``alpha`` bounds.

    Args:
        records: whatever has ``predictions(experiment)`` (a ScalingTable), or single predictions.
        widths: sizes of the dimension that grows, at least two; a third tests the law, from five on a limit is
            extrapolated with two terms.
        inputs: a batch of inputs, as for ``sampling.network``; by default ``batch`` of them, random.
        samples: networks of each width, rounded up to whole batches of 32; 2048 by default. Averages of few skewed
            numbers are not normal, and false alarms then more frequent: with 512 networks, and a rate of 0.001 for one
            row, up to twice as frequent where the number is the square of one Gaussian (a scalar output's kernel).
        seconds: choose the number of networks so that all takes about so long, instead of ``samples``.
        dim: the dimension that grows; the first that the program declares large by default.
        sizes: of other dimensions; 4 for large ones that are not named.
        sigmas: values of the sigma symbols, for predictions of the plain network.
        steps: steps of training, for records that predict training.
        alpha: false-alarm rate of the whole validation.
        checkpoint: a folder for the states of the ensembles: a run that was broken off goes on from there.
        dtype, memory, scheduler, progress: as for ``sampling.ensemble``.

    Raises ValidationError for predictions that cannot be measured, and SamplingError for sizes that do not fit.

    Example:
        >>> import ntksym as ns
        >>> program = ns.zoo.load("mlp")(depth=1, phi=ns.erf)
        >>> record = ns.validate(program, ns.kernel_recursion(program), widths=[16, 32], samples=200, sizes={"d_in": 4})
        >>> record.ok
        True
        >>> check = record["ntk at 0 and 0"]
        >>> print(f"predicted {check.prediction.expected:.4f}, {check.verdict}")
        predicted 0.2385, agrees
    """
    built = program() if isinstance(program, Architecture) else program
    assert isinstance(built, Program)
    if samples is not None and (seconds is not None or samples < 1):
        raise ValidationError(f"samples={samples}, seconds={seconds}: give a positive number of networks, or a time")
    if not 0 < alpha < 1:
        raise ValidationError(f"alpha={alpha} is no probability between 0 and 1")
    experiment = experiment_of(
        built, widths, inputs=inputs, batch=batch, dim=dim, sizes=sizes, sigmas=sigmas, steps=steps, seed=seed
    )
    predictions = predictions_of(records, experiment)
    if not predictions:
        raise ValidationError("there is nothing to validate: the records predict nothing for this experiment")
    limit, least = pre_registered(predictions, len(experiment.widths), alpha)
    options = Options(seed, dtype, memory, checkpoint, scheduler, progress)
    runs = runs_of(built, predictions, experiment, options)
    drawn = affordable(runs, seconds, options) if seconds is not None else whole_batches(samples or SAMPLES)
    values, rejected = measured(runs, drawn, options)
    rounding = ROUNDINGS * float(np.finfo(dtype).eps)
    checks = [
        judged(prediction, experiment, found, limit, least, rounding)
        for prediction, found in zip(predictions, values, strict=True)
    ]
    return Validation(
        built.name,
        built.digest,
        experiment.dim,
        experiment.widths,
        tuple(sorted(experiment.sizes.items())),
        drawn,
        GROUPS,
        seed,
        alpha,
        POWER,
        limit,
        least,
        tuple(checks),
        tuple(rejected),
    )


def whole_batches(samples: int) -> int:
    """So many networks that batches are equal, and hold at least two each."""
    return max(-(-samples // GROUPS) * GROUPS, PILOT)


def pre_registered(predictions: Sequence[Prediction], widths: int, alpha: float) -> tuple[float, float]:
    """The largest |t| that agrees and the smallest p of a law that fits, from nothing but what is to be tested.

    Half of ``alpha`` is shared between the numbers, half between the laws that leave widths over.
    """
    laws = sum(coefficients_of(prediction.law, widths) < widths for prediction in predictions)
    return threshold(share(alpha / 2, len(predictions)), GROUPS - 1), share(alpha / 2, laws)


def judged(
    prediction: Prediction, experiment: Experiment, values: Array, limit: float, least: float, rounding: float
) -> Check:
    """One prediction against an array (widths, batches) of measured numbers."""
    if not np.isfinite(values).all():
        return Check(prediction, (), (), None, None, None, None, None, NOT_MEASURED)
    errors = values.std(1, ddof=1) / np.sqrt(values.shape[1])
    numbers = zip(experiment.widths, values.mean(1).tolist(), errors.tolist(), strict=True)
    found = fit(prediction.law, experiment.widths, values, prediction.uncertainty)
    error = float(np.hypot(found.error, rounding * max(abs(found.measured), abs(prediction.expected))))
    off = found.measured - prediction.expected
    beyond = np.sign(off) * max(abs(off) - prediction.uncertainty, 0.0)
    t = float(beyond / error) if beyond else 0.0
    verdict = AGREES
    if found.p is not None and found.p < least:
        verdict = NO_FIT
    elif abs(t) > limit:
        verdict = DISAGREES
    shows = caught(limit, GROUPS - 1, POWER) * error + prediction.uncertainty
    points = tuple(Point(*each) for each in numbers)
    return Check(prediction, points, found.coefficients, found.measured, error, t, found.p, shows, verdict)
