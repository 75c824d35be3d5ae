"""Correlations against depth: against formulas written out here, and against finite networks."""

from __future__ import annotations

import numpy as np
import pytest

import ntksym as ns
from ntksym.errors import PhaseError

n = ns.dim("n")
X = np.linspace(-12, 12, 1201)
W = np.exp(-(X**2) / 2)
W = W / W.sum()


def arc_cosine(c: np.ndarray) -> np.ndarray:
    """The map of correlations of ReLU without biases (Cho and Saul 2009)."""
    return (np.sqrt(1 - c**2) + c * (np.pi - np.arccos(c))) / np.pi


def test_relu_on_the_edge_follows_the_arc_cosine_map() -> None:
    found = ns.depth_profile("relu", sigma_w="sqrt(2)", cosines=(-0.5, 0.3, 0.9), depth=40)
    assert found.q == pytest.approx(np.full(41, 2.0))
    c = np.array([-0.5, 0.3, 0.9])
    for column in found.c.T:
        assert column == pytest.approx(c, abs=1e-9)
        c = arc_cosine(c)


def test_lengths_and_correlations_of_tanh_are_those_of_sums_over_grids() -> None:
    found = ns.depth_profile("tanh", sigma_w=1.6, sigma_b=0.3, cosines=(0.2,), depth=12)
    q, c = 1.6**2 + 0.3**2, (1.6**2 * 0.2 + 0.3**2) / (1.6**2 + 0.3**2)
    u, v = np.meshgrid(X, X, indexing="ij")
    for length, correlation in zip(found.q, found.c[0], strict=True):
        assert (length, correlation) == pytest.approx((q, c), rel=1e-8)
        second = np.tanh(np.sqrt(q) * (c * u + np.sqrt(1 - c**2) * v))
        r = 1.6**2 * W @ (np.tanh(np.sqrt(q) * u) * second) @ W + 0.09
        q = 1.6**2 * W @ np.tanh(np.sqrt(q) * X) ** 2 + 0.09
        c = r / q


def test_correlations_end_where_the_report_says() -> None:
    found = ns.depth_profile("erf", sigma_w=2, sigma_b=0.3, depth=200)
    assert found.c[:, -1] == pytest.approx(np.full(len(found.cosines), found.report.c_star), abs=1e-9)


def test_a_program_has_its_own_start_and_number_of_copies() -> None:
    net = ns.zoo.load("resnet")(phi=ns.relu)
    found = ns.depth_profile(net, sigma_w=1.5, cosines=(0.5,), L=8)
    assert found.q == pytest.approx(1.5**2 * (1 + 1.5**2 / 16) ** np.arange(9))
    with pytest.raises(PhaseError, match="a program has a number of copies of its own"):
        ns.depth_profile(net, depth=3, L=8)


def z_scores(found: object, theory: object) -> np.ndarray:
    return np.asarray((found.measured.c - theory.c[:, 1:]) / found.measured.error)  # type: ignore[attr-defined]


def test_networks_show_these_correlations() -> None:
    """Nine numbers within 4.5 standard errors: false alarms in 6 of 100,000 seeds. Wrong weights are seen."""
    pytest.importorskip("jax")
    options = {"sigma_b": 0.2, "cosines": (0.0, 0.9, 0.99), "depth": 3}
    found = ns.depth_profile("tanh", sigma_w=1.6, width=64, samples=600, seed=1, **options)
    assert found.measured.sizes == {"n": 64}
    assert found.measured.c.shape == (3, 3)
    assert np.abs(z_scores(found, found)).max() < 4.5
    assert np.abs(z_scores(found, ns.depth_profile("tanh", sigma_w=1.76, **options))).max() > 6


def test_networks_of_a_program_show_these_correlations() -> None:
    """Six numbers within 4.5 standard errors: false alarms in 4 of 100,000 seeds."""
    pytest.importorskip("jax")
    net = ns.zoo.load("resnet")(phi=ns.relu)
    found = ns.depth_profile(net, sigma_w=1.5, sigma_b=0.1, cosines=(0.0, 0.7), L=3, width=64, samples=300)
    assert found.measured.sizes == {"n": 64, "L": 3}
    assert np.abs(z_scores(found, found)).max() < 4.5


def test_what_has_no_profile_is_refused() -> None:
    with pytest.raises(PhaseError, match="one or more numbers from -1 to 1"):
        ns.depth_profile("tanh", cosines=(1.2,))
    with pytest.raises(PhaseError, match="the loop does not begin with a layer of weights on the inputs"):
        ns.depth_profile(started_late)


@ns.program
def started_late(x: ns.Vector("d")) -> ns.Value:
    """A loop that begins with the second layer."""
    h = ns.dense(ns.tanh(ns.dense(x, n, name="first")), n, name="second")
    return ns.dense(ns.repeat(3, lambda h: ns.dense(ns.tanh(h), n, name="layer"), h), 1, name="readout")
