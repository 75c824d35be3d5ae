"""Convolutions: a delta-orthogonal one carries every pair of positions on its own, like the dense layer."""

from __future__ import annotations

import numpy as np
import pytest

import ntksym as ns
from ntksym.kernels import kernel_recursion

n = ns.dim("n")


@ns.program
def circular(x: ns.Sequence("T", "d"), *, kernel: int = 1, phi: ns.Activation = ns.erf, depth: int = 6) -> ns.Value:
    """Convolutions on a circle, read out at every position."""

    def layer(h: ns.Value) -> ns.Value:
        return ns.conv(phi(h), n, kernel, name="conv", padding="circular")

    return ns.dense(ns.repeat(depth, layer, ns.dense(x, n, name="embed")), 1, name="readout")


def kernels(kernel: int, depth: int) -> np.ndarray:
    """The covariances of all positions of two inputs after some copies, on the edge; before the readout."""
    point = ns.edge_of_chaos("erf", sigma_b=0.5).point
    x = np.random.default_rng(7).standard_normal((2, 5, 8))
    sigmas = {"sigma_w": point.sigma_w, "sigma_b": 0.5}
    found = kernel_recursion(circular(kernel=kernel, depth=depth), ntk=False, sizes={"T": 5})
    return found.evaluate(x, digits=None, T=5, **sigmas).nngp[0, 1].astype(float)


def test_a_delta_convolution_maps_each_pair_of_positions_alone() -> None:
    """With all weights at the middle of the window, as delta-orthogonal initialisation has them, covariances of a
    deep network are those that the map of one block makes of each pair; a window of three mixes its neighbours."""
    point = ns.edge_of_chaos(circular(), sigma_b=0.5).point
    assert (
        point == ns.edge_of_chaos("erf", sigma_b=0.5).point == ns.edge_of_chaos(circular(kernel=3), sigma_b=0.5).point
    )

    def asin(p: np.ndarray, q: np.ndarray, r: np.ndarray) -> np.ndarray:
        covariance = 2 / np.pi * np.arcsin(2 * r / np.sqrt((1 + 2 * p) * (1 + 2 * q)))
        return point.sigma_w**2 * covariance + 0.25

    x = np.random.default_rng(7).standard_normal((2, 5, 8))
    first = point.sigma_w**2 * np.einsum("sd,td->st", x[0], x[1]) / 8 + 0.25
    own = [point.sigma_w**2 * np.einsum("sd,sd->s", y, y) / 8 + 0.25 for y in x]
    p, q, r = own[0][:, None], own[1][None, :], first
    for _ in range(6):
        p, q, r = asin(p, p, p), asin(q, q, q), asin(p, q, r)
    r = point.sigma_w**2 * r + 0.25
    np.testing.assert_allclose(kernels(1, 6), r, rtol=1e-10)
    assert np.abs(kernels(3, 6) / r - 1).max() > 1e-3


@pytest.mark.parametrize("kernel", [1, 3])
def test_differences_between_positions_fall_by_a_power_or_faster(kernel: int) -> None:
    """On the edge by a power of the depth for a delta; exponentially for a window, which takes means of neighbours."""
    shallow, deep = (np.ptp(np.diag(kernels(kernel, depth))) for depth in (20, 40))
    if kernel == 1:
        assert 1.5 < shallow / deep < 6
    else:
        assert shallow / deep > 100
