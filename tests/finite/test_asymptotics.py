"""Power laws in depth at criticality: against known ones, and against the recursion itself, many layers deep."""

from math import log

import pytest
import sympy as sp

import ntksym as ns
from ntksym.errors import FiniteWidthError
from ntksym.finite import depth_laws, one_input_recursion
from ntksym.finite.exact import slopes_of
from ntksym.finite.tensors import FLUCTUATIONS

l, K = sp.Symbol("l", real=True), sp.Symbol("K", positive=True)
lambda_W, lambda_b = sp.Symbol("lambda_W", positive=True), sp.Symbol("lambda_b", real=True)


@pytest.mark.parametrize("phi", ["relu", "leaky_relu(0.5)", "identity", "abs"])
def test_scale_invariant_activations(phi):
    """V -> c K^2 l, F -> (e/2) s K l^2, B -> (e/3) s^2 l^3, n Var(H)/E[H]^2 -> (7e - 3) l / 3 (Hanin and Nica 2019)."""
    slopes = [sp.Rational(s.numerator, s.denominator) for s in slopes_of(ns.activation(phi).expr)]
    A2, A4 = (sum(s**k for s in slopes) / 2 for k in (2, 4))
    e = A4 / A2**2
    found, s = depth_laws(phi), lambda_b + lambda_W * A2 * K
    assert (found.kind, found.C_W) == ("scale-invariant", 1 / A2)
    expected = {"V": (3 * e - 1) * K**2 * l, "F": e / 2 * s * K * l**2, "B": e / 3 * s**2 * l**3, "G1": 0, "Theta1": 0}
    for name, law in expected.items():
        assert sp.expand(found.laws[name].expression - law) == 0, name
    assert sp.expand(depth_laws(phi, lambda_b=0).ntk_variance - (7 * e - 3) * l / 3) == 0


def test_relu_has_five_and_eleven_thirds():
    found = depth_laws("relu", lambda_b=0)
    assert found.laws["V"].expression == 5 * K**2 * l
    assert found.ntk_variance == sp.Rational(11, 3) * l
    assert "V ~ 5*K**2*l" in str(found)
    assert r"V &\sim 5 K^{2} l" in found.to_latex()


@pytest.mark.parametrize(("phi", "kernel"), [("tanh", sp.Rational(1, 2)), ("sin", 1), ("erf", sp.Rational(1, 2))])
def test_odd_activations_whose_kernel_falls_to_zero(phi, kernel):
    """V -> (2/3) K^2 l, G1 -> -(1/3) K l (Roberts, Yaida and Hanin 2022, chapter 5)."""
    found = depth_laws(phi)
    k = found.laws["K"].expression
    assert sp.simplify(k - kernel / l) == 0
    assert sp.simplify(found.laws["V"].expression - sp.Rational(2, 3) * k**2 * l) == 0
    assert sp.simplify(found.laws["G1"].expression + k * l / 3) == 0


def deep(phi, C_W, rates, depths):
    """All tensors at some depths, from K = Theta = 1, by the recursion at one input."""
    found = one_input_recursion(phi)
    values = {bracket.symbol: bracket.value for bracket in found.brackets}
    names = ("K", "Theta", *FLUCTUATIONS)
    numbers = {"C_b": 0, "C_W": C_W, "r": 1, **rates}
    lines = [x.xreplace(values) for name, x in found.lines]
    lines = [x.subs({s: numbers[s.name] for s in x.free_symbols if s.name in numbers}) for x in lines]
    symbols = [next((s for x in lines for s in x.free_symbols if s.name == name), sp.Symbol(name)) for name in names]
    step = sp.lambdify(symbols, lines, "math", cse=True)
    order = [name for name, _ in found.lines]
    state, out = dict.fromkeys(names, 0.0) | {"K": 1.0, "Theta": 1.0}, []
    for depth in range(2, max(depths) + 1):
        state = dict(zip(order, step(*(state[name] for name in names)), strict=True))
        if depth in depths:
            out.append(state)
    return out


@pytest.mark.parametrize(("phi", "rate"), [("relu", 0), ("leaky_relu(0.5)", 2), ("sin", 1)])
def test_the_recursion_approaches_the_laws(phi, rate):
    """Corrections are of relative order log(l)/l, so ten times the depth takes more than half of them away."""
    laws = depth_laws(phi, lambda_b=rate)
    depths = (2000, 20000)
    states = deep(phi, laws.C_W, {"lambda_W": 1.5, "lambda_b": rate}, depths)
    for name, law in laws.laws.items():
        if law.coefficient == 0:
            assert all(state[name] == pytest.approx(0, abs=1e-12) for state in states)
            continue
        off = [
            abs(state[name] / float(law.expression.subs({l: depth, K: 1, lambda_W: 1.5})) - 1)
            for state, depth in zip(states, depths, strict=True)
        ]
        assert off[1] < 10 * log(depths[1]) / depths[1], name
        assert off[1] < 0.5 * off[0] or off[1] < 1e-9, name


@pytest.mark.parametrize(
    ("phi", "options", "message"),
    [
        ("gelu", {}, "does not drive its kernel to zero"),
        ("sigmoid", {}, "does not keep a kernel of zero"),
        ("hard_tanh", {}, "has kinks"),
        ("relu", {"tensors": ["P"]}, "no law is derived for P"),
        ("sin", {"lambda_b": 0}, "the law of D is not determined"),
    ],
)
def test_what_has_no_laws_is_refused(phi, options, message):
    with pytest.raises(FiniteWidthError, match=message):
        depth_laws(phi, **options)


def test_tensors_that_have_a_law_can_be_asked_for_alone():
    found = depth_laws("sin", lambda_b=0, tensors=["V", "B"])
    assert list(found.laws) == ["K", "Theta", "V", "B"]
