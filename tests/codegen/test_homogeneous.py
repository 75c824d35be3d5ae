"""Which programs are homogeneous: found by degrees, and what is found holds when inputs are scaled."""

from typing import Any

import numpy as np
import pytest

import ntksym as ns
from ntksym import zoo

n = ns.dim("n")


@ns.program
def skip(x: ns.Vector("d"), *, phi: ns.Activation = ns.relu) -> ns.Value:
    """A residual network: the sum of a linear path and another one."""
    h = ns.dense(x, n, name="in", bias=False)
    h = h + ns.dense(phi(h), n, name="up", bias=False)
    return ns.dense(h, 1, name="out", bias=False)


@ns.program
def normalised(x: ns.Vector("d")) -> ns.Value:
    h = ns.relu(ns.rmsnorm(ns.dense(x, n, name="in", bias=False), name="norm"))
    return ns.dense(h, 1, name="out", bias=False)


CASES: dict[str, tuple[Any, dict[str, float], bool]] = {
    "relu": (zoo.load("mlp")(bias=False), {}, True),
    "no bias by value": (zoo.load("mlp")(), {"sigma_b": 0.0}, True),
    "bias": (zoo.load("mlp")(), {"sigma_b": 0.1}, False),
    "square": (zoo.load("mlp")(bias=False, depth=2, phi=ns.activation("Max(z, 0)**2")), {}, True),
    "erf": (zoo.load("mlp")(bias=False, phi=ns.activation("erf")), {}, False),
    "tanh": (zoo.load("mlp")(bias=False, phi=ns.activation("tanh"), depth=1), {}, False),
    "resnet": (skip(), {}, True),
    "two degrees": (skip(phi=ns.activation("Max(z, 0)**2")), {}, False),
}


@pytest.mark.parametrize("name", CASES)
def test_degrees_are_found_and_hold(name: str) -> None:
    program, values, expected = CASES[name]
    kernel = ns.compiled_kernel(program, **values)
    assert kernel.module.homogeneous is expected
    x = np.random.default_rng(0).standard_normal((4, 6))
    once, twice = kernel(x), kernel(2 * x, x)
    for one, two in zip(once, twice, strict=True):
        ratio = two / one
        assert (np.ptp(ratio) < 1e-12 * ratio[0, 0]) == expected


def test_a_normalised_network_does_not_see_norms() -> None:
    kernel = ns.compiled_kernel(normalised(), outputs=("nngp",))
    assert kernel.module.homogeneous
    x = np.random.default_rng(1).standard_normal((4, 6))
    np.testing.assert_allclose(kernel(7 * x, x, get="nngp"), kernel(x, get="nngp"), rtol=1e-13)
