"""Formulas at one input: closed forms against the numbers of the recursion, and against known ones."""

import time

import numpy as np
import pytest
import sympy as sp

import ntksym as ns
from ntksym.errors import FiniteWidthError
from ntksym.finite.one_input import one_input_recursion
from ntksym.finite.tensors import CORRECTIONS, FLUCTUATIONS, VERTICES
from ntksym.zoo import load

X = np.array([[0.7, -0.4, 0.8]])
NEW = "z*exp(-z**2) + z*erf(z)/2"
CASES = {
    "relu": FLUCTUATIONS,
    "elu": FLUCTUATIONS,
    "hard_tanh": FLUCTUATIONS,
    "sin": (*CORRECTIONS, *VERTICES),
    "erf": ("V", "G1"),
    NEW: ("V", "G1"),
}


@pytest.mark.parametrize("phi", CASES)
def test_closed_forms_are_what_the_recursion_gives_in_numbers(phi):
    tensors = CASES[phi]
    start = time.process_time()  # other processes may keep the machine busy
    found = one_input_recursion(phi, tensors)
    assert time.process_time() - start < 20
    program = load("mlp")(phi=ns.activation(phi), depth=2)
    numbers = ns.finite_width(program).evaluate(X, tensors=tensors, sigma_w=1.3, sigma_b=0.3)
    known = {"C_W": 1.69, "C_b": 0.09, "lambda_W": 1.69, "lambda_b": 0.09, "r": 1.0}
    known |= {"K": numbers.nngp[1][0, 0], "Theta": numbers.ntk[1][0, 0]}
    known |= {name: numbers.at(name, 1.0, 1).item() for name in tensors}
    expected = {"K": numbers.nngp[2][0, 0], "Theta": numbers.ntk[2][0, 0]}
    expected |= {name: numbers.at(name, 1.0, 2).item() for name in tensors}
    values = {bracket.symbol: bracket.value for bracket in found.brackets}
    for name, expression in found.lines:
        full = expression.xreplace(values)
        value = float(full.subs({s: known[s.name] for s in full.free_symbols}))
        assert value == pytest.approx(expected[name], rel=1e-9, abs=1e-12), name


def test_vertex_of_relu_is_five_quarters_of_squares():
    closed = one_input_recursion("relu", ("V",)).closed
    K, V, r, C_W = (s for name in ("K", "V", "r", "C_W") for s in closed["V"].free_symbols if s.name == name)
    assert sp.expand(closed["V"] - C_W**2 * (5 * K**2 + r * V) / 4) == 0


def test_what_has_no_closed_form_keeps_its_brackets():
    found = one_input_recursion("tanh", ("V",))
    assert found.evidence.kind == "quadrature"
    assert found.to_text().startswith("1/n tensors at one input, phi = tanh")
    assert r"\left\langle \left(\sigma\right)^{4} \right\rangle" in found.to_latex()
    assert r"V^{(\ell+1)} &=" in found.to_latex()
    assert r"\mathbb{E}" in found.to_latex(closed=True)


def test_second_derivatives_at_kinks_are_refused():
    with pytest.raises(FiniteWidthError, match="kinks"):
        one_input_recursion("relu", ("P",))
    with pytest.raises(FiniteWidthError, match="no tensor W"):
        one_input_recursion("relu", ("W",))
