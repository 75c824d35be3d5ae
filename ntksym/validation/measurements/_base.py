"""What a measurement is, and the registry that a file here adds its own to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ntksym.errors import ValidationError
from ntksym.language.dims import Number
from ntksym.records.predictions import Arguments, Experiment, Prediction
from ntksym.sampling.chunks import Statistic
from ntksym.sampling.estimates import Summary
from ntksym.sampling.network import Network

Sizes = dict[str, Number]


@dataclass(frozen=True)
class Measurement:
    """How predictions of one statistic are measured, all of them in one ensemble of each width.

    Attributes:
        name: what ``Prediction.statistic`` says.
        statistic: from the network and the arguments of all predictions to a statistic for ``ensemble``, which must
            be a frozen dataclass: its ``repr`` tells a resumed run what was measured.
        read: the number that a prediction means, from averages over networks and the prediction's arguments.
        inputs: what the statistic reads; the experiment's inputs if not given.
        settings: the numbers of every parameter, where the prediction brings none and the network is not the plain one.
        needs: names of the arguments that a prediction must have.
        apart: names of arguments on which predictions must agree to be measured in one ensemble.
    """

    name: str
    statistic: Callable[[Network, Sequence[Arguments]], Statistic]
    read: Callable[[Summary, Arguments], float]
    inputs: Callable[[Network, Experiment], Any] = lambda network, experiment: experiment.inputs
    settings: Callable[[Network, Experiment, Arguments], Any] = lambda network, experiment, arguments: None
    needs: tuple[str, ...] = ()
    apart: tuple[str, ...] = ()

    def group(self, prediction: Prediction) -> tuple[Any, ...]:
        """Equal for predictions that are measured in one ensemble; raises ValidationError for a missing argument."""
        given = [name for name, _ in prediction.arguments]
        missing = next((name for name in self.needs if name not in given), None)
        if missing is not None:
            raise ValidationError(f"{prediction.quantity}: the measurement {self.name} needs the argument {missing}")
        chosen = tuple((name, prediction.argument(name)) for name in self.apart)
        return (self.name, id(prediction.settings) if prediction.settings else None, *chosen)


measurements: dict[str, Measurement] = {}


def register(measurement: Measurement) -> Measurement:
    measurements[measurement.name] = measurement
    return measurement


AVERAGES: dict[str, Callable[[Summary], Any]] = {
    "mean": lambda summary: summary.mean,
    "variance": lambda summary: summary.variance,
    "std": lambda summary: _each(np.sqrt, summary.variance),
}
"""What is taken of a statistic over networks."""


def _each(function: Callable[[Any], Any], value: Any) -> Any:
    return {k: function(v) for k, v in value.items()} if isinstance(value, dict) else function(value)


def entry(summary: Summary, arguments: Arguments, part: str = "") -> float:
    """The entry ``index`` of a statistic (or of its part), over networks the mean or what else ``over`` says.

    ``minus`` is a number to take off it, so that the slope of a difference can be predicted.
    """
    over, index = str(arguments.get("over", "mean")), arguments.get("index", ())
    if over not in AVERAGES:
        raise ValidationError(f"over={over!r} is not known; write one of: {', '.join(AVERAGES)}")
    array = AVERAGES[over](summary)
    array = array[part] if isinstance(array, dict) else array
    assert isinstance(index, tuple)
    if len(index) != array.ndim or not all(0 <= i < size for i, size in zip(index, array.shape, strict=True)):
        raise ValidationError(f"there is no entry {list(index)} in what is measured, whose shape is {array.shape}")
    return float(array[index]) - float(str(arguments.get("minus", 0)))


def values_of(requests: Sequence[Arguments]) -> tuple[str, ...]:
    """The values that predictions name, each once."""
    return tuple(sorted({str(arguments["value"]) for arguments in requests}))
