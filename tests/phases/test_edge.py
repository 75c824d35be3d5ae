"""The edge of chaos: against closed forms, known values, and a second way to the same integrals."""

from __future__ import annotations

import time

import mpmath
import numpy as np
import pytest
import sympy

import ntksym as ns
from ntksym.language.expressions import mpmath_function
from tests.phases.nets import gated, pre_normalised

TWENTY = mpmath.mpf(10) ** -20


def standard() -> tuple[np.ndarray, np.ndarray]:
    """Points and weights for means over a standard Gaussian: the trapezoidal rule, exact for what is smooth."""
    x = np.linspace(-12, 12, 4001)
    w = np.exp(-(x**2) / 2)
    return x, w / w.sum()


def hermite_means(phi: str, q: mpmath.mpf) -> tuple[mpmath.mpf, mpmath.mpf]:
    """E[phi^2] and E[phi'^2] for N(0, q) from Hermite coefficients alone: sum a_n^2 and sum n a_n^2 / q.

    The coefficients are from the trapezoidal rule on a fixed grid, whose error falls faster than any power of the step.
    """
    function = mpmath_function(ns.activation(phi).expr)
    step = mpmath.mpf(1) / 16
    xs = [k * step for k in range(-24 * 16, 24 * 16 + 1)]
    values = [function(mpmath.sqrt(q) * x) for x in xs]
    before = [mpmath.mpf(0)] * len(xs)
    now = [mpmath.exp(-(x**2) / 4) * mpmath.sqrt(step / mpmath.sqrt(2 * mpmath.pi)) for x in xs]
    weighted = [f * h for f, h in zip(values, now, strict=True)]
    square, slope = mpmath.mpf(0), mpmath.mpf(0)
    for n in range(2000):
        a = mpmath.fdot(weighted, now)
        if n % 2 and abs(n * a**2) < TWENTY / 1000:  # tanh is odd
            break
        square, slope = square + a**2, slope + n * a**2 / q
        up, down = mpmath.sqrt(mpmath.mpf(1) / (n + 1)), mpmath.sqrt(mpmath.mpf(n) / (n + 1))
        now, before = [up * x * h - down * b for x, h, b in zip(xs, now, before, strict=True)], now
    return square, slope


@pytest.mark.parametrize("variance", ["0.01", "0.05"])
def test_tanh_agrees_with_hermite_series_to_twenty_digits(variance: str) -> None:
    """At the point that quadrature in 42 digits finds, Hermite series in 35 digits meet both equations."""
    point = ns.edge_of_chaos("tanh", sigma_b=f"sqrt({variance})", digits=24).point
    assert point is not None
    with mpmath.workdps(35):
        square, slope = hermite_means("tanh", point.q_star)
        assert abs(point.sigma_w**2 * slope - 1) < TWENTY
        assert abs(point.sigma_w**2 * square + mpmath.mpf(variance) - point.q_star) < TWENTY * point.q_star


@pytest.mark.long
@pytest.mark.parametrize("variance", ["0.1", "0.3", "1"])
def test_tanh_agrees_with_hermite_series_further_out(variance: str) -> None:
    """Farther out the coefficients of tanh fall more slowly, and it takes hundreds of them."""
    point = ns.edge_of_chaos("tanh", sigma_b=f"sqrt({variance})", digits=24).point
    assert point is not None
    with mpmath.workdps(40):
        square, slope = hermite_means("tanh", point.q_star)
        assert abs(point.sigma_w**2 * slope - 1) < TWENTY
        assert abs(point.sigma_w**2 * square + mpmath.mpf(variance) - point.q_star) < TWENTY * point.q_star


@pytest.mark.parametrize(
    ("phi", "sigma_w"),
    [("relu", "sqrt(2)"), ("leaky_relu(0.1)", "sqrt(2/(1+1/100))"), ("identity", "1"), ("abs", "1")],
)
def test_homogeneous_functions_keep_every_length(phi: str, sigma_w: str) -> None:
    point = ns.edge_of_chaos(phi).point
    assert point is not None
    assert point.q_star is None
    assert sympy.simplify(point.exact - sympy.sympify(sigma_w)) == 0
    assert ns.edge_of_chaos(phi, sigma_b=0.1).absence.startswith(
        "wherever chi_1 = 1, one copy of the block adds to the square of every length, 0.01 at least"
    )


def test_functions_with_a_slope_at_zero_are_critical_at_its_inverse() -> None:
    for phi, sigma_w in (("tanh", 1), ("sin", 1), ("erf", np.sqrt(np.pi) / 2)):
        point = ns.edge_of_chaos(phi).point
        assert point is not None
        assert (point.q_star, point.stability) == (0, "stable")
        assert point.sigma_w == pytest.approx(sigma_w, rel=1e-14)


def test_the_edge_of_erf_and_sin_in_closed_form() -> None:
    """By hand: <erf'^2> = 4/(pi sqrt(4q + 1)), <erf^2> = 2/pi asin(2q/(2q + 1)); <cos^2> = (1 + e^-2q)/2."""
    q = sympy.Symbol("q", positive=True)
    erf, sin = ns.edge_curve("erf"), ns.edge_curve("sin")
    weight = sympy.pi * sympy.sqrt(4 * q + 1) / 4
    assert sympy.simplify(erf.weight - weight) == 0
    assert sympy.simplify(erf.bias - (q - weight * 2 / sympy.pi * sympy.asin(2 * q / (2 * q + 1)))) == 0
    assert sympy.simplify(sin.weight - 2 / (1 + sympy.exp(-2 * q))) == 0
    assert sympy.simplify((sin.bias - (q - sympy.tanh(q))).rewrite(sympy.exp)) == 0


@pytest.mark.parametrize("phi", ["gelu", "elu"])
def test_closed_curves_are_the_quadrature(phi: str) -> None:
    """The derived expressions against mpmath's own quadrature of phi and its numerical derivative."""
    curve = ns.edge_curve(phi)
    function = mpmath_function(ns.activation(phi).expr)
    with mpmath.workdps(25):
        for q in (mpmath.mpf("0.3"), mpmath.mpf(2)):
            density = lambda z, q=q: mpmath.exp(-(z**2) / 2 / q) / mpmath.sqrt(2 * mpmath.pi * q)  # noqa: E731
            limits = [-30, -8, 0, 8, 30]
            square = mpmath.quad(lambda z: function(z) ** 2 * density(z), limits)  # noqa: B023
            slope = mpmath.quad(lambda z: mpmath.diff(function, z) ** 2 * density(z), [-30, -8, -1e-20, 1e-20, 8, 30])  # noqa: B023
            weight, bias = (sympy.lambdify(SYMBOL, x, [NORMAL, "mpmath"])(q) for x in (curve.weight, curve.bias))
            assert abs(weight * slope - 1) < 1e-12
            assert abs(bias - (q - square / slope)) < 1e-12


NORMAL = {"NormalCDF": mpmath.ncdf}
SYMBOL = sympy.Symbol("q", positive=True)


def test_gelu_and_silu_turn_at_half_stable_points() -> None:
    """Of GELU K* = (3 + sqrt(17))/2 by hand; all numbers again by bisection of sums over a grid."""
    gelu = ns.edge_curve("gelu", digits=18).half_stable
    silu = ns.edge_curve("silu", digits=18).half_stable
    assert len(gelu) == len(silu) == 1
    with mpmath.workdps(20):
        assert abs(gelu[0].q_star - (3 + mpmath.sqrt(17)) / 2) < 1e-16
        assert abs(gelu[0].sigma_b ** 2 - mpmath.mpf("0.172922390756067")) < 1e-15
        assert abs(gelu[0].sigma_w ** 2 - mpmath.mpf("1.98305825743755")) < 1e-14
    for point, phi in ((gelu[0], "z*Phi(z)"), (silu[0], "z*sigmoid(z)")):
        q, w, b = half_stable(phi, float(point.q_star))
        assert float(point.q_star) == pytest.approx(q, rel=1e-9)
        assert float(point.sigma_w**2) == pytest.approx(w, rel=1e-11)
        assert float(point.sigma_b**2) == pytest.approx(b, rel=1e-11)
        assert (point.stability, float(point.chi_parallel)) == ("half-stable", pytest.approx(1, abs=1e-14))


def half_stable(phi: str, near: float) -> tuple[float, float, float]:
    """q, sigma_w^2 and sigma_b^2 next to a guess, by bisection of <(x^2 - 1) phi^2> / (2 q <phi'^2>) = 1.

    The left side is chi_parallel by partial integration, and phi' is a difference: no derivative is derived.
    """
    x, w = standard()
    f = ns.activation(phi)

    def means(q: float) -> tuple[float, float, float]:
        z, h = np.sqrt(q) * x, 1e-3
        slope = (45 * (f(z + h) - f(z - h)) - 9 * (f(z + 2 * h) - f(z - 2 * h)) + f(z + 3 * h) - f(z - 3 * h)) / (
            60 * h
        )
        return float(w @ slope**2), float(w @ f(z) ** 2), float(w @ ((x**2 - 1) * f(z) ** 2)) / (2 * q)

    low, high = near * 0.9, near * 1.1
    for _ in range(60):
        middle = (low + high) / 2
        slope, _, parallel = means(middle)
        low, high = (middle, high) if parallel > slope else (low, middle)
    slope, square, _ = means(low)
    return low, 1 / slope, low - square / slope


@pytest.mark.parametrize(("phi", "below", "above"), [("gelu", 0.3, 0.5), ("silu", 0.5, 0.9)])
def test_the_edge_is_stable_only_above_the_half_stable_point(phi: str, below: float, above: float) -> None:
    low, high = ns.edge_of_chaos(phi, sigma_b=below).point, ns.edge_of_chaos(phi, sigma_b=above).point
    assert low is not None
    assert high is not None
    assert (low.stability, high.stability) == ("unstable", "stable")
    assert low.chi_parallel > 1 > high.chi_parallel


def test_sigmoid_has_an_edge_far_from_the_origin() -> None:
    point = ns.edge_of_chaos("sigmoid").point
    assert point is not None
    assert point.q_star > 40
    assert point.stability == "stable"
    x, w = standard()
    s = 1 / (1 + np.exp(-np.sqrt(point.q_star) * x))
    assert point.sigma_w**2 * float(w @ (s * (1 - s)) ** 2) == pytest.approx(1, abs=1e-11)
    assert point.sigma_w**2 * float(w @ s**2) == pytest.approx(point.q_star, rel=1e-11)


def test_softplus_has_none_with_the_reason() -> None:
    found = ns.edge_of_chaos("softplus")
    assert found.points == ()
    assert "adds to the square of every length" in found.absence
    assert found.proved == (1e-6, 1e3)


def test_a_convolution_and_gates_have_the_edge_of_their_layer() -> None:
    tanh = ns.activation("tanh")
    dense = ns.edge_of_chaos("tanh", sigma_b=0.3).point
    conv = ns.edge_of_chaos(ns.zoo.load("cnn")(phi=tanh), sigma_b=0.3).point
    assert dense == conv
    point = ns.edge_of_chaos(gated(phi=tanh), sigma_b=0.3).point
    assert point is not None
    x, w = standard()
    z = np.sqrt(point.q_star) * x
    f, g = np.tanh(z), 1 / (1 + np.exp(-z))
    slope = (w @ (1 - f**2) ** 2) * (w @ g**2) + (w @ f**2) * (w @ (g * (1 - g)) ** 2)
    assert point.sigma_w**2 * slope == pytest.approx(1, abs=1e-9)
    assert point.sigma_w**2 * (w @ f**2) * (w @ g**2) + 0.09 == pytest.approx(point.q_star, rel=1e-9)


@pytest.mark.parametrize("phi", ["relu", "tanh"])
def test_residual_blocks_have_no_edge(phi: str) -> None:
    for net in (ns.zoo.load("resnet")(phi=ns.activation(phi), branch=0), pre_normalised(phi=ns.activation(phi))):
        assert ns.edge_of_chaos(net).absence == (
            "chi_1 = 1 has no solution with sigma_w > 0: differences grow at any weights"
        )


def test_an_edge_point_is_quick() -> None:
    """Under 0.2 s in double precision and under 3 s at 30 digits, in time of the processor; the best of three."""
    seconds = {None: [], 30: []}
    ns.edge_of_chaos("tanh", sigma_b=0.2)
    for k in range(3):
        for digits, times in seconds.items():
            start = time.process_time()
            ns.edge_of_chaos("tanh", sigma_b=f"sqrt(0.05{k})", digits=digits)
            times.append(time.process_time() - start)
    assert min(seconds[None]) < 0.2
    assert min(seconds[30]) < 3


def test_a_jump_leaves_no_edge() -> None:
    assert ns.edge_of_chaos("sign").absence.startswith("a function jumps, so equal inputs part at once")
