"""Linear dynamics against a linear model in explicit features, stepped as its algorithm says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from jsonschema import validate as follows
from numpy.testing import assert_allclose

import ntksym as ns
from ntksym.dynamics import gradient_flow
from ntksym.dynamics.algorithms import HeavyBall
from ntksym.dynamics.linear import LinearDynamics, linear_dynamics
from ntksym.errors import DynamicsError
from ntksym.records.predictions import Experiment
from tests.dynamics.arcsine import Arcsine

SCHEMAS = Path(__file__).parents[1] / "schemas"
rng = np.random.default_rng(3)
X, TEST = rng.standard_normal((5, 3)), rng.standard_normal((4, 3))
Y = rng.standard_normal((5, 2))
KERNEL = Arcsine()
ALL = KERNEL(np.concatenate([X, TEST]))
ALGORITHMS = [(0.3, 0.0), (0.3, 0.9), (0.05, 0.5)]


def dynamics(**asked: Any) -> LinearDynamics:
    return linear_dynamics(KERNEL, X, Y, TEST, **asked)


def model(lr: float, momentum: float, ridge: float, steps: int) -> tuple[Any, Any]:
    """Outputs at all inputs: what the targets add (9, 2), and the matrix that outputs at the start pass through (9, 9).

    The weights w of f = f_0 + features w start at zero, and take steps on the averaged loss.
    """
    features = np.linalg.cholesky(ALL.ntk)

    def trained(targets: Any, start: Any) -> Any:
        now = before = np.zeros((9, targets.shape[1]))
        for _ in range(steps):
            errors = start[:5] + features[:5] @ now - targets
            slope = features[:5].T @ errors / 5 + ridge * now
            now, before = now - lr * slope + momentum * (now - before), now
        return start + features @ now

    return trained(Y, np.zeros((9, 2))), trained(np.zeros((5, 9)), np.eye(9))


@pytest.mark.parametrize(("lr", "momentum"), ALGORITHMS)
@pytest.mark.parametrize("ridge", [0.0, 0.2])
def test_steps_are_those_of_a_linear_model(lr: float, momentum: float, ridge: float) -> None:
    record = dynamics(lr=lr, momentum=momentum, ridge=ridge)
    for steps in (0, 1, 2, 7, 50):
        mean, through = model(lr, momentum, ridge, steps)
        covariance = through @ ALL.nngp @ through.T
        assert_allclose(record.mean(steps), mean[5:], rtol=1e-9, atol=1e-12)
        assert_allclose(record.covariance(steps), covariance[5:, 5:], rtol=1e-8, atol=1e-12)
        assert_allclose(record.std(steps), np.sqrt(np.diag(covariance)[5:]), rtol=1e-8)
        expected = ((mean[:5] - Y) ** 2).sum() + 2 * np.trace(covariance[:5, :5])
        assert record.loss(steps) == pytest.approx(expected / 10, rel=1e-9)
        start = rng.standard_normal((3, 9, 2))
        assert_allclose(record.outputs(steps, start), mean + through @ start, rtol=1e-8, atol=1e-11)


def test_flow_is_that_of_the_posterior_at_a_time_divided_by_the_number_of_inputs() -> None:
    """Which has tests of its own, against an integrated differential equation and matrix exponentials."""
    gram, cross, prior = KERNEL(X), KERNEL(TEST, X), KERNEL(TEST).nngp
    for ridge in (0.0, 0.3):
        expected = gradient_flow(gram, Y, 5 * ridge, 3.0 / 5)
        found = dynamics(ridge=ridge)
        assert_allclose(found.mean(3.0), expected.mean(cross), rtol=1e-10)
        assert_allclose(found.covariance(3.0), expected.covariance(cross, prior), rtol=1e-9)


def test_small_steps_are_gradient_flow() -> None:
    errors = [np.abs(dynamics(lr=lr).mean(round(2 / lr)) - dynamics().mean(2.0)).max() for lr in (0.02, 0.01)]
    assert errors[0] / errors[1] == pytest.approx(2, rel=0.05)


@pytest.mark.parametrize(("lr", "momentum"), ALGORITHMS)
def test_training_is_stable_up_to_the_largest_rate(lr: float, momentum: float) -> None:
    largest = dynamics(lr=lr, momentum=momentum).largest_stable_rate
    assert largest is not None
    curvature = np.linalg.eigvalsh(KERNEL(X).ntk / 5)[-1]
    assert largest == pytest.approx(2 * (1 + momentum) / curvature)
    below, above = (dynamics(lr=factor * largest, momentum=momentum) for factor in (0.97, 1.03))
    assert below.is_stable
    assert not above.is_stable
    assert below.loss(1000) < below.loss(0)
    assert above.loss(1000) > 1e6 * above.loss(0)


@pytest.mark.parametrize(("lr", "momentum"), ALGORITHMS)
def test_times_of_convergence_are_those_in_which_errors_fall_by_e(lr: float, momentum: float) -> None:
    """Where roots are complex errors oscillate, so their largest size over a span of steps is looked at."""
    record = dynamics(lr=lr, momentum=momentum)
    for rate, time in zip(record.rates, record.convergence_times, strict=True):
        left = [1.0, 1 - lr * rate]
        while len(left) < 800:
            left.append((1 + momentum - lr * rate) * left[-1] - momentum * left[-2])
        early, late = (np.abs(left[start : start + 200]).max() for start in (200, 600))
        assert 400 / np.log(early / late) == pytest.approx(time, rel=0.02)


def test_flow_takes_the_inverse_of_the_rate() -> None:
    record = dynamics()
    assert record.largest_stable_rate is None
    assert_allclose(record.convergence_times, 1 / record.rates, rtol=1e-12)


def test_the_closed_form_of_momentum_is_the_recursion() -> None:
    lr, beta, rates = 0.4, 0.8, np.array([0.03, 0.3, 1.7, 6.0])
    ball = HeavyBall(lr, beta)
    half = (1 + beta - lr * rates) / 2
    root = np.sqrt((half**2 - beta).astype(complex))
    up, down = half + root, half - root
    for t in (0, 1, 5, 40):
        closed = ((1 - lr * rates - down) * up**t - (1 - lr * rates - up) * down**t) / (up - down)
        assert_allclose(1 - rates * ball.learned(rates, t), closed.real, atol=1e-12)
    assert_allclose(ball.factors(rates), np.maximum(abs(up), abs(down)))


@pytest.mark.parametrize("time", [0.1, 1.0, 30.0])
def test_stopping_early_is_a_ridge_of_its_own_for_each_direction(time: float) -> None:
    record = dynamics()
    kept = record.rates / (record.rates + record.ridges_of(time))
    assert_allclose(kept, -np.expm1(-record.rates * time), rtol=1e-12)
    # one ridge 1 / t for all, within the bound of Ali, Kolter and Tibshirani 2019
    ratio = -np.expm1(-record.rates * time) / (record.rates / (record.rates + 1 / time))
    assert ((ratio >= 1) & (ratio < 1.2985)).all()


def test_a_ridge_ends_where_ridge_regression_does() -> None:
    gram, cross = KERNEL(X), KERNEL(TEST, X)
    expected = cross.ntk @ np.linalg.solve(gram.ntk + 5 * 0.1 * np.eye(5), Y)
    assert_allclose(dynamics(ridge=0.1).mean(1e5), expected, rtol=1e-10)
    assert_allclose(dynamics(ridge=0.1, lr=0.2).mean(3000), expected, rtol=1e-10)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"momentum": 0.9}, "needs a learning rate"),
        ({"lr": 0.1, "momentum": 1.0}, "at least 0 and below 1"),
        ({"lr": 0.0}, "positive number"),
        ({"ridge": -1.0}, "at least 0"),
    ],
)
def test_what_makes_no_sense_is_refused(asked: dict[str, Any], message: str) -> None:
    with pytest.raises(DynamicsError, match=message):
        dynamics(**asked)


def test_bad_times_and_targets_are_refused() -> None:
    with pytest.raises(DynamicsError, match="whole number"):
        dynamics(lr=0.1).mean(1.5)
    with pytest.raises(DynamicsError, match="finite number from 0"):
        dynamics().mean(np.inf)
    with pytest.raises(DynamicsError, match="5 inputs need finite targets"):
        linear_dynamics(KERNEL, X, Y[:4])
    twice = linear_dynamics(KERNEL, np.concatenate([X, X[:1]]), np.ones(6))
    with pytest.raises(DynamicsError, match="numerically singular at t = 1e\\+20"):
        twice.mean(1e20)


def test_forms() -> None:
    record = dynamics(lr=0.3, momentum=0.9)
    assert "stable below a learning rate" in str(record)
    latex = record.to_latex()
    assert latex.count("{") == latex.count("}")
    assert r"z_\pm" in latex
    made = json.loads(json.dumps(record.to_json(), allow_nan=False))
    follows(made, json.loads((SCHEMAS / "linear_dynamics.schema.json").read_text(encoding="utf-8")))


def test_networks_cannot_show_what_they_are_not_trained_by() -> None:
    experiment = Experiment(TEST, "n", (8, 16), steps=3)
    for record, message in (
        (dynamics(), "give lr="),
        (dynamics(lr=0.1, ridge=0.1), "without a ridge"),
        (dynamics(lr=0.1, momentum=0.5), "momentum 0.9 or none"),
    ):
        with pytest.raises(DynamicsError, match=message):
            list(record.predictions(experiment))
    with pytest.raises(DynamicsError, match="measured at the test inputs"):
        list(dynamics(lr=0.1).predictions(Experiment(X, "n", (8, 16), steps=3)))


# --- networks --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("widths", "samples"), [((48, 96), 1024), pytest.param((32, 64, 128, 256), 8192, marks=pytest.mark.long)]
)
def test_validation_measures_mean_and_variance_of_trained_networks(widths: tuple[int, ...], samples: int) -> None:
    """False alarms: 1e-4, for the validation as a whole. The same networks tell training from its beginning."""
    pytest.importorskip("jax", reason='needs the extra "networks"')
    program = ns.zoo.load("mlp")(phi=ns.erf, depth=1)
    record = linear_dynamics(KERNEL, X, Y[:, 0], TEST[:1], lr=0.4)
    found = ns.validate(
        program,
        record,
        widths=widths,
        inputs=TEST[:1],
        sizes={"d_in": 3},
        sigmas=KERNEL.values,
        steps=3,
        samples=samples,
        alpha=1e-4,
    )
    assert found.ok, str(found)
    mean, variance = found.checks
    assert mean.prediction.expected == record.mean(3)[0, 0]
    assert variance.measured is not None
    assert variance.error is not None
    assert abs(variance.measured - record.std(0)[0] ** 2) > found.limit * variance.error
