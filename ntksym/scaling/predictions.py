"""What a scaling table predicts of finite networks: slopes in log width, of sizes at the start and of changes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ntksym.errors import ScalingError
from ntksym.language.dims import Number
from ntksym.records.predictions import Experiment, Prediction, growth
from ntksym.scaling.setting import optimizer_choice
from ntksym.scaling.slopes import predict_slopes
from ntksym.scaling.table import ScalingTable, renderers

LEARNING_RATE = 0.01
"""At the smallest sizes: so little that a step is nearly linear, and so much that it is no rounding error."""
EPS, WEIGHT_DECAY = 1e-8, 0.1
RESOLUTION = 0.05
"""Of a slope. Exponents differ by a quarter or more; corrections that vanish slower than 1/n are not predicted."""


@dataclass(frozen=True)
class AtSizes:
    """The table's numbers at sizes, tuned at the smallest."""

    table: ScalingTable
    base: tuple[tuple[str, Number], ...]

    def __call__(self, sizes: Mapping[str, Number]) -> Any:
        return self.table.at(base=dict(self.base), lr=LEARNING_RATE, eps=EPS, weight_decay=WEIGHT_DECAY, **sizes)


def predictions(table: ScalingTable, experiment: Experiment) -> Iterator[Prediction]:
    """Slopes in the logarithm of the dimension that grows in the experiment, the other sizes fixed.

    The size of every value at the start, then of its change after each step; what is exactly zero has no slope. Raises
    ScalingError for a table that was read from a file, and where the dimension is not large in it.
    """
    if table.origin is None:
        raise ScalingError("this table was read from a file and knows no program; derive it again to get predictions")
    if experiment.dim not in table.large:
        raise ScalingError(
            f"{experiment.dim} is not large in this table, so it has no slope; {', '.join(table.large)} are"
        )
    program, optimizer = table.origin.program, table.origin.optimizer
    slopes = predict_slopes(
        program,
        optimizer=optimizer,
        parametrization=table.origin.parametrization,
        alignment=table.alignment,
        large=table.large,
        steps=experiment.steps,
    )
    choose = optimizer_choice(optimizer)
    optimizers = tuple((node.name, choose(node).name) for node in program.parameters if node.attr("trainable"))
    small = experiment.at(experiment.widths[0])
    settings = AtSizes(table, tuple((name, small[name]) for name in table.large if name in small))
    for row in slopes.values:
        if row.operation == "parameter":
            continue
        for time, size in enumerate((row.init, *row.changes)):
            if not size.is_zero:
                arguments = (
                    ("value", row.value),
                    ("time", time),
                    ("steps", experiment.steps),
                    ("optimizer", optimizers),
                )
                said = f"{row.value}: size at the start" if time == 0 else f"{row.value}: change after step {time}"
                least, most = map(float, size.slopes(experiment.dim))
                slope, either = (least + most) / 2, (most - least) / 2
                yield Prediction(said, "training", arguments, slope, growth(), either + RESOLUTION, settings=settings)


renderers["predictions"] = predictions
