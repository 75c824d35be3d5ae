"""Fixed points, phases and depth scales: by hand, and against the maps iterated over thousands of layers."""

from __future__ import annotations

from collections.abc import Callable

import mpmath
import numpy as np
import pytest

import ntksym as ns
from ntksym.errors import PhaseError
from tests.phases.nets import pre_normalised

Function = Callable[[np.ndarray], np.ndarray]
X = np.linspace(-12, 12, 1201)
W = np.exp(-(X**2) / 2)
W = W / W.sum()


def layers(phi: Function, w: float, b: float, q: float, c: float, copies: int) -> tuple[np.ndarray, np.ndarray]:
    """Lengths and correlations after each of many layers, by sums over a grid in two variables: no derived map."""
    first, second = X[:, None], X[None, :]
    weight = W[:, None] * W[None, :]
    keep = weight > 1e-14
    first, second, weight = (np.broadcast_to(x, keep.shape)[keep] for x in (first, second, weight))
    lengths, correlations = [q], [c]
    for _ in range(copies):
        u = np.sqrt(q) * first
        v = np.sqrt(q) * (c * first + np.sqrt(max(1 - c * c, 0)) * second)
        r = w**2 * float(weight @ (phi(u) * phi(v))) + b**2
        q = w**2 * float(W @ phi(np.sqrt(q) * X) ** 2) + b**2
        c = r / q
        lengths.append(q)
        correlations.append(c)
    return np.array(lengths), np.array(correlations)


@pytest.mark.parametrize(("sigma_w", "phase"), [(1.3, "ordered"), (2.0, "chaotic")])
def test_depth_scales_are_those_of_iterated_layers(sigma_w: float, phase: str) -> None:
    """Differences from the fixed points fall by exp(-1/xi) a layer: the ratio of two of them, at any depth."""
    report = ns.phase_report("tanh", sigma_w=sigma_w, sigma_b=0.5)
    assert report.phase == phase
    q, _ = layers(np.tanh, sigma_w, 0.5, 0.3, 0.5, 12)
    assert np.log((q[8] - report.q_star) / (q[9] - report.q_star)) == pytest.approx(1 / report.xi_q, rel=1e-3)
    _, c = layers(np.tanh, sigma_w, 0.5, report.q_star, report.c_star - 1e-3, 8)
    assert np.log((c[6] - report.c_star) / (c[7] - report.c_star)) == pytest.approx(1 / report.xi_c, rel=1e-3)


@pytest.mark.parametrize("sigma_w", ["1.1", "1.3"])
def test_depth_scales_over_two_thousand_layers(sigma_w: str) -> None:
    """erf, whose maps are arcsines: from layer 1,000 to 2,000 differences fall by exp(-1000/xi), in 150 digits."""
    report = ns.phase_report("erf", sigma_w=sigma_w, sigma_b="1/4", digits=120)
    with mpmath.workdps(150):
        w2, b2 = mpmath.mpf(sigma_w) ** 2, mpmath.mpf(1) / 16
        q, c = report.q_star, mpmath.mpf("0.3")
        gaps = []
        for layer in range(2001):
            if layer in (1000, 2000):
                gaps.append(abs(c - report.c_star))
            c = (w2 * 2 / mpmath.pi * mpmath.asin(2 * c * q / (1 + 2 * q)) + b2) / q
        assert abs(mpmath.log(gaps[0] / gaps[1]) / 1000 * report.xi_c - 1) < 1e-12


def test_all_fixed_points_of_a_perceptron_without_bias() -> None:
    report = ns.phase_report("tanh", sigma_w=2)
    zero, other = report.fixed_points
    assert (zero.q, zero.stability, zero.chi_1, zero.chi_parallel) == (0, "unstable", 4, 4)
    assert (other.stability, other) == ("stable", report.at)
    assert [point.c for point in report.correlations] == [-1, 0, 1]
    assert report.c_star == 0
    q, _ = layers(np.tanh, 2, 0, 1.0, 0.5, 60)
    assert report.q_star == pytest.approx(q[-1], rel=1e-12)


def test_relu_by_hand() -> None:
    """q = sigma_b^2 / (1 - sigma_w^2/2) and chi = sigma_w^2/2; above sigma_w^2 = 2 lengths grow without bound."""
    report = ns.phase_report("relu", sigma_w=1, sigma_b=0.5)
    assert report.phase == "ordered"
    assert (report.q_star, report.chi_1, report.chi_parallel) == pytest.approx((0.5, 0.5, 0.5), rel=1e-14)
    assert report.c_star == 1
    assert report.xi_q == pytest.approx(1 / np.log(2))
    growing = ns.phase_report("relu", sigma_w=2)
    assert (growing.phase, growing.q_star, growing.chi_1) == ("chaotic", np.inf, 2)
    every = ns.phase_report("relu", sigma_w="sqrt(2)")
    assert (every.phase, every.q_star, every.fixed_points[0].stability) == ("critical", None, "marginal")


def test_selu_keeps_length_one_and_is_slightly_chaotic() -> None:
    """Its constants were chosen for q* = 1 at sigma_w = 1; the mean square of its slope is 1.0716."""
    report = ns.phase_report("selu", sigma_w=1, digits=25)
    assert [point.stability for point in report.fixed_points] == ["unstable", "stable", "unstable"]
    with mpmath.workdps(30):
        assert abs(report.q_star - 1) < mpmath.mpf(10) ** -12  # its constants are given to so many digits
        a, s = mpmath.mpf("1.6732632423543772848170429916717"), mpmath.mpf("1.0507009873554804934193349852946")
        slope = s**2 / 2 + mpmath.quad(lambda z: (s * a * mpmath.exp(z)) ** 2 * mpmath.npdf(z), [-20, 0])
        assert abs(report.chi_1 - slope) < mpmath.mpf(10) ** -12
    assert report.phase == "chaotic"
    assert 1.07 < report.chi_1 < 1.08
    assert abs(report.c_star) < 1e-12


def test_digits_of_a_correlation_next_to_one() -> None:
    """Slightly inside of chaos 1 - c* is small; all its digits are right: the map of erf is known in closed form."""
    report = ns.phase_report("erf", sigma_w="1.18", sigma_b="sqrt(0.05)", digits=30)
    with mpmath.workdps(60):
        q, c, w2 = report.q_star, report.c_star, mpmath.mpf("1.18") ** 2
        square = w2 * 2 / mpmath.pi * mpmath.asin(2 * q / (1 + 2 * q)) + mpmath.mpf("0.05")
        product = w2 * 2 / mpmath.pi * mpmath.asin(2 * c * q / (1 + 2 * q)) + mpmath.mpf("0.05")
        assert abs(square - q) < mpmath.mpf(10) ** -29
        assert abs(product / q - c) < (1 - c) * mpmath.mpf(10) ** -28
        assert 0 < 1 - c < 0.05


def test_a_jump_parts_equal_inputs_at_once() -> None:
    report = ns.phase_report("sign", sigma_w=1.5, sigma_b=0.3)
    assert report.phase == "chaotic"
    assert report.chi_1 == np.inf
    c = report.c_star
    assert 1.5**2 * 2 / np.pi * np.arcsin(c) + 0.09 == pytest.approx(c * report.q_star, rel=1e-10)


def test_lengths_of_residual_blocks() -> None:
    tanh = ns.phase_report(ns.zoo.load("resnet")(phi=ns.tanh, branch=0), sigma_w=1.5, sigma_b=0.5)
    assert (tanh.q_star, tanh.phase, tanh.xi_q) == (np.inf, "critical", np.inf)
    normal = ns.phase_report(pre_normalised(), sigma_w=1.5, sigma_b=0.5)
    assert (normal.q_star, normal.phase) == (np.inf, "critical")
    relu = ns.phase_report(ns.zoo.load("resnet")(branch=0), sigma_w=1.5)
    assert (relu.q_star, relu.phase, relu.chi_parallel) == (np.inf, "chaotic", 2.125)


def test_what_is_missing_is_named() -> None:
    with pytest.raises(PhaseError, match="a number is needed for L, as in L=1"):
        ns.phase_report(ns.zoo.load("resnet"))
    with pytest.raises(PhaseError, match="mlp has no sigma_x; it has: "):
        ns.phase_report("tanh", sigma_x=1)
    with pytest.raises(PhaseError, match="mlp repeats no block 'x'; it repeats: layer"):
        ns.phase_report("tanh", block="x")


def test_a_square_has_three_lengths() -> None:
    """3/4 q^2 + 1/100 = q has two roots, and beyond the larger one lengths explode, faster than by any factor."""
    report = ns.phase_report("square", sigma_w=0.5, sigma_b=0.1)
    small, large, infinite = report.fixed_points
    assert (small.stability, large.stability, infinite.stability) == ("stable", "unstable", "stable")
    roots = sorted(np.roots([0.75, -1, 0.01]))
    assert (small.q, large.q) == pytest.approx(roots, rel=1e-12)
    assert report.at == small
    assert (infinite.chi_1, infinite.chi_parallel) == (np.inf, np.inf)
