"""Posteriors against explicit inverses in many digits, an integrated differential equation, matrix exponentials."""

from typing import Any

import mpmath
import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.integrate import solve_ivp
from scipy.linalg import expm

from ntksym import activation, kernel_recursion, zoo
from ntksym.dynamics import gaussian_process, gradient_flow
from ntksym.errors import DynamicsError
from ntksym.records.gram import Kernels
from tests.dynamics.arcsine import Arcsine

rng = np.random.default_rng(5)
X, Y, TEST = rng.standard_normal((4, 3)), rng.standard_normal(4), rng.standard_normal((3, 3))
KERNEL = Arcsine()
GRAM, CROSS, PRIOR = KERNEL(X), KERNEL(TEST, X), KERNEL(TEST).nngp


def test_the_kernel_of_these_tests_is_that_of_a_program() -> None:
    found = kernel_recursion(zoo.load("mlp")(phi=activation("erf"), depth=1)).evaluate(
        TEST, X, digits=15, **KERNEL.values
    )
    assert_allclose(CROSS.nngp, found.nngp.astype(float), rtol=1e-13)
    assert_allclose(CROSS.ntk, found.ntk.astype(float), rtol=1e-13)


# --- Bayesian inference ----------------------------------------------------------------------------------


@pytest.mark.parametrize("ridge", [0.0, 1e-3, 2.0])
def test_bayesian_inference_is_that_of_an_explicit_inverse(ridge: float) -> None:
    with mpmath.workdps(50):
        inverse = (mpmath.matrix(GRAM.nngp.tolist()) + ridge * mpmath.eye(4)) ** -1
        cross, prior = mpmath.matrix(CROSS.nngp.tolist()), mpmath.matrix(PRIOR.tolist())
        mean = np.array((cross * inverse * mpmath.matrix(Y.tolist())).tolist(), dtype=float)[:, 0]
        covariance = np.array((prior - cross * inverse * cross.T).tolist(), dtype=float)
    found = gaussian_process(GRAM, Y, ridge)
    assert_allclose(found.mean(CROSS), mean, rtol=1e-11)
    assert_allclose(found.covariance(CROSS, PRIOR), covariance, rtol=1e-11, atol=1e-13)
    assert_allclose(found.variance(CROSS, np.diag(PRIOR)), np.diag(covariance), rtol=1e-11)


def test_without_ridge_the_targets_are_met_and_nothing_is_left_to_chance() -> None:
    found = gaussian_process(GRAM, Y)
    assert_allclose(found.mean(GRAM), Y, rtol=1e-12)
    assert_allclose(found.variance(GRAM, np.diag(GRAM.nngp)), 0, atol=1e-13)


def test_a_large_ridge_leaves_the_prior() -> None:
    found = gaussian_process(GRAM, Y, 1e14)
    assert_allclose(found.mean(CROSS), 0, atol=1e-13)
    assert_allclose(found.covariance(CROSS, PRIOR), PRIOR, rtol=1e-12)


# --- gradient flow ---------------------------------------------------------------------------------------

EVERYWHERE = np.concatenate([X, TEST])
NTK, NNGP = KERNEL(EVERYWHERE).ntk, KERNEL(EVERYWHERE).nngp


def slopes(ridge: float) -> tuple[Any, Any]:
    """d/dt of (f, f0) at training and test inputs, f = f0 + J (theta - theta_0): a matrix, and what the targets add."""
    by_errors = np.concatenate([NTK[:, :4], np.zeros((7, 3))], axis=1)
    still = np.zeros((7, 7))
    matrix = np.block([[-by_errors - ridge * np.eye(7), ridge * np.eye(7)], [still, still]])
    return matrix, np.concatenate([NTK[:, :4] @ Y, np.zeros(7)])


CASES = [(0.3, 0.0), (0.3, 0.7), (20.0, 0.0), (20.0, 0.05)]


@pytest.mark.parametrize(("time", "ridge"), CASES)
def test_the_mean_is_the_integrated_differential_equation(time: float, ridge: float) -> None:
    matrix, targets = slopes(ridge)
    run = solve_ivp(lambda _, f: matrix @ f + targets, (0, time), np.zeros(14), "DOP853", rtol=1e-12, atol=1e-12)
    found = gradient_flow(GRAM, Y, ridge, time)
    assert_allclose(found.mean(CROSS), run.y[4:7, -1], rtol=1e-8)
    assert_allclose(found.mean(GRAM), run.y[:4, -1], rtol=1e-8)


@pytest.mark.parametrize(("time", "ridge"), CASES)
def test_the_covariance_is_what_the_matrix_exponential_makes_of_the_prior(time: float, ridge: float) -> None:
    both = expm(time * slopes(ridge)[0])[:7]
    start = both[:, :7] + both[:, 7:]
    expected = (start @ NNGP @ start.T)[4:, 4:]
    found = gradient_flow(GRAM, Y, ridge, time)
    assert_allclose(found.covariance(CROSS, PRIOR), expected, rtol=1e-9, atol=1e-11)
    assert_allclose(found.variance(CROSS, np.diag(PRIOR)), np.diag(expected), rtol=1e-9)


def test_at_the_start_there_is_the_prior() -> None:
    found = gradient_flow(GRAM, Y, 0.1, 0.0)
    assert (found.mean(CROSS) == 0).all()
    assert (found.covariance(CROSS, PRIOR) == PRIOR).all()


@pytest.mark.parametrize("ridge", [0.0, 0.3])
def test_the_limit_of_long_times_is_kernel_ridge_regression(ridge: float) -> None:
    limit, late = (gradient_flow(GRAM, Y, ridge, time) for time in (None, 1e6))
    assert_allclose(limit.mean(CROSS), CROSS.ntk @ np.linalg.inv(GRAM.ntk + ridge * np.eye(4)) @ Y, rtol=1e-11)
    for found in (late, gradient_flow(GRAM, Y, ridge, np.inf)):
        assert_allclose(found.mean(CROSS), limit.mean(CROSS), rtol=1e-11)
        assert_allclose(found.covariance(CROSS, PRIOR), limit.covariance(CROSS, PRIOR), rtol=1e-10)


def test_without_ridge_every_network_ends_at_the_targets() -> None:
    found = gradient_flow(GRAM, Y)
    assert_allclose(found.mean(GRAM), Y, rtol=1e-12)
    assert_allclose(found.variance(GRAM, np.diag(GRAM.nngp)), 0, atol=1e-12)


def test_the_mean_at_training_inputs_approaches_the_targets_as_the_ridge_goes() -> None:
    errors = [np.abs(gradient_flow(GRAM, Y, ridge).mean(GRAM) - Y).max() for ridge in (1e-2, 1e-4, 1e-6)]
    assert_allclose([errors[0] / errors[1], errors[1] / errors[2]], 100, rtol=0.2)


@pytest.mark.parametrize("output", ["nngp", "ntk"])
def test_training_only_the_readout_ends_at_the_posterior(output: str) -> None:
    """With one kernel for both, as if Theta = K, sampling and Bayesian inference agree at ridge 0 (Lee et al. 2019)."""
    alone = [Kernels(getattr(kernels, output), getattr(kernels, output)) for kernels in (GRAM, CROSS)]
    prior = getattr(KERNEL(TEST), output)
    flow, bayes = gradient_flow(alone[0], Y), gaussian_process(alone[0], Y)
    assert_allclose(flow.mean(alone[1]), bayes.mean(alone[1]), rtol=1e-11)
    assert_allclose(flow.covariance(alone[1], prior), bayes.covariance(alone[1], prior), rtol=1e-9)


def test_several_targets_are_learned_apart() -> None:
    targets = np.stack([Y, Y**2], axis=1)
    for learn in (gaussian_process, lambda *given: gradient_flow(*given, time=2.0)):
        means = [learn(GRAM, each, 0.1).mean(CROSS) for each in (Y, Y**2)]
        assert_allclose(learn(GRAM, targets, 0.1).mean(CROSS), np.stack(means, axis=1), rtol=1e-13)


# --- at the edge of singular -----------------------------------------------------------------------------

TWICE = np.concatenate([X, X[:1]])


@pytest.mark.parametrize("time", [None, 1e18])
def test_repeated_inputs_without_ridge_are_a_clear_error(time: float | None) -> None:
    gram = KERNEL(TWICE)
    for learn in (lambda: gaussian_process(gram, np.ones(5)), lambda: gradient_flow(gram, np.ones(5), 0.0, time)):
        with pytest.raises(DynamicsError, match=r"5 training inputs.*singular.*ridge, such as \de-08"):
            learn()


def test_repeated_inputs_at_a_time_without_ridge_share_the_mean_of_their_targets() -> None:
    """Two copies with targets y and y' pull as one input of twice the weight: the ODE of the distinct inputs."""
    time, targets = 3.0, np.array([*Y, Y[0] + 1.0])
    weight, mean = np.diag([2.0, 1, 1, 1]), Y + np.array([0.5, 0, 0, 0])
    root = np.sqrt(weight)
    # d f(X)/dt = -Theta W (f - mean), made symmetric by the roots of W
    train = root @ GRAM.ntk @ root
    change = root @ np.linalg.solve(train, (np.eye(4) - expm(-time * train)) @ root @ mean)
    found = gradient_flow(KERNEL(TWICE), targets, 0.0, time)
    assert_allclose(found.mean(KERNEL(TEST, TWICE)), CROSS.ntk @ change, rtol=1e-10)


@pytest.mark.parametrize("rate", [0.0, 1e-300, 1e-12, 0.3, 40.0])
@pytest.mark.parametrize("time", [1e-9, 1.0, 1e12])
def test_one_input_relaxes_at_its_rate_however_small(rate: float, time: float) -> None:
    gram = Kernels(np.array([[1.0]]), np.array([[rate]]))
    with mpmath.workdps(50):
        expected = float(-mpmath.expm1(-mpmath.mpf(rate) * time) / rate) if rate else time
    probe = Kernels(np.array([[0.0]]), np.array([[1.0]]))
    found = gradient_flow(gram, np.array([1.0]), 0.0, time)
    assert_allclose(found.mean(probe), expected, rtol=1e-14)


def test_repeated_inputs_with_a_ridge_count_twice() -> None:
    """The noise of a mean of two targets has half the variance."""
    ridge, targets = 0.2, np.array([*Y, 1.0])
    noise = np.diag([ridge / 2, ridge, ridge, ridge])
    merged = np.array([(Y[0] + 1.0) / 2, *Y[1:]])
    inverse = np.linalg.inv(GRAM.nngp + noise)
    found, cross = gaussian_process(KERNEL(TWICE), targets, ridge), KERNEL(TEST, TWICE)
    assert_allclose(found.mean(cross), CROSS.nngp @ inverse @ merged, rtol=1e-12)
    assert_allclose(found.covariance(cross, PRIOR), PRIOR - CROSS.nngp @ inverse @ CROSS.nngp.T, rtol=1e-11)


def test_single_precision_is_singular_earlier() -> None:
    close = np.concatenate([X, X[:1] + 1e-3])
    gram = KERNEL(close)
    gaussian_process(gram, np.ones(5))
    with pytest.raises(DynamicsError, match="numerically singular"):
        gaussian_process(Kernels(gram.nngp.astype(np.float32), None), np.ones(5))


@pytest.mark.parametrize(
    ("matrix", "message"), [(np.full((2, 2), np.inf), "not finite"), (np.ones((2, 2, 3, 3)), "one number for a pair")]
)
def test_what_is_no_kernel_matrix_is_refused(matrix: Any, message: str) -> None:
    for learn in (gaussian_process, gradient_flow):
        with pytest.raises(DynamicsError, match=message):
            learn(Kernels(matrix, matrix), np.ones(2))
