"""What 1/n terms predict of finite networks: the coefficients of 1/n of means and variances of both kernels."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from itertools import combinations_with_replacement
from typing import TYPE_CHECKING, Any

import numpy as np

from ntksym.errors import FiniteWidthError
from ntksym.finite.observables import ntk_covariance
from ntksym.records.predictions import Experiment, Prediction, coefficient

if TYPE_CHECKING:
    from ntksym.finite.record import FiniteWidth


def coefficients(record: FiniteWidth, experiment: Experiment) -> Iterator[Prediction]:
    """The 1/n terms of the kernels of the first output, for all pairs of inputs.

    The kernel is measured as what the readout's weights contribute to the tangent kernel, as its mean over coordinates
    spreads far less than products of outputs. Both are those of unit Gaussians trained at equal rates.

    Raises FiniteWidthError for other rates, and where a width does not grow in proportion to the experiment's.
    """
    if record.parameterization != "ntk" or record.rates:
        raise FiniteWidthError('1/n terms are measured for parameterization="ntk" without rates; derive them so')
    numbers = {**experiment.at(experiment.widths[0]), **experiment.sigmas}
    values = record.evaluate(experiment.inputs, values=numbers)
    # a width that is a multiple of n has so much of the coefficient of 1/n
    relative = values.divisors() / experiment.widths[0]
    _check_proportional(record, experiment, relative)
    fluctuations = {"nngp": values.at("V", relative), "ntk": ntk_covariance(values, relative)}
    shifts = {"nngp": values.at("G1", relative), "ntk": values.at("Theta1", relative)}
    limits = {"nngp": values.nngp[-1] - record.output_bias(experiment.inputs, numbers), "ntk": values.ntk[-1]}
    weights = [draw.name for draw in record.wiring.output_draws if draw.reading is not None]
    for name in ("nngp", "ntk"):
        for a, b in combinations_with_replacement(range(len(values.ntk[-1])), 2):
            arguments: tuple[tuple[str, Hashable], ...] = (("index", (a, 0, b, 0)), ("parameterization", "ntk"))
            if name == "nngp":
                if len(weights) != 1:
                    continue
                arguments = (*arguments, ("parameter", weights[0]))
            terms = {
                "mean": (shifts[name][a, b], (("minus", float(limits[name][a, b])),)),
                "variance": (fluctuations[name][a, b, a, b], (("over", "variance"),)),
            }
            for what, (expected, more) in terms.items():
                yield Prediction(
                    f"{what} of {name} at {a} and {b}",
                    "ntk",
                    (*arguments, *more),
                    float(expected),
                    coefficient(1, leading=1),
                    evidence=values.evidence,
                )


def _check_proportional(record: FiniteWidth, experiment: Experiment, relative: Any) -> None:
    wide = {**experiment.at(experiment.widths[-1]), **experiment.sigmas}
    last = record.evaluate(experiment.inputs, tensors=(), values=wide)
    if not np.allclose(last.divisors() / experiment.widths[-1], relative, rtol=1e-12):
        raise FiniteWidthError(
            f"not every width grows in proportion to {experiment.dim}; tie the others to it in the program, as in "
            f'ns.dim("m", equals=2 * {experiment.dim})'
        )
