"""Trained networks follow the linear prediction: on digits (Lee et al. 2019, figure 2), on the circle, on the sphere.

Slopes are tested one-sided: networks of true slope -1/2 fail with a probability of 1e-3, the normal law assumed.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from jsonschema import validate as follows
from numpy.polynomial.legendre import legval
from scipy.stats import norm

import ntksym as ns
from ntksym.dynamics.linear import linear_dynamics
from ntksym.dynamics.spectrum import Spectrum
from ntksym.errors import ValidationError
from ntksym.validation.data.digits import digits
from ntksym.validation.training_curves import TrainingCurves, training_curves
from tests.dynamics.arcsine import Arcsine

pytest.importorskip("jax", reason='needs the extra "networks"')

SCHEMAS = Path(__file__).parents[1] / "schemas"
KERNEL = Arcsine()
PROGRAM = ns.zoo.load("mlp")(phi=ns.erf, depth=1)


def on_digits(widths: tuple[int, ...], samples: int, inputs: int, steps: int, momentum: float = 0.0) -> TrainingCurves:
    """Even against odd digits, at half of the largest stable learning rate; as many test inputs as half of these."""
    pytest.importorskip("sklearn", reason='needs the extra "sklearn"')
    images, labels = digits()
    X, y = images.reshape(len(images), -1), 1.0 - 2.0 * (labels % 2)
    asked: dict[str, Any] = {"X": X[:inputs], "Y": y[:inputs], "test": X[inputs : 3 * inputs // 2]}
    largest = linear_dynamics(KERNEL, **asked, lr=1.0, momentum=momentum).largest_stable_rate
    assert largest is not None
    record = linear_dynamics(KERNEL, **asked, lr=largest / 2, momentum=momentum)
    return training_curves(PROGRAM, record, steps=steps, widths=widths, samples=samples, sigmas=KERNEL.values)


def check_slope(found: TrainingCurves) -> None:
    slope, error = found.slope
    assert slope < -0.5 + norm.isf(1e-3) * error
    # and the slope is known well enough to tell -1/2 from 0
    assert norm.isf(1e-3) * error < 0.4


def test_the_error_of_the_linear_prediction_falls_with_the_width() -> None:
    found = on_digits((32, 256), 12, 8, 40)
    check_slope(found)
    assert found.times[-1] == 40
    assert found.losses[1][:, -1].mean() == pytest.approx(found.expected[-1], rel=0.5)
    made = json.loads(json.dumps(found.to_json(), allow_nan=False))
    follows(made, json.loads((SCHEMAS / "training_curves.schema.json").read_text(encoding="utf-8")))


@pytest.mark.long
@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_on_digits_it_falls_as_one_over_the_root_of_the_width_or_faster(momentum: float) -> None:
    check_slope(on_digits((128, 512, 2048), 16, 32, 200, momentum))


# --- rates of single modes -------------------------------------------------------------------------------


@pytest.mark.parametrize("d", [2, 3])
def test_eigenvalues_on_spheres_are_rates_of_the_kernel_matrix(d: int) -> None:
    """Points that cover the sphere evenly: what is left of a mode after time t is exp(-lambda_k t)."""
    points, modes = covered(d, 300)
    record = linear_dynamics(KERNEL, points, modes, points[:1])
    kept = modes.T @ record.gram.ntk @ modes / len(points) ** 2
    np.testing.assert_allclose(np.diag(kept), eigenvalues(d)[: modes.shape[1]], rtol=5e-3)
    # after a time at which the fastest has fallen to a tenth
    time = 2.3 / eigenvalues(d)[0]
    left = modes.T @ (modes - record.outputs(time, np.zeros((len(points) + 1, modes.shape[1])))[:-1]) / len(points)
    np.testing.assert_allclose(np.diag(left), np.exp(-eigenvalues(d)[: modes.shape[1]] * time), rtol=5e-3)


def eigenvalues(d: int) -> Any:
    record = ns.spectrum(ns.kernel_recursion(PROGRAM), d=d, degrees=3, **KERNEL.values)
    assert isinstance(record, Spectrum)
    return record.numbers()[0]


def covered(d: int, count: int) -> tuple[Any, Any]:
    """Points of squared norm d, and functions of degree 0 to 3 on them, of mean square one."""
    if d == 2:
        theta = 2 * np.pi * np.arange(count) / count
        points = np.stack([np.cos(theta), np.sin(theta)], axis=1)
        modes = np.stack([np.cos(k * theta) * (np.sqrt(2) if k else 1) for k in range(4)], axis=1)
    else:
        # the spiral of the golden angle
        z = 1 - (2 * np.arange(count) + 1) / count
        turn = np.pi * (3 - np.sqrt(5)) * np.arange(count)
        points = np.stack([np.sqrt(1 - z**2) * np.cos(turn), np.sqrt(1 - z**2) * np.sin(turn), z], axis=1)
        modes = np.stack([np.sqrt(2 * k + 1) * legval(z, np.eye(4)[k]) for k in range(4)], axis=1)
    return np.sqrt(d) * points, modes


@pytest.mark.parametrize("d", [2, 3])
@pytest.mark.parametrize(("width", "networks"), [(512, 6), pytest.param(4096, 16, marks=pytest.mark.long)])
def test_networks_learn_each_mode_at_its_rate(d: int, width: int, networks: int) -> None:
    """The projections of networks' errors on modes of degree 0 to 2; departures of networks are of order n^-1/2.

    All is relative to the error at the start. The bound is four departures of root-mean-square size, as measured.
    """
    points, modes = covered(d, 60)
    steps, lr = 12, 0.5
    target = 2 * modes[:, :3].sum(1)
    record = linear_dynamics(KERNEL, points, target, points, lr=lr)
    found = training_curves(
        PROGRAM, record, steps=steps, widths=(width // 4, width), samples=networks, sigmas=KERNEL.values
    )
    outputs = found.outputs[1]
    start, end = (modes[:, :3].T @ (target - outputs[:, i]).T / len(points) for i in (0, -1))
    left = (1 - lr * eigenvalues(d)[:3]) ** steps
    far = found.departures[1][:, -1]
    assert (np.abs(end - left[:, None] * start) < 4 * far).all()
    # the bound is small enough to tell neighbouring modes apart
    gaps = np.abs(np.diff(left))
    assert (4 * far.mean() < gaps * 2).all()
    assert found.largest[1].mean() < 0.75 * found.largest[0].mean()


def test_what_networks_are_not_trained_by_is_refused() -> None:
    points, modes = covered(2, 8)
    for asked, message in (({}, "lr="), ({"lr": 0.1, "ridge": 0.1}, "without a ridge")):
        with pytest.raises(ValidationError, match=message):
            training_curves(PROGRAM, linear_dynamics(KERNEL, points, modes, **asked), steps=2)
    with pytest.raises(ValidationError, match="two of them"):
        training_curves(PROGRAM, linear_dynamics(KERNEL, points, modes, lr=0.1), steps=2, samples=1)
