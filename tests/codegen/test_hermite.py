"""Hermite coefficients: against mpmath, against Parseval's theorem, between variances, and refused for corners."""

from typing import Any

import mpmath
import numpy as np
import pytest

from ntksym.codegen import scalars
from ntksym.codegen.hermite import coefficients
from ntksym.errors import KernelError

FUNCTIONS: dict[str, tuple[Any, Any, int]] = {
    "tanh": (np.tanh, mpmath.tanh, -1),
    "sech^2": (lambda z: 1 - np.tanh(z) ** 2, lambda z: mpmath.sech(z) ** 2, 1),
    "SiLU": (lambda z: z / (1 + np.exp(-z)), lambda z: z / (1 + mpmath.exp(-z)), 0),
}


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("variance", [0.01, 1.0, 7.0])
def test_coefficients_are_expectations(name: str, variance: float) -> None:
    f, exact, parity = FUNCTIONS[name]
    found = coefficients(f, np.array([variance]), parity)[0][:, 0]
    orders = {0: range(6), 1: range(0, 12, 2), -1: range(1, 12, 2)}[parity]
    for k, a in zip(orders, found, strict=False):

        def integrand(z: Any, k: int = k) -> Any:
            he = mpmath.hermite(k, z / mpmath.sqrt(2)) / mpmath.sqrt(2) ** k
            return exact(mpmath.sqrt(variance) * z) * he * mpmath.npdf(z) / mpmath.sqrt(mpmath.factorial(k))

        expected = mpmath.quad(integrand, range(-12, 13, 2))
        assert a == pytest.approx(float(expected), rel=1e-11, abs=1e-14)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_nothing_is_missing(name: str) -> None:
    """The sum of squares is E[f^2]; the number of terms is a multiple of four."""
    f, exact, parity = FUNCTIONS[name]
    found, _ = coefficients(f, np.array([2.0]), parity)
    assert len(found) % 4 == 0
    expected = mpmath.quad(lambda z: exact(mpmath.sqrt(2) * z) ** 2 * mpmath.npdf(z), range(-12, 13, 2))
    assert (found**2).sum() == pytest.approx(float(expected), rel=1e-13)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_between_variances_they_are_interpolated(name: str) -> None:
    f, _, parity = FUNCTIONS[name]
    variances = np.concatenate([np.random.default_rng(0).uniform(0, 3, 40), [0.0, 3.0]])
    many, _ = coefficients(f, variances, parity)
    for k in (0, 17, 40, 41):
        one = coefficients(f, variances[k : k + 1], parity)[0][:, 0]
        np.testing.assert_allclose(many[: len(one), k][: len(many)], one[: len(many)], atol=1e-12)


@pytest.mark.parametrize("f", [abs, np.sign, lambda z: np.maximum(z - 0.3, 0)])
def test_corners_and_jumps_are_refused(f: Any) -> None:
    with pytest.raises(KernelError, match="a corner or a jump, or varies fast"):
        coefficients(f, np.array([1.0]), 0)


def test_what_overflows_is_said() -> None:
    with pytest.raises(KernelError, match="too large for floating-point numbers"):
        coefficients(np.cosh, np.array([1e6]), 1)


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("z", [0.0, 1e-3, 0.3, 0.9, 0.999, 1.0])
def test_as_many_terms_are_summed_as_are_needed(name: str, z: float) -> None:
    """What rests bound is what is left out, at every one of several variances; with a small variable few are needed."""
    f, _, parity = FUNCTIONS[name]
    left, left_rests = coefficients(f, np.linspace(0.5, 3, 40), parity)
    right, right_rests = coefficients(f, np.linspace(0.1, 1, 5), parity)
    assert left_rests.shape == (len(left) // 4, 40)
    terms = scalars.needed(z, left_rests[:, 0], right_rests[:, 0])
    most = min(len(left), len(right))
    assert terms <= most
    if z == 1:
        assert terms == most
    if z == 1e-3:
        assert terms < most / 2
    every = (left[:most, :, None] * right[:most, None]) * z ** np.arange(most)[:, None, None]
    left_out = np.abs(every[terms:]).sum(0)
    assert (left_out <= 2 * scalars.NOTHING * np.abs(every[0])).all()


def test_a_function_without_a_first_coefficient_needs_all() -> None:
    """z^3 - 3 z at variance 1 is orthogonal to z: relative to its first term any rest is large."""
    found, rests = coefficients(lambda z: z**3 - 3 * z, np.array([1.0]), -1)
    assert abs(found[0, 0]) < 1e-14
    assert scalars.needed(0.5, rests[:, 0], rests[:, 0]) == len(found)
