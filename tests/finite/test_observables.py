"""What 1/n terms say of networks: means, fluctuations, widths that are wide enough, regression."""

from itertools import pairwise

import numpy as np
import pytest

import ntksym as ns
from ntksym.errors import FiniteWidthError
from ntksym.finite import (
    depth_to_width,
    excess_kurtosis,
    expected_nngp,
    expected_ntk,
    kernel_regression,
    ntk_covariance,
    ntk_drift,
    ntk_fluctuation,
)
from ntksym.finite.tensors import CORRECTIONS, VERTICES
from ntksym.zoo import load

X = np.array([[0.7, -0.4, 0.8], [-0.3, 0.9, 0.6], [1.0, 0.5, -0.2]])
SIGMAS = {"sigma_w": 1.3, "sigma_b": 0.3}


def perceptron(phi, depth, bias=True):
    return ns.finite_width(load("mlp")(phi=ns.activation(phi), depth=depth, bias=bias))


def test_vertex_of_relu_at_criticality_grows_as_five_kernels_squared_per_layer():
    found = perceptron("relu", 12, bias=False).evaluate(X[:1], tensors=["V"], sigma_w=2**0.5)
    for layers in range(12):
        K = found.nngp[layers][0, 0]
        assert found.at("V", 1.0, layers)[0, 0, 0, 0] == pytest.approx(5 * K**2 * layers, rel=1e-10)


def test_variance_of_the_ntk_of_relu_tends_to_eleven_thirds_of_depth_over_width():
    ratios = []
    for depth in (15, 30, 60):
        found = perceptron("relu", depth, bias=False).evaluate(X[:1], tensors=["A", "B"], sigma_w=2**0.5)
        ratios.append(float(ntk_fluctuation(found, 1.0)[0, 0] ** 2) / (depth + 1))
    once = [2 * b - a for a, b in pairwise(ratios)]
    assert (4 * once[1] - once[0]) / 3 == pytest.approx(11 / 3, rel=1e-3)


def test_vertex_of_tanh_grows_as_two_thirds_of_the_kernel_squared_per_layer():
    """Corrections are of relative order log(l)/l, so V/(K^2 l) comes closer to 2/3 from depth to depth."""
    found = perceptron("tanh", 160, bias=False).evaluate(X[:1], tensors=["V", "G1"])
    K = found.nngp[:, 0, 0]
    layers = np.array([40, 80, 160])
    slopes = np.array([found.at("V", 1.0, l)[0, 0, 0, 0] / (K[l] ** 2 * l) for l in layers])
    shifts = np.array([found.at("G1", 1.0, l)[0, 0] / (K[l] * l) for l in layers])
    assert (np.diff(np.abs(slopes - 2 / 3)) < 0).all()
    assert slopes[-1] == pytest.approx(2 / 3, abs=0.02)
    assert (np.diff(np.abs(shifts + 1 / 3)) < 0).all()


def test_exact_second_moments_of_a_wide_network_are_met():
    found = perceptron("relu", 2, bias=False)
    leading = found.evaluate([[1.0, 2.0]], sigma_w=1.2, n=10**6)
    exact = found.exact([[1, 2]], tensors=["V", "A", "B"], sigma_w=1.2, n=10**6)
    A, B = (float(exact.at(name)[0, 0, 0, 0]) for name in "AB")
    assert float(ntk_fluctuation(leading)[0, 0]) == pytest.approx(
        (A + 2 * B) ** 0.5 / float(exact.ntk[-1][0, 0]), rel=1e-4
    )
    kurtosis = 3 * float(exact.at("V")[0, 0, 0, 0] / exact.nngp[-1][0, 0] ** 2)
    assert excess_kurtosis(leading)[0] == pytest.approx(kurtosis, rel=1e-4)
    np.testing.assert_allclose(expected_nngp(leading), float(exact.nngp[-1][0, 0]), rtol=1e-9)
    np.testing.assert_allclose(expected_ntk(leading), float(exact.ntk[-1][0, 0]), rtol=1e-9)


def test_depth_to_width_is_the_width_at_which_the_tolerance_is_met():
    found = perceptron("tanh", 4).evaluate(X, n=64, **SIGMAS)
    verdict = depth_to_width(found, 0.05)
    wide = float(np.diagonal(ntk_fluctuation(found, verdict.widths)).max())
    narrow = float(np.diagonal(ntk_fluctuation(found, [w - 1 for w in verdict.widths])).max())
    assert wide <= 0.05 < narrow
    assert len(set(verdict.widths)) == 1
    assert "times as wide" in str(verdict)
    with pytest.raises(FiniteWidthError, match="no positive number"):
        depth_to_width(found, 0)


def test_a_deep_and_narrow_network_is_called_so():
    found = perceptron("relu", 20).evaluate(X[:1], n=16, sigma_w=2**0.5)
    assert depth_to_width(found, 0.1).ratio > 1
    assert "depth over width is not small" in str(depth_to_width(found, 0.1))


def test_widths_are_needed_and_positive():
    found = perceptron("tanh", 2).evaluate(X, **SIGMAS)
    with pytest.raises(FiniteWidthError, match="n=64"):
        expected_ntk(found)
    with pytest.raises(FiniteWidthError, match="not positive"):
        expected_ntk(found, -4)


def random_kernels(n, samples, rng):
    """Tangent kernels of perceptrons with one hidden layer of n tanh, in the ntk parameterization."""
    C_W, C_b = SIGMAS["sigma_w"] ** 2, SIGMAS["sigma_b"] ** 2
    K = C_b + C_W * X @ X.T / X.shape[1]
    z = rng.standard_normal((samples, n, len(X))) @ np.linalg.cholesky(K).T
    w = rng.standard_normal((samples, n)) * C_W**0.5
    s, p = np.tanh(z), 1 - np.tanh(z) ** 2
    own = C_b + C_W / n * np.einsum("mia,mib->mab", s, s)
    return own + np.einsum("mi,mia,mib->mab", w**2 / n, p, p) * K


def test_kernel_regression_meets_the_mean_over_random_kernels():
    """False alarms of a correct mean: five standard errors, once in 1.7 million."""
    targets, rng = np.array([1.0, -0.5]), np.random.default_rng(0)
    found = perceptron("tanh", 1).evaluate(X, **SIGMAS)
    limit = kernel_regression(found, targets, 1.0, ridge=0.5)
    shifts, errors, spreads = [], [], []
    for n in (40, 80, 160):
        H = random_kernels(n, 400_000 // n, rng)
        inverse = np.linalg.inv(H[:, :2, :2] + 0.5 * np.eye(2))
        answers = np.einsum("mi,mij,j->m", H[:, 2, :2], inverse, targets)
        # what is linear in the deviation of H has mean zero here: one hidden layer has no Theta1
        dH = H - found.ntk[-1]
        weights = found.ntk[-1][2:, :2] @ np.linalg.inv(found.ntk[-1][:2, :2] + 0.5 * np.eye(2))
        alpha = np.linalg.solve(found.ntk[-1][:2, :2] + 0.5 * np.eye(2), targets)
        linear = (dH[:, 2, :2] - np.einsum("ti,mij->mj", weights, dH[:, :2, :2])) @ alpha
        rest = answers - limit.limit[0] - linear
        shifts.append(n * rest.mean())
        errors.append(n * rest.std() / len(rest) ** 0.5)
        spreads.append(n * linear.var())
    x = np.array([[1, 1 / n, 1 / n**2] for n in (40, 80, 160)])
    solve = np.linalg.inv(x)[0]
    assert abs(solve @ shifts - (limit.mean - limit.limit)[0]) < 5 * np.hypot.reduce(solve * errors)
    np.testing.assert_allclose(spreads, limit.kernel_variance[0], rtol=0.1)


def test_regression_says_what_it_needs():
    found = perceptron("tanh", 1).evaluate(X, n=8, **SIGMAS)
    with pytest.raises(FiniteWidthError, match="one target for each"):
        kernel_regression(found, [1.0, 2.0, 3.0])
    twice = perceptron("tanh", 1).evaluate(X[[0, 0, 1]], n=8, sigma_w=1.0)
    with pytest.raises(FiniteWidthError, match="no inverse"):
        kernel_regression(twice, [1.0, 2.0])


def test_the_drift_of_the_tangent_kernel_is_the_mean_of_its_derivative():
    """-sum over the differentials' tensors, written out; the tensors themselves are measured in test_measured."""
    found = perceptron("gelu", 2).evaluate(X, tensors=["P", "Q"], n=10, **SIGMAS)
    P, Q = found.at("P"), found.at("Q")
    for a in range(3):
        for b in range(3):
            total = sum(
                P[a, b, c, c] + P[b, a, c, c] + 2 * Q[a, b, c, c] + 2 * Q[b, a, c, c] + Q[a, c, b, c] + Q[b, c, a, c]
                for c in range(3)
            )
            assert ntk_drift(found, 2)[a, b] == pytest.approx(-total)


def test_covariances_of_the_tangent_kernel_have_no_negative_eigenvalue():
    C = ntk_covariance(perceptron("tanh", 3).evaluate(X, n=10, **SIGMAS)).reshape(9, 9)
    assert np.linalg.eigvalsh((C + C.T) / 2).min() > -1e-12 * np.abs(C).max()


@pytest.mark.parametrize("names", [("P", "Q"), ("S",)])
def test_second_derivatives_at_kinks_are_labelled(names):
    found = perceptron("relu", 2).evaluate(X[:2], tensors=names, **SIGMAS)
    assert "almost everywhere" in found.notes[0]
    assert all(name in found.notes[0] for name in names)
    assert not perceptron("tanh", 2).evaluate(X[:2], tensors=names, **SIGMAS).notes
    assert not perceptron("relu", 2).evaluate(X[:2], tensors=["V", "B"], **SIGMAS).notes


def test_parallel_inputs_at_a_kink_are_refused_and_smooth_ones_are_not():
    twice = np.concatenate([X[:1], 2 * X[:1]])
    with pytest.raises(FiniteWidthError, match="parallel"):
        perceptron("relu", 3, bias=False).evaluate(twice, tensors=["G1", "Theta1"])
    found = perceptron("tanh", 3).evaluate(np.concatenate([X[:1], X[:1]]), n=1, **SIGMAS)
    alone = perceptron("tanh", 3).evaluate(X[:1], n=1, **SIGMAS)
    for name in ("V", "D", "F", "A", "B", "G1", "Theta1"):
        np.testing.assert_allclose(found.at(name).ravel(), alone.at(name).ravel()[0], rtol=1e-9)


def test_unknown_names_are_refused():
    with pytest.raises(FiniteWidthError, match="no tensor W"):
        perceptron("tanh", 2).evaluate(X, tensors=["W"])
    with pytest.raises(FiniteWidthError, match="no sigma_q"):
        perceptron("tanh", 2).evaluate(X, sigma_q=1)
    assert {*CORRECTIONS, *VERTICES} == {"G1", "Theta1", *"VDFABPQRSTU"}


def test_variances_beyond_double_precision_are_refused():
    with pytest.raises(FiniteWidthError, match="too large for derivatives"):
        perceptron("silu", 2).evaluate(100 * X[:2], sigma_w=3.0)


def test_wide_gaussians_are_resolved():
    """tanh of a wide Gaussian is nearly a sign; the bound of the brackets is honest, and small."""
    found = perceptron("tanh", 2).evaluate(4 * X[:1], tensors=["V"], sigma_w=3.0, n=1)
    assert found.evidence.bound < 1e-9
