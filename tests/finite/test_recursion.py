"""The 1/n tensors of perceptrons against recursions written and evaluated by hand."""

from itertools import product

import numpy as np
import pytest
import sympy as sp

import ntksym as ns
from ntksym.errors import FiniteWidthError
from ntksym.finite.tensors import CORRECTIONS, VERTICES
from ntksym.zoo import load
from tests.finite import by_hand

X = np.array([[0.7, -0.4, 0.8], [-0.3, 0.9, 0.6]])
SIGMAS = {"sigma_w": 1.0, "sigma_b": 0.3}
RATE_W, RATE_B = 0.8, 4.0
FUNCTIONS = {
    "tanh": sp.tanh,
    "sin": sp.sin,
    "gelu": lambda z: z * (1 + sp.erf(z / sp.sqrt(2))) / 2,
    "erf": sp.erf,
}
NAMES_BY_HAND = {"T": "T_", "Theta1": "T1"}
LAYERS = 4


def rates_of(program):
    """Learning-rate weights that make lambda differ from C."""
    return {node.name: RATE_W if node.name.endswith(".w") else RATE_B for node in program.parameters}


def values_of(phi, tensors, **numbers):
    program = load("mlp")(phi=ns.activation(phi), depth=LAYERS - 1)
    return ns.finite_width(program, rates=rates_of(program)).evaluate(X, tensors=tensors, **SIGMAS, **numbers)


def hand(phi, layers, r):
    C_W, C_b = SIGMAS["sigma_w"] ** 2, SIGMAS["sigma_b"] ** 2
    gram = X @ X.T / X.shape[1]
    K, T = C_b + C_W * gram, RATE_B * C_b + RATE_W * C_W * gram
    return by_hand.recursion(FUNCTIONS[phi], K, T, C_b, C_W, RATE_B * C_b, RATE_W * C_W, layers, r)


@pytest.mark.parametrize(
    ("phi", "layers"), [("tanh", 3), *(pytest.param(phi, 4, marks=pytest.mark.long) for phi in FUNCTIONS)]
)
def test_every_tensor_at_layers_2_to_4_is_that_of_the_recursions_by_hand(phi, layers):
    r = 2.0  # every layer is twice as wide as the one before
    found, expected = values_of(phi, [*CORRECTIONS, *VERTICES]), hand(phi, layers, r)
    widths = np.array([1.0, r, r**2])
    for layer, tensors in enumerate(expected):
        np.testing.assert_allclose(found.nngp[layer], tensors["K"], rtol=1e-12)
        np.testing.assert_allclose(found.ntk[layer], tensors["T"], rtol=1e-11)
        own = widths[layer - 1] if layer else 1.0
        for name in (*CORRECTIONS, *VERTICES):
            one = tensors[{"G1": "G1", **NAMES_BY_HAND}.get(name, name)]
            np.testing.assert_allclose(
                own * found.at(name, widths, layer), one, rtol=0, atol=1e-10 * max(1, abs(one).max()), err_msg=name
            )


def test_the_first_layer_has_no_corrections():
    found = values_of("tanh", [*CORRECTIONS, *VERTICES])
    assert all((tensor[0] == 0).all() for tensor in found.tensors.values())


def approx(number):
    return pytest.approx(number, rel=1e-12)


def test_tensors_have_their_symmetries():
    found = values_of("relu", ["V", "A", "B", "F"], n=1)
    V, A, B, F = (found.at(name) for name in "VABF")
    for a, b, c, d in product((0, 1), repeat=4):
        assert V[a, b, c, d] == approx(V[b, a, c, d]) == approx(V[c, d, a, b])
        assert A[a, b, c, d] == approx(A[b, a, c, d]) == approx(A[c, d, a, b])
        assert B[a, b, c, d] == approx(B[b, a, d, c]) == approx(B[c, d, a, b])
        assert F[a, b, c, d] == approx(F[c, d, a, b])


n = ns.dim("n")


@ns.program
def whole(x: ns.Vector("d")):
    h = ns.dense(x, n, name="first")
    h = ns.dense(ns.tanh(h), n, name="second")
    return ns.dense(ns.tanh(h), 1, name="out")


@ns.program
def halves(x: ns.Vector("d")):
    """The same law: 0.6 W + 0.8 W' of independent matrices is a matrix with the same variance."""
    h = ns.dense(x, n, name="first")
    h = 0.6 * ns.dense(ns.tanh(h), n, name="one", bias=False) + 0.8 * ns.dense(ns.tanh(h), n, name="two", bias=False)
    h = ns.bias(h, name="second")
    return ns.dense(ns.tanh(h), 1, name="out")


def test_two_matrices_in_one_place_are_one_of_the_same_variance():
    one, two = (ns.finite_width(net).evaluate(X, n=7, **SIGMAS) for net in (whole, halves))
    for name in one.tensors:
        np.testing.assert_allclose(two.at(name), one.at(name), rtol=1e-11, atol=1e-14)


@ns.program
def branches(x: ns.Vector("d")):
    h = ns.dense(x, n, name="first")
    return ns.dense(ns.relu(h), 1, name="one") + ns.dense(ns.relu(h), 1, name="two")


@ns.program
def gated(x: ns.Vector("d")):
    h = ns.dense(x, n, name="first")
    g = ns.dense(x, n, name="gate")
    return ns.dense(h * ns.tanh(g), 1, name="out")


@ns.program
def again(x: ns.Vector("d")):
    h = ns.dense(x, n, name="first")
    w = ns.weight(x, "w", n, n)
    return ns.dense(ns.tanh(ns.matmul(w, ns.tanh(ns.matmul(w, ns.tanh(h))))), 1, name="out")


@pytest.mark.parametrize(
    ("net", "message"),
    [(gated, "no function of one sum of weight layers"), (again, "uses a weight again")],
)
def test_programs_without_terms_are_refused_with_their_line(net, message):
    with pytest.raises(FiniteWidthError, match=message) as caught:
        ns.finite_width(net)
    assert "test_recursion.py:" in str(caught.value)


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("cnn", {}, "made of several positions, whose kernels fluctuate together"),
        ("transformer", {}, "has positions, whose kernels"),
        ("resnet", {"normalise": True}, "divided by a root mean square"),
        ("rnn", {}, "weights shared along time"),
        ("lora", {}, "transposed, constant or looked-up weight"),
    ],
)
def test_refusals_say_why(name, settings, message):
    with pytest.raises(FiniteWidthError, match=message):
        ns.finite_width(load(name)(**settings), sizes={"L": 2} if name in ("resnet", "transformer") else {})


def test_branches_have_leading_terms_and_are_not_exact():
    record = ns.finite_width(branches)
    assert record.evaluate(X, n=4).at("V").shape == (2, 2, 2, 2)
    with pytest.raises(FiniteWidthError, match="branch"):
        record.exact([[1, 2, 3]], n=4)
