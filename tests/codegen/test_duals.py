"""Duals as functions of an angle: found for all that are homogeneous, for nothing else, with all digits at the ends."""

from typing import Any

import mpmath
import pytest
import sympy

from ntksym.codegen.duals import Halves, angular
from ntksym.gaussian import dual, expect
from ntksym.gaussian.duals import pqr
from ntksym.language.activations import activation, activations

HOMOGENEOUS = ["z", "z**2", "z**3", "Max(z, 0)**2", "Max(z, 0)**3", "z*Abs(z)", "2*Max(z, 0) - Min(z, 0)"]
OTHERS = ["exp(z/2)", "1 + z", "Max(z - 1, 0)", "Max(z, 0) + z**2", "erf(z)", "z*Phi(z)"]


def form_of(phi: str) -> Any:
    p, _, _ = pqr()
    return angular(dual(phi).expression, expect([phi, phi], [[p, p], [p, p]]).expression)


def at(halves: Halves, alpha: Any) -> Any:
    """The value at an acute angle, of the coefficients as they are, with all digits that mpmath has."""
    g = 2 * mpmath.sin(alpha / 2) ** 2
    even, odd = (mpmath.fsum(mpmath.mpf(x) * g**k for k, x in enumerate(own)) for own in (halves.even, halves.odd))
    return even + mpmath.mpf(halves.factor) * mpmath.sqrt(2 * g) * g**halves.order * odd


@pytest.mark.parametrize("phi", HOMOGENEOUS)
def test_homogeneous_activations_have_an_angular_dual(phi: str) -> None:
    """What is small at an end has all of its digits there: 1 - kappa on the near side, kappa or 1 - |kappa| beyond."""
    form = form_of(phi)
    assert form is not None
    p, q, r = pqr()
    function = sympy.lambdify((p, q, r), dual(phi).expression, "mpmath")
    with mpmath.workdps(200):
        size = mpmath.mpf("1.7")
        level = function(size, size, size * (1 - mpmath.mpf(10) ** -180))
        for alpha in map(mpmath.mpf, ("1e-12", "1e-9", "1e-4", "0.05", "0.3", "1", "1.57")):
            near, far = (function(size, size, size * mpmath.cos(x)) / level for x in (alpha, mpmath.pi - alpha))
            assert mpmath.almosteq(at(form.near, alpha), 1 - near, 1e-15, 0)
            middle = 1e-15 if alpha > 0.2 else 0  # where nothing vanishes, or kappa changes sign
            assert mpmath.almosteq(at(form.far, alpha), far, 2e-15, middle)
            if form.far_gap is not None:
                assert mpmath.almosteq(at(form.far_gap, alpha), 1 - abs(far), 1e-15, 0)
        assert (form.far_gap is None) == (abs(abs(at(form.far, mpmath.mpf(0))) - 1) > 1e-9)


@pytest.mark.parametrize("phi", OTHERS)
def test_other_activations_have_none(phi: str) -> None:
    assert form_of(phi) is None


@pytest.mark.parametrize("name", [name for name in activations() if activation(name).homogeneity is not None])
def test_what_says_that_it_is_homogeneous_is_found(name: str) -> None:
    assert form_of(name) is not None
