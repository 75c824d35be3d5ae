"""Duals as functions of an angle: found for all that are homogeneous, for nothing else, with all digits at the ends."""

from typing import Any

import mpmath
import pytest
import sympy

from ntksym.codegen.duals import NEAR, angular
from ntksym.gaussian import dual, expect
from ntksym.gaussian.duals import pqr
from ntksym.language.activations import activation, activations

HOMOGENEOUS = ["z", "z**2", "z**3", "Max(z, 0)**2", "Max(z, 0)**3", "z*Abs(z)", "2*Max(z, 0) - Min(z, 0)"]
OTHERS = ["exp(z/2)", "1 + z", "Max(z - 1, 0)", "Max(z, 0) + z**2", "erf(z)", "z*Phi(z)"]


def form_of(phi: str) -> Any:
    p, _, _ = pqr()
    return angular(dual(phi).expression, expect([phi, phi], [[p, p], [p, p]]).expression)


def at(expression: Any, theta: Any) -> Any:
    """An expression of s, c, theta and phi at an angle, with all digits that mpmath has."""
    s, c, t, f = (sympy.Symbol(name, real=True) for name in ("s", "c", "theta", "phi"))
    found = sympy.lambdify((s, c, t, f), expression, "mpmath")
    return found(mpmath.sin(theta), mpmath.cos(theta), theta, mpmath.pi - theta)


@pytest.mark.parametrize("phi", HOMOGENEOUS)
def test_homogeneous_activations_have_an_angular_dual(phi: str) -> None:
    form = form_of(phi)
    assert form is not None
    p, q, r = pqr()
    function = sympy.lambdify((p, q, r), dual(phi).expression, "mpmath")
    with mpmath.workdps(60):
        for theta in (mpmath.mpf("1e-9"), mpmath.mpf("0.3"), mpmath.mpf(2), mpmath.pi - mpmath.mpf("1e-6")):
            a, b = mpmath.mpf("1.7"), mpmath.mpf("0.4")
            ends = function(a, a, a * (1 - mpmath.mpf(10) ** -50)) * function(b, b, b * (1 - mpmath.mpf(10) ** -50))
            expected = function(a, b, mpmath.sqrt(a * b) * mpmath.cos(theta)) / mpmath.sqrt(ends)
            assert mpmath.almosteq(at(form.kappa, theta), expected, 1e-20, 1e-20)
            assert mpmath.almosteq(at(form.gap, theta), 1 - expected, 1e-20, 1e-20)


@pytest.mark.parametrize("phi", OTHERS)
def test_other_activations_have_none(phi: str) -> None:
    assert form_of(phi) is None


@pytest.mark.parametrize("phi", HOMOGENEOUS)
def test_series_take_over_where_the_formulas_cancel(phi: str) -> None:
    form = form_of(phi)
    with mpmath.workdps(150):
        for angle in (mpmath.mpf(NEAR), mpmath.mpf("1e-4"), mpmath.mpf("1e-12")):
            for series, exact in ((form.near, at(form.gap, angle)), (form.far, at(form.kappa, mpmath.pi - angle))):
                found = mpmath.fsum(mpmath.mpf(sympy.N(x, 150)) * angle**k for k, x in enumerate(series))
                assert mpmath.almosteq(found, exact, 1e-15, 0), (series, angle)


@pytest.mark.parametrize("name", [name for name in activations() if activation(name).homogeneity is not None])
def test_what_says_that_it_is_homogeneous_is_found(name: str) -> None:
    assert form_of(name) is not None
