"""Gram matrices of random inputs are symmetric and positive semidefinite, whatever the network and its settings."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import ntksym as ns
from ntksym import zoo
from ntksym.kernels import KernelRecursion, kernel_recursion

NUMBERS = st.floats(-2, 2).map(lambda x: round(x, 2))
PHIS = ("relu", "erf", "abs", "identity")
RECS = {
    (phi, depth): kernel_recursion(zoo.load("mlp")(depth=depth, phi=ns.activation(phi)))
    for phi in PHIS
    for depth in (1, 2, 10)
}


def smallest(rec: KernelRecursion, x: np.ndarray, **values: float) -> float:
    """The smallest eigenvalue of both kernels, as a part of the trace."""
    found = rec.evaluate(x, digits=None, **values)
    out = []
    for matrix in (found.nngp, found.ntk):
        assert np.isfinite(matrix).all()
        assert (matrix == matrix.T).all()
        out.append(np.linalg.eigvalsh(matrix).min() / (np.trace(matrix) or 1))
    return min(out)


@given(st.sampled_from(sorted(RECS)), arrays(float, (4, 3), elements=NUMBERS), st.floats(0.25, 1.6), st.floats(0, 1))
@settings(max_examples=12, deadline=None)
def test_random_inputs(key: tuple[str, int], x: np.ndarray, sigma_w: float, sigma_b: float) -> None:
    assert smallest(RECS[key], x, sigma_w=sigma_w, sigma_b=sigma_b) > -1e-9


@pytest.mark.long
@pytest.mark.parametrize("phi", PHIS)
def test_a_hundred_layers(phi: str) -> None:
    rec = kernel_recursion(zoo.load("mlp")(depth=100, phi=ns.activation(phi)))
    x = np.random.default_rng(0).normal(size=(4, 3))
    for sigma_w, sigma_b in ((1.4, 0.1), (0.7, 1.0)):
        assert smallest(rec, x, sigma_w=sigma_w, sigma_b=sigma_b) > -1e-9


@pytest.mark.parametrize("key", sorted(RECS), ids=str)
def test_equal_inputs_and_zero(key: tuple[str, int]) -> None:
    """Rows of equal inputs are equal; zero without biases has a kernel of its own only where phi(0) is not zero."""
    x = np.array([[1.0, -0.5, 0.25], [0.0, 0.0, 0.0], [1.0, -0.5, 0.25]])
    found = RECS[key].evaluate(x, digits=None, sigma_w=1.2, sigma_b=0.0)
    for matrix in (found.nngp, found.ntk):
        assert np.abs(matrix[0] - matrix[2]).max() < 1e-9 * np.abs(matrix).max()
        assert (matrix[1] == 0).all()
