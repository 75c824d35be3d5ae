"""Power laws at criticality, growth with depth: against Taylor coefficients, iterated maps and closed forms."""

from __future__ import annotations

from fractions import Fraction

import mpmath
import numpy as np
import pytest
import sympy

import ntksym as ns
from ntksym.errors import PhaseError
from ntksym.kernels import kernel_recursion
from ntksym.language.expressions import to_sympy
from tests.phases.nets import scaled


def taylor(phi: str) -> tuple[sympy.Expr, sympy.Expr]:
    """a_1 = s_3/s_1 + 3/4 (s_2/s_1)^2 and b_1 = s_3/s_1 + (s_2/s_1)^2 from phi = sum s_k z^k / k!."""
    expression = to_sympy(ns.activation(phi).expr)
    (z,) = expression.free_symbols
    s = [sympy.diff(expression, z, k).subs(z, 0) for k in range(4)]
    assert s[0] == 0
    return s[3] / s[1] + sympy.Rational(3, 4) * (s[2] / s[1]) ** 2, s[3] / s[1] + (s[2] / s[1]) ** 2


@pytest.mark.parametrize("phi", ["tanh", "sin", "erf", "z/(1+z^2)", "tanh(z)+z^2/4"])
def test_exponents_are_those_of_the_taylor_coefficients(phi: str) -> None:
    """K_l ~ 1/(-a_1 l), and squared differences fall with the power b_1/a_1 (Roberts, Yaida and Hanin 2022)."""
    a, b = taylor(phi)
    found = ns.universality_class(phi)
    assert found.kind == "K* = 0"
    assert float(found.length.constant) == pytest.approx(float(-1 / a), rel=1e-12)
    assert found.length.power == -1
    assert float(found.p_perp) == pytest.approx(float(b / a), rel=1e-12)


@pytest.mark.parametrize(("phi", "steps"), [("tanh", 4000), ("elu", 4000)])
def test_lengths_fall_by_the_power_over_thousands_of_copies(phi: str, steps: int) -> None:
    """The map itself, iterated: tanh by 1/(2 l), ELU (its second derivative jumps at 0) by 2 pi / l^2."""
    found = ns.universality_class(phi)
    f = ns.activation(phi)
    x = np.linspace(-10, 10, 2001)
    w = np.exp(-(x**2) / 2) / np.exp(-(x**2) / 2).sum()
    q = 0.5
    for _ in range(steps):
        q = float(found.point.sigma_w) ** 2 * float(w @ f(np.sqrt(q) * x) ** 2)
    assert q == pytest.approx(float(found.length.constant) * steps ** float(found.length.power), rel=0.02)


def test_relu_correlations_on_the_edge() -> None:
    """1 - c_l ~ 9 pi^2 / (2 l^2): the constant, and its map over 2,000 layers."""
    law = ns.universality_class("relu").correlation
    assert law.power == -2
    assert float(law.constant) == pytest.approx(4.5 * np.pi**2, rel=1e-9)
    angle = 1.0  # in angles: cos(angle') = (sin + (pi - angle) cos)/pi
    for _ in range(2000):
        angle = np.arccos((np.sin(angle) + (np.pi - angle) * np.cos(angle)) / np.pi)
    assert 1 - np.cos(angle) == pytest.approx(float(law.constant) / 2000**2, rel=0.02)


def test_correlations_on_a_smooth_edge_over_two_thousand_layers() -> None:
    """1 - c_l ~ 2 / (sigma_w^2 q* <phi''^2> l), for erf; its map of correlations is an arcsine."""
    from ntksym.phases.blocks import block_of
    from ntksym.phases.laws import correlation_law

    point = ns.edge_of_chaos("erf", sigma_b=0.3).point
    found = block_of("erf", None, {"sigma_w": point.sigma_w, "sigma_b": 0.3})
    law = correlation_law(found.maps, found.numbers, point.q_star)
    q, w2, c = point.q_star, point.sigma_w**2, 0.5
    for _ in range(2000):
        c = (w2 * 2 / np.pi * np.arcsin(2 * c * q / (1 + 2 * q)) + 0.09) / q
    assert law.power == -1
    assert 1 - c == pytest.approx(float(law.constant) / 2000, rel=0.02)


def test_classes() -> None:
    assert ns.universality_class("leaky_relu(0.5)").kind == "scale-invariant"
    assert ns.universality_class("gelu").kind == "half-stable"
    none = ns.universality_class("softplus")
    assert (none.kind, none.point) == ("none", None)
    assert "adds to the square of every length" in none.reason


def test_residual_relu_grows_exponentially_and_residual_tanh_polynomially() -> None:
    relu = ns.depth_law(scaled(), sigma_w=1.5)
    assert (relu.length, relu.gradient, relu.tangent) == ("exponential", "exploding", "exponential")
    assert relu.report.chi_parallel == 1 + 1.5**2 / 2
    tanh = ns.depth_law(ns.zoo.load("resnet")(phi=ns.tanh, branch=0), sigma_w=1.5, sigma_b=0.5)
    assert (tanh.length, tanh.power.power) == ("polynomial", 1)
    assert float(tanh.power.constant) == pytest.approx(1.5**2 + 0.5**2, rel=1e-12)
    q, x = 1.0, np.linspace(-10, 10, 2001)
    w = np.exp(-(x**2) / 2) / np.exp(-(x**2) / 2).sum()
    for _ in range(20_000):
        q += 1.5**2 * float(w @ np.tanh(np.sqrt(q) * x) ** 2) + 0.5**2
    assert q == pytest.approx(2.5 * 20_000, rel=0.02)


def test_the_recursion_of_residual_relu_is_a_power_and_has_a_finite_limit_with_scaled_branches() -> None:
    """(1 + sigma_w^2/2)^L, and e^(sigma_w^2/2) where branches are scaled by L^-1/2: numbers of the whole recursion."""
    x = np.ones((1, 4))
    plain = kernel_recursion(scaled()).evaluate(x, L=7, digits=20, sigma_w=1.5).nngp[0, 0]
    assert abs(plain - mpmath.mpf(1.5) ** 4 * mpmath.mpf(2.125) ** 7) < 1e-12 * plain
    flow = ns.depth_flow(scaled(branch=Fraction(-1, 2)))
    q, w = sympy.symbols("q sigma_w", positive=True)
    limit = flow.length.subs({s: {"q": q, "sigma_w": w}[s.name] for s in flow.length.free_symbols})
    assert sympy.simplify(limit - q * sympy.exp(w**2 / 2)) == 0
    values = [
        kernel_recursion(scaled(branch=Fraction(-1, 2))).evaluate(x, L=L, digits=20, sigma_w=1.5).nngp[0, 0]
        for L in (200, 400)
    ]
    extrapolated = 2 * values[1] - values[0]  # the error falls as 1/L
    assert float(extrapolated) == pytest.approx(1.5**4 * np.exp(1.5**2 / 2), rel=1e-4)
    with pytest.raises(PhaseError, match=r"adds more than order 1/L to a length; scale the branch by L\^-1/2"):
        ns.depth_flow(scaled())


def test_tangent_kernels_with_depth() -> None:
    """Where gradients vanish the tangent kernel stays; on the edge each copy adds to it: the recursion itself."""
    law = ns.depth_law("erf", sigma_w=1.0, sigma_b=0.5)
    assert law.tangent == "constant"
    recursion = kernel_recursion(ns.zoo.load("mlp")(phi=ns.erf, depth=60))
    ntk = recursion.evaluate(np.ones((1, 3)), sigma_w=1.0, sigma_b=0.5, digits=None).ntk[0, 0]
    assert law.tangent_number == pytest.approx(float(ntk), rel=1e-8)
    point = ns.edge_of_chaos("erf", sigma_b=0.5).point
    edge = ns.depth_law("erf", sigma_w=point.sigma_w, sigma_b=0.5)
    assert (edge.tangent, edge.gradient) == ("linear", "constant")
    deep = [
        kernel_recursion(ns.zoo.load("mlp")(phi=ns.erf, depth=depth))
        .evaluate(np.ones((1, 3)), sigma_w=point.sigma_w, sigma_b=0.5, digits=None)
        .ntk[0, 0]
        for depth in (60, 61)
    ]
    assert edge.tangent_number == pytest.approx(deep[1] - deep[0], rel=1e-8)
    assert ns.depth_law("erf", sigma_w=2.0, sigma_b=0.5).tangent == "exponential"
