"""What linear dynamics predict of finite networks that are trained."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from ntksym.dynamics.algorithms import Descent, HeavyBall
from ntksym.errors import DynamicsError
from ntksym.records.predictions import Experiment, Prediction, limit
from ntksym.sampling.optimizers import MOMENTUM

if TYPE_CHECKING:
    from ntksym.dynamics.linear import LinearDynamics


def trained_outputs(record: LinearDynamics, experiment: Experiment) -> Iterator[Prediction]:
    """Mean and variance of the first output at every test input after ``experiment.steps`` steps, in the limit.

    The experiment's inputs must be the test inputs: that is where trained networks are looked at. Raises DynamicsError
    for gradient flow, which takes no steps, for a ridge, which networks are not trained with, and for other inputs.
    """
    algorithm = record.algorithm
    if not isinstance(algorithm, Descent | HeavyBall) or record.ridge:
        raise DynamicsError("networks are trained in steps and without a ridge: give lr=, and leave the ridge out")
    momentum = getattr(algorithm, "momentum", 0.0)
    if momentum not in (0.0, MOMENTUM):
        raise DynamicsError(f"networks are trained with momentum {MOMENTUM} or none, not with {momentum}")
    if not np.array_equal(np.asarray(experiment.inputs, dtype=float), record.test):
        raise DynamicsError("trained networks are measured at the test inputs: give validate(..., inputs=record.test)")
    steps = experiment.steps
    mean, std = record.mean(steps)[:, 0], record.std(steps)
    arguments = (
        ("inputs", _nested(record.inputs)),
        ("targets", _nested(record.targets)),
        ("lr", algorithm.lr),
        ("optimizer", "momentum" if momentum else "sgd"),
        ("steps", steps),
    )
    for i in range(len(record.test)):
        place = (("index", (i, 0)),)
        of = f"output at test input {i} after {steps} steps"
        yield Prediction(f"mean {of}", "trained", (*arguments, *place, ("over", "mean")), float(mean[i]), limit())
        yield Prediction(
            f"variance of the {of}", "trained", (*arguments, *place, ("over", "variance")), float(std[i] ** 2), limit()
        )


def _nested(array: Any) -> Any:
    """An array as tuples of tuples, which can be an argument of a measurement."""
    return tuple(map(_nested, array)) if array.ndim else float(array)
