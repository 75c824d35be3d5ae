"""Compiled terms at pairs of inputs against the plain recursion, to ten digits."""

import numpy as np
import pytest

import ntksym as ns
from ntksym.errors import FiniteWidthError
from ntksym.finite.tensors import FLUCTUATIONS
from ntksym.zoo import load

RNG = np.random.default_rng(1)
X, Y = RNG.standard_normal((4, 5)), RNG.standard_normal((4, 5))
SIGMAS = {"sigma_w": 1.2, "sigma_b": 0.3}


ZERO = 1e-15
"""How far what vanishes may be from zero, where kernels are of order one."""


def assert_alike(record, **numbers):
    found = record.compile(**numbers)(X, Y)
    for k in range(2):
        expected = record.evaluate(np.stack([X[k], Y[k]]), **numbers)
        np.testing.assert_allclose(found.nngp[k], expected.nngp[-1], rtol=1e-10)
        np.testing.assert_allclose(found.ntk[k], expected.ntk[-1], rtol=1e-10)
        assert found.tensors.keys() == set(FLUCTUATIONS)
        for name, tensor in found.tensors.items():
            one = expected.at(name)
            atol = 1e-10 * abs(one).max() or ZERO
            np.testing.assert_allclose(tensor[k], one, rtol=0, atol=atol, err_msg=name)
    return found


def perceptron(phi, depth=3, **rates):
    return ns.finite_width(load("mlp")(phi=ns.activation(phi), depth=depth), **rates)


@pytest.mark.parametrize(
    "phi",
    [
        "tanh",
        "relu",
        *(pytest.param(phi, marks=pytest.mark.long) for phi in ("gelu", "sin", "erf", "identity", "leaky_relu", "abs")),
    ],
)
def test_every_tensor_is_that_of_the_plain_recursion(phi):
    record = perceptron(phi, rates={"readout.w": 2, "layer.hidden.b": 3})
    found = assert_alike(record, n=50, **SIGMAS)
    if phi in ("relu", "leaky_relu", "abs"):
        assert found.evidence.kind == "exact"
    else:
        assert found.evidence.bound <= 1e-10


n, m = ns.dims("n m")


@ns.program
def mixed(x: ns.Vector(5)):
    """Two activations, two widths, data that are read twice, a factor."""
    h = ns.dense(x, n, name="first")
    h = ns.dense(ns.tanh(h), m, name="second") + 0.7 * ns.dense(x, m, name="skip", bias=False)
    return ns.dense(ns.relu(h), 1, name="out")


def test_layers_of_two_kinds_and_widths():
    assert_alike(ns.finite_width(mixed), n=30, m=70, **SIGMAS)


@pytest.mark.long
def test_a_deep_perceptron_of_relu():
    """At criticality, 50 layers: inputs become parallel, and digits are lost there in both ways."""
    assert_alike(perceptron("relu", 50), n=1000, sigma_w=2**0.5, sigma_b=0.0)


@pytest.mark.parametrize(
    ("phi", "x", "numbers", "message"),
    [
        ("relu", [[1.0, 2.0]], {}, "a number is needed for the width n"),
        ("relu", [[1.0, 2.0]], {"n": 0}, "a width of 0 is not positive"),
        ("relu", [[3.0, 4.5]], {"n": 9}, "parallel"),
        ("tanh", [[0.0, 0.0]], {"n": 9, "sigma_b": 0.0}, "variance zero"),
        ("tanh", [[1.0, 1.0]], {"n": 9, "sigma_w": 40.0}, "too large for series"),
        ("tanh", [[1.0, 1.0], [1.0, 1.0]], {"n": 9}, "as many first as second"),
    ],
)
def test_what_cannot_be_computed_is_refused(phi, x, numbers, message):
    with pytest.raises(FiniteWidthError, match=message):
        perceptron(phi).compile(**{"sigma_b": 0.0, **numbers})(x, [[2.0, 3.0]])


def test_what_cannot_be_compiled_is_refused():
    with pytest.raises(FiniteWidthError, match="has kinks, and its brackets"):
        perceptron("elu").compile(n=4)
    resnet = ns.finite_width(load("resnet")(phi=ns.tanh), sizes={"L": 2})
    with pytest.raises(FiniteWidthError, match="share coordinates; compiled terms are derived for perceptrons"):
        resnet.compile(n=4)
