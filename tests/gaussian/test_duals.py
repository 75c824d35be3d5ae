"""Every dual and derivative dual against integrals, against Price, and the evidence that is claimed for it."""

from functools import lru_cache
from typing import Any

import mpmath
import numpy as np
import pytest
import sympy
from mpmath import mpf
from sympy import Rational, sqrt

from ntksym.gaussian import Answer, GaussianError, dual, dual_derivative, dual_derivative_by_price, evaluate
from ntksym.gaussian.duals import pqr
from ntksym.language.activations import activation, activations
from tests.gaussian import reference
from tests.gaussian.functions import PLAIN

DIGITS = 25
NEAR_ONE = 1 - Rational(1, 10**10)
# one grid serves all of these in the reference
ALL_KINKS = (-3, -1, 0, 1, 3, 6)
CLOSED = pytest.mark.parametrize("name", PLAIN)
UNSOLVED = ("gelu_tanh", "mish", "sigmoid", "silu", "softplus", "softsign", "tanh")
GRID = [(Rational(3, 2), Rational(1, 2))]
LONG_GRID = [(Rational(1), Rational(1)), (Rational(1, 10), Rational(3)), (Rational(4), Rational(4))]


def at(answer: Answer, p: Any, q: Any, rho: Any) -> Any:
    found = evaluate(answer, {"p": p, "q": q, "r": rho * sqrt(p * q)}, DIGITS + 2)
    assert found.evidence.kind == "exact"
    return found.value


def integral(name: str, p: Any, q: Any, rho: Any, derivative: bool = False) -> Any:
    plain = PLAIN[name]
    f = plain.prime if derivative else plain.phi
    kinks = ALL_KINKS if abs(rho) < Rational(4, 5) else plain.kinks
    with mpmath.workdps(reference.DPS):
        p, q, rho = (mpmath.mpf(int(x.p)) / int(x.q) for x in map(sympy.sympify, (p, q, rho)))
        if rho == 0:
            return _mean(f, plain.kinks, p) * _mean(f, plain.kinks, q)
        return reference.pair(f, f, kinks, p, q, rho)


def _mean(f: Any, kinks: Any, variance: Any) -> Any:
    return reference.single(f, kinks, mpmath.sqrt(variance))


def agree(found: Any, expected: Any, digits: int = DIGITS) -> None:
    with mpmath.workdps(reference.DPS):
        assert abs(found - expected) <= mpmath.mpf(10) ** -digits * (1 + abs(expected))


@CLOSED
@pytest.mark.parametrize("rho", [Rational(3, 5), 0, 1, -1])
def test_dual_is_the_integral(name: str, rho: Any) -> None:
    for p, q in GRID:
        agree(at(dual(name), p, q, sympy.sympify(rho)), integral(name, p, q, rho))


@CLOSED
@pytest.mark.parametrize("rho", [Rational(3, 5), 1])
def test_derivative_dual_is_the_integral(name: str, rho: Any) -> None:
    if PLAIN[name].jumps:
        pytest.skip("the derivative has delta functions; see the test of sign")
    for p, q in GRID:
        agree(at(dual_derivative(name), p, q, sympy.sympify(rho)), integral(name, p, q, rho, derivative=True))


@pytest.mark.parametrize("name", ["relu", "gelu", "rbf", "z**2*exp(z/2)"])
def test_digits_stand_next_to_correlation_one(name: str) -> None:
    p, q = GRID[0]
    agree(at(dual(name), p, q, NEAR_ONE), integral(name, p, q, NEAR_ONE))


@pytest.mark.long
@CLOSED
@pytest.mark.parametrize("rho", [Rational(-7, 10), Rational(1, 10), 0, 1, -1, NEAR_ONE, -NEAR_ONE])
@pytest.mark.parametrize("derivative", [False, True])
def test_full_grid(name: str, rho: Any, derivative: bool) -> None:
    if derivative and PLAIN[name].jumps:
        pytest.skip("the derivative has delta functions")
    answer = dual_derivative(name) if derivative else dual(name)
    for p, q in LONG_GRID:
        agree(at(answer, p, q, sympy.sympify(rho)), integral(name, p, q, rho, derivative))


@CLOSED
def test_price_is_a_second_derivation(name: str) -> None:
    direct, price = dual_derivative(name), dual_derivative_by_price(name)
    p, q = Rational(2), Rational(3, 4)
    agree(at(direct, p, q, Rational(-1, 3)), at(price, p, q, Rational(-1, 3)))
    values = {"p": p, "q": q, "r": NEAR_ONE * sqrt(p * q)}
    agree(*(evaluate(answer, values, 10).value for answer in (direct, price)), 9)


# --- special places ------------------------------------------------------------------------------------


@CLOSED
def test_zero_variance_is_the_value_at_the_mean(name: str) -> None:
    plain, q = PLAIN[name], Rational(1, 2)
    found = evaluate(dual(name), {"p": 0, "q": q, "r": 0}, DIGITS)
    with mpmath.workdps(reference.DPS):
        mean = reference.single(plain.phi, plain.kinks, mpmath.sqrt(mpmath.mpf(1) / 2))
        agree(found.value, plain.phi(mpmath.mpf(0)) * mean)


def test_derivative_of_a_jump_is_a_density() -> None:
    p, q, r = pqr()
    expected = 2 / (sympy.pi * sqrt(p * q - r**2))
    assert sympy.simplify(dual_derivative("sign").expression - expected) == 0
    with pytest.raises(GaussianError, match="infinite"):
        evaluate(dual_derivative("sign"), {"p": 1, "q": 1, "r": 1})


def test_relu_is_the_arc_cosine_kernel() -> None:
    p, q, r = pqr()
    expected = (sqrt(p * q - r**2) + r * (sympy.pi / 2 + sympy.asin(r / sqrt(p * q)))) / (2 * sympy.pi)
    assert sympy.simplify(dual("relu").expression - expected) == 0
    assert (
        sympy.simplify(dual_derivative("relu").expression - (1 + 2 / sympy.pi * sympy.asin(r / sqrt(p * q))) / 4) == 0
    )


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("erf", "2/pi*asin(2*r/sqrt((1 + 2*p)*(1 + 2*q)))"),
        ("rbf", "exp(r - p/2 - q/2)"),
        ("exp", "exp(p/2 + q/2 + r)"),
        ("square", "p*q + 2*r**2"),
        ("gaussian", "1/sqrt((1 + p)*(1 + q) - r**2)"),
    ],
)
def test_known_forms(name: str, expected: str) -> None:
    p, q, r = pqr()
    form = sympy.sympify(expected, {"p": p, "q": q, "r": r})
    assert sympy.simplify(dual(name).expression - form) == 0


# --- all that are registered ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", activations())
def test_every_activation_says_how_it_is_known(name: str) -> None:
    answer = dual(name)
    if name in UNSOLVED:
        assert answer.strategy == "numeric"
        assert answer.evidence.kind == "quadrature"
        assert "no closed form" in answer.evidence.note
    else:
        assert (answer.evidence.kind, answer.evidence.note) == ("exact", "")
        assert name in PLAIN, "a closed form without a test: add the plain function to tests/gaussian/functions.py"
    assert answer.latex()


@pytest.mark.parametrize("name", UNSOLVED)
def test_numbers_keep_their_bound(name: str) -> None:
    """The Price identity holds between two numbers that come from different integrands, by their bounds."""
    p, q, r = Rational(3, 2), Rational(1, 2), Rational(1, 3)
    phi = activation(name)
    found = evaluate(dual(name), {"p": p, "q": q, "r": r}, 12)
    assert found.evidence.kind in ("series", "quadrature")
    bound = found.evidence.bound
    assert bound is not None
    with mpmath.workdps(reference.DPS):
        kinks = (0,) if name == "softsign" else ()
        expected = _slow_pair(phi, kinks, float(p), float(q), float(r))
    assert abs(float(found.value) - expected) <= bound + 2e-13
    assert bound < 1e-9


def _slow_pair(phi: Any, kinks: Any, p: float, q: float, r: float) -> float:
    """Gauss-Legendre in float64 on a grid that no strategy uses."""
    x, w = (np.array([float(value) for value in column]) for column in zip(*reference.nodes(kinks), strict=True))
    rho = r / (p * q) ** 0.5
    rest = (1 - rho**2) ** 0.5
    total = 0.0
    for a, u in zip(x, w, strict=True):
        cuts = [-rho * a / rest for _ in kinks]
        y, v = (np.array([float(value) for value in column]) for column in zip(*_rule(cuts), strict=True))
        total += u * phi(p**0.5 * a) * np.dot(v, phi(q**0.5 * (rho * a + rest * y)))
    return total


def _rule(cuts: Any) -> Any:
    return reference.nodes(cuts) if cuts else _plain_rule()


@lru_cache
def _plain_rule() -> Any:
    return reference.nodes(())


def test_series_and_quadrature_give_tanh_to_twenty_digits() -> None:
    found = evaluate(dual("tanh"), {"p": Rational(3, 2), "q": Rational(1, 2), "r": 3 * sqrt(3) / 10}, 20)
    assert found.evidence.kind == "series"
    assert found.evidence.order is not None
    with mpmath.workdps(reference.DPS):
        expected = reference.pair(mpmath.tanh, mpmath.tanh, ALL_KINKS, mpf(3) / 2, mpf(1) / 2, mpf(3) / 5)
        agree(found.value, expected, 19)
