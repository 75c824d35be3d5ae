"""Spectra of kernels on spheres: against tanh-sinh quadrature in the cosine, published values, and their own sums."""

from __future__ import annotations

import json
from functools import cache
from math import comb
from pathlib import Path
from typing import Any

import mpmath
import numpy as np
import pytest
import sympy
from jsonschema import validate

import ntksym as ns
from ntksym import zoo
from ntksym.dynamics.angles import AngularPolynomial
from ntksym.dynamics.decay import constant, expansions
from ntksym.dynamics.funk_hecke import gegenbauer, multiplicity
from ntksym.dynamics.gram_spectrum import gram_spectrum
from ntksym.dynamics.spectrum import Spectrum
from ntksym.errors import DynamicsError

SCHEMAS = Path(__file__).parents[1] / "schemas"
DIGITS = 20
DEGREES = 32


@cache
def recursion(phi: str = "relu", depth: int = 1) -> Any:
    return ns.kernel_recursion(zoo.load("mlp")(phi=ns.activation(phi), depth=depth))


@cache
def found(phi: str = "relu", depth: int = 1, **asked: Any) -> Spectrum:
    record = ns.spectrum(recursion(phi, depth), **asked)
    assert isinstance(record, Spectrum)
    return record


# --- kernels by hand, as functions of the cosine -----------------------------------------------------------


def arc_cosine(c: Any, degree: int) -> Any:
    """Cho and Saul 2009, for a Gaussian of variance one; E[relu relu] is half of degree one."""
    if degree == 0:
        return 1 - mpmath.acos(c) / mpmath.pi
    return (mpmath.sqrt(1 - c * c) + c * (mpmath.pi - mpmath.acos(c))) / mpmath.pi


def relu_ntk(c: Any) -> Any:
    return arc_cosine(c, 1) / 2 + c * arc_cosine(c, 0) / 2


def relu_ntk_with_bias(c: Any) -> Any:
    """sigma_b = 1: the first layer has variance 2 and covariance c + 1."""
    r = (c + 1) / 2
    return arc_cosine(r, 1) + 1 + (c + 1) * arc_cosine(r, 0) / 2


def deep_relu_ntk(c: Any) -> Any:
    """Two hidden layers, sigma_w = 1: the second has variance 1/2."""
    r = arc_cosine(c, 1)
    return arc_cosine(r, 1) / 4 + relu_ntk(c) * arc_cosine(r, 0) / 2


def erf_nngp(c: Any) -> Any:
    """Williams 1997."""
    return 2 / mpmath.pi * mpmath.asin(2 * c / 3)


KERNELS = [
    ("relu", 1, "ntk", {}, relu_ntk),
    ("relu", 1, "ntk", {"sigma_b": 1}, relu_ntk_with_bias),
    ("relu", 2, "ntk", {}, deep_relu_ntk),
    ("erf", 1, "nngp", {}, erf_nngp),
]


def by_quadrature(kernel: Any, d: int, k: int) -> Any:
    """The average of kernel times normalised Gegenbauer function of mpmath, over the density of the cosine."""
    with mpmath.workdps(DIGITS + 15):
        alpha = mpmath.mpf(d - 2) / 2

        def polynomial(c: Any) -> Any:
            return mpmath.chebyt(k, c) if d == 2 else mpmath.gegenbauer(k, alpha, c) / mpmath.gegenbauer(k, alpha, 1)

        # the angle, so that the density has no pole on the circle
        def density(theta: Any) -> Any:
            return mpmath.sin(theta) ** (d - 2)

        mass = mpmath.quad(density, [0, mpmath.pi / 2, mpmath.pi])
        part = mpmath.quad(
            lambda t: kernel(mpmath.cos(t)) * polynomial(mpmath.cos(t)) * density(t), [0, mpmath.pi / 2, mpmath.pi]
        )
        return part / mass


@pytest.mark.parametrize(("phi", "depth", "output", "values", "kernel"), KERNELS)
@pytest.mark.parametrize("d", [3, *(pytest.param(d, marks=pytest.mark.long) for d in (2, 4, 7))])
def test_eigenvalues_have_twenty_digits(
    phi: str, depth: int, output: str, values: dict[str, Any], kernel: Any, d: int
) -> None:
    record = found(phi, depth, d=d, output=output, degrees=5, digits=DIGITS, **values)
    scale = max(float(abs(x)) for x in record.eigenvalues)
    for k in (0, 2, 5):
        with mpmath.workdps(DIGITS + 15):
            number = mpmath.mpmathify(sympy.N(record.eigenvalues[k], DIGITS + 10))
            assert abs(number - by_quadrature(kernel, d, k)) < mpmath.mpf(10) ** -DIGITS * scale


# --- exact ones --------------------------------------------------------------------------------------------


def test_relu_on_the_ordinary_sphere_is_rational() -> None:
    """lambda_0 and lambda_1 by hand: averages of the kernel over uniform c, and of c times it."""
    c = sympy.Symbol("c")
    kernel = (sympy.sqrt(1 - c**2) + 2 * c * (sympy.pi - sympy.acos(c))) / (2 * sympy.pi)
    record = found(d=3)
    for k in (0, 1):
        by_hand = sympy.integrate(sympy.expand(kernel * c**k), (c, -1, 1)) / 2
        assert sympy.simplify(record.eigenvalues[k] - by_hand) == 0
    assert record.eigenvalues[:5] == (
        sympy.Rational(1, 4),
        sympy.Rational(1, 6),
        sympy.Rational(5, 128),
        0,
        sympy.Rational(1, 384),
    )


@pytest.mark.parametrize("d", [2, 3, 4, 7])
def test_eigenvalues_of_polynomials_are_rational_and_sum_to_the_trace_exactly(d: int) -> None:
    record = found("z**2 + z", 2, d=d)
    assert all(x.is_Rational for x in record.eigenvalues)
    assert record.remaining == 0
    assert [float(x) for x in record.eigenvalues[5:]] == [0.0] * 8


def test_symmetries_of_the_kernel_are_those_of_the_spectrum() -> None:
    """Without biases E[relu relu] is c/4 and an even function: odd degrees from 3 on vanish, and with them do not."""
    assert all(x == 0 for x in found(d=5).eigenvalues[3::2])
    assert all(x > 1e-6 for x in found(d=5, sigma_b=1).eigenvalues)


@pytest.mark.parametrize("d", [2, 3, 5, 8])
def test_multiplicities_are_those_of_the_addition_theorem(d: int) -> None:
    """Homogeneous polynomials of degree k are harmonic ones of degree k, k-2, ... times powers of the norm."""
    for k in range(9):
        harmonics = sum(multiplicity(d, j) for j in range(k, -1, -2))
        assert harmonics == comb(k + d - 1, k)


def test_gegenbauer_polynomials_are_the_known_ones() -> None:
    c = 0.37
    circle = [p for p, _ in zip(gegenbauer(2, c), range(6), strict=False)]
    ball = [p for p, _ in zip(gegenbauer(3, c), range(6), strict=False)]
    np.testing.assert_allclose(circle, [np.cos(k * np.arccos(c)) for k in range(6)], rtol=1e-14)
    np.testing.assert_allclose(ball, [float(mpmath.legendre(k, c)) for k in range(6)], rtol=1e-14)


# --- sums of all eigenvalues -------------------------------------------------------------------------------


def test_the_trace_of_a_smooth_kernel_is_reached_to_twenty_digits() -> None:
    record = found("erf", d=3, output="nngp", degrees=46, digits=22)
    assert abs(record.remaining) < 1e-20
    assert abs(record.trace - erf_nngp(mpmath.mpf(1))) < 1e-14


@pytest.mark.parametrize(("d", "output"), [(2, "ntk"), (3, "ntk"), (3, "nngp"), (4, "nngp")])
def test_the_trace_of_a_rough_kernel_is_reached_as_its_law_says(d: int, output: str) -> None:
    """Higher degrees have multiplicity times the law: their sum is what is missing of the trace."""
    record = found(d=d, output=output, degrees=DEGREES)
    even, odd = record.decay or ()
    assert odd.power is None
    beyond = mpmath.nsum(
        lambda i: multiplicity(d, int(DEGREES + 2 + 2 * i)) * (DEGREES + 1 + 2 * i + mpmath.mpf(d) / 2) ** -even.power,
        [0, mpmath.inf],
    )
    assert float(record.remaining) == pytest.approx(float(even.coefficient * beyond), rel=0.02)


# --- large degrees -----------------------------------------------------------------------------------------


def extrapolated(record: Spectrum, parity: int, last: int) -> float:
    """Eigenvalue over law at two degrees of this parity, the corrections of order x^-2 taken off."""
    law, d = (record.decay or ())[parity], record.d or 0
    x, ratios = [], []
    for k in (last // 4 * 2 + parity, last + parity):
        x.append(k + d / 2 - 1)
        ratios.append(float(record.eigenvalues[k]) * x[-1] ** law.power / float(law.coefficient))
    return (x[1] ** 2 * ratios[1] - x[0] ** 2 * ratios[0]) / (x[1] ** 2 - x[0] ** 2)


@pytest.mark.parametrize(("output", "more"), [("ntk", 0), ("nngp", 2)])
@pytest.mark.parametrize("d", [2, 3, 4])
def test_the_law_of_large_degrees_is_met(d: int, output: str, more: int) -> None:
    """The exponents are those of Bietti and Bach 2021."""
    record = found(d=d, output=output, degrees=DEGREES)
    even, odd = record.decay or ()
    assert (even.power, odd.power) == (d + more, None)
    assert abs(extrapolated(record, 0, DEGREES) - 1) < 1e-3


@pytest.mark.parametrize(("depth", "values"), [(1, {"sigma_b": 1}), (2, {})])
def test_biases_and_depth_give_odd_degrees_the_same_power(depth: int, values: dict[str, Any]) -> None:
    """Only depth leaves a singularity at c = -1, so only there even and odd degrees differ."""
    record = found("relu", depth, d=3, degrees=25, digits=12, **values)
    even, odd = record.decay or ()
    assert even.power == odd.power == 3
    ratio = float(odd.coefficient / even.coefficient)
    assert ratio == pytest.approx(1, abs=1e-9) if depth == 1 else 0.5 < ratio < 0.9
    assert abs(extrapolated(record, 0, 24) - 1) < 0.01
    assert abs(extrapolated(record, 1, 24) - 1) < 0.01


def test_smooth_kernels_fall_faster_than_powers() -> None:
    assert [law.power for law in found("erf", d=3).decay or ()] == [None, None]


@pytest.mark.parametrize(("p", "d"), [(1, 2), (3, 5)])
def test_the_constant_of_a_power_of_the_angle(p: int, d: int) -> None:
    """(1 - cos)^(p/2) = 2^(p/2) sin(theta/2)^p, whose integrals are taken numerically at two large degrees."""

    def kernel(c: Any) -> Any:
        return (2 * (1 - c)) ** (mpmath.mpf(p) / 2)

    x = [k + d / 2 - 1 for k in (12, 24)]
    law = [float(constant(p, d)) * at ** -(p + d - 1) for at in x]
    ratios = [float(by_quadrature(kernel, d, k)) / value for k, value in zip((12, 24), law, strict=True)]
    assert abs((x[1] ** 2 * ratios[1] - x[0] ** 2 * ratios[0]) / (x[1] ** 2 - x[0] ** 2) - 1) < 2e-3


def test_expansions_at_both_ends_are_those_of_the_exact_kernel() -> None:
    kernel = found(d=3).kernel
    exact = kernel.exact
    assert isinstance(exact, AngularPolynomial)
    for numbers, at_end in zip(expansions(kernel.precise), (False, True), strict=True):
        for number, expression in zip(numbers, exact.expansion(8, at_end), strict=False):
            assert abs(float(number) - float(expression)) < 1e-15


# --- Gaussian inputs, Gram matrices ------------------------------------------------------------------------


def test_shares_of_gaussian_inputs_are_squared_hermite_coefficients() -> None:
    """NNGP of one layer: sigma_w^2 a_k^2, with a_k = E[relu(z) He_k(z)] / sqrt(k!) by integration."""
    record = found(on="gaussian", output="nngp", degrees=4)
    z = sympy.Symbol("z", real=True)
    density = sympy.exp(-(z**2) / 2) / sympy.sqrt(2 * sympy.pi)
    for k, value in enumerate(record.eigenvalues):
        hermite = sympy.expand(2 ** sympy.Rational(-k, 2) * sympy.hermite(k, z / sympy.sqrt(2)))
        coefficient = sympy.integrate(sympy.expand(z * hermite) * density, (z, 0, sympy.oo))
        assert sympy.simplify(coefficient**2 / sympy.factorial(k) - value) == 0


def test_the_series_of_many_dimensions_is_the_limit_of_spheres() -> None:
    series = found("z**2 + z", 2, on="gaussian", degrees=3)
    errors = []
    for d in (20, 40):
        record = found("z**2 + z", 2, d=d, degrees=3)
        found_shares = [m * float(x) for m, x in zip(record.multiplicities, record.eigenvalues, strict=True)]
        errors.append(np.abs(np.array(found_shares) - np.array([float(x) for x in series.eigenvalues])).max())
    assert errors[0] < 0.08 * float(series.trace)
    assert errors[0] / errors[1] == pytest.approx(2, rel=0.15)


def test_scores_of_a_gram_matrix() -> None:
    rotation = np.linalg.qr(np.random.default_rng(0).standard_normal((4, 4)))[0]
    record = gram_spectrum(rotation @ np.diag([8.0, 4, 2, 2]) @ rotation.T, "by hand")
    np.testing.assert_allclose(record.eigenvalues, [2, 1, 0.5, 0.5], rtol=1e-13)
    assert record.condition_number == pytest.approx(4)
    # shares 1/2, 1/4, 1/8, 1/8 have an entropy of 7/4 bits
    assert record.effective_rank == pytest.approx(2**1.75)
    assert gram_spectrum(np.eye(5), "all alike").effective_rank == pytest.approx(5)


def test_eigenvalues_of_many_inputs_on_the_circle_are_those_of_the_kernel() -> None:
    """Equally spaced inputs: the Gram matrix is circulant, and its eigenvalues are sums of lambda_k over aliases."""
    record = found(d=2, degrees=40)
    theta = 2 * np.pi * np.arange(64) / 64
    matrix = record.kernel.sampled(np.cos(theta[:, None] - theta))
    expected = sorted([float(record.eigenvalues[0]), *(2 * [float(x) for x in record.eigenvalues[1:5]])])[::-1]
    np.testing.assert_allclose(gram_spectrum(matrix, "circle").eigenvalues[:5], expected[:5], atol=2e-4)


# --- refusals, forms ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({}, "dimension of 2 or more"),
        ({"d": 1}, "dimension of 2 or more"),
        ({"d": 3, "output": "nkt"}, "expected one of nngp, ntk"),
        ({"d": 3, "degrees": -1}, "degree from 0"),
        ({"on": "gaussian", "d": 3}, "leave d out"),
        ({"on": "gauss"}, "expected sphere, gaussian"),
        ({"on": ((1.0, 2.0),), "d": 2}, "inputs of one's own"),
    ],
)
def test_what_makes_no_sense_is_refused(asked: dict[str, Any], message: str) -> None:
    with pytest.raises(DynamicsError, match=message):
        found(**asked)


@pytest.mark.parametrize("record", [found(d=3), found("erf", d=2, digits=8), found(on="gaussian")])
def test_json_follows_the_schema(record: Any) -> None:
    made = json.loads(json.dumps(record.to_json(), allow_nan=False))
    validate(made, json.loads((SCHEMAS / "spectrum.schema.json").read_text(encoding="utf-8")))
    assert len(made["eigenvalues"]) == len(record.eigenvalues)


def test_a_gram_spectrum_follows_its_schema() -> None:
    made = json.loads(json.dumps(gram_spectrum(np.ones((3, 3)), "ones").to_json(), allow_nan=False))
    validate(made, json.loads((SCHEMAS / "gram_spectrum.schema.json").read_text(encoding="utf-8")))
    assert made["condition_number"] is None
