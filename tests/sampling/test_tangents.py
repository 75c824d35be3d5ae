"""The empirical tangent kernel against a full Jacobian, for every operation and architecture."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

from ntksym import language as ns
from ntksym import zoo
from ntksym.errors import SamplingError
from ntksym.language import Program
from ntksym.sampling import network, precision
from ntksym.sampling.tangents import tangent_kernel, tangent_kernels
from tests.language.programs import PROGRAMS, inputs_for, sizes_for
from tests.sampling.architectures import SETTINGS, architecture, zoo_inputs, zoo_sizes

jax = pytest.importorskip("jax", reason='needs the extra "networks"')


def parts_agree(program: Program, inputs: Any, sizes: dict[str, int]) -> None:
    net = network(program, sizes, dtype="float64")
    sigmas = dict.fromkeys({node.attr("sigma") for node in program.parameters} - {""}, 0.7)
    weights = ns.draw(program, sizes, **sigmas)
    with precision("float64"):
        fast = jax.jit(lambda w: tangent_kernels(net, w, inputs))(weights)
        full = jax.jit(lambda w: tangent_kernels(net, w, inputs, method="jacobian"))(weights)
    assert fast.keys() == full.keys()
    scale = max(np.abs(part).max() for part in full.values())
    for name, part in full.items():
        assert_allclose(fast[name], part, rtol=1e-10, atol=1e-11 * scale, err_msg=name)


@ns.program
def shifted(x: ns.Sequence("T", "d_in")) -> ns.Value:
    """A weight before and one after what no other program with weights does: a shift."""
    h = ns.shift(ns.dense(x, 4, name="first"), "T", 2)
    return ns.dense(ns.activation("tanh")(ns.rmsnorm(h)), 2, name="second")


CASES = {**PROGRAMS, "shifted": shifted()}
SHORT = {"mlp", "accumulating", "graph", "experts", "shifted"}
TRAINED = [name for name, program in CASES.items() if program.parameters]


def test_every_operation_stands_in_a_program_with_weights() -> None:
    """A new operation must be added to a program here, or the test below would not see it."""
    assert {node.op for name in TRAINED for node in CASES[name].nodes.values()} == set(ns.operations)


@pytest.mark.parametrize("name", [n if n in SHORT else pytest.param(n, marks=pytest.mark.long) for n in TRAINED])
def test_every_operation_agrees_with_a_full_jacobian(name: str) -> None:
    program = CASES[name]
    parts_agree(program, inputs_for(program, 2), sizes_for(program))


@pytest.mark.long
@pytest.mark.parametrize("name", sorted({*zoo.names, *SETTINGS}))
def test_every_architecture_agrees_with_a_full_jacobian(name: str) -> None:
    program = architecture(name)
    sizes = zoo_sizes(program)
    parts_agree(program, zoo_inputs(program, sizes, 2), sizes)


@ns.program
def tied(tokens: ns.Tokens(3)) -> ns.Value:
    h, table = ns.embedding(tokens, 5, name="embed", vocab=7)
    return ns.tied_readout(ns.activation("tanh")(ns.bias(h, name="shift")), table)


def test_multipliers_and_two_sets_of_inputs() -> None:
    rows = {
        "embed.w": SimpleNamespace(
            multiplier=2.0, init_std=0.5, lr=1.0, eps=None, weight_decay=None, tied=[("v4", 0.25)]
        ),
        "shift": SimpleNamespace(multiplier=3.0, init_std=0.5, lr=1.0, eps=None, weight_decay=None),
    }
    net = network(tied, {}, settings=rows, dtype="float64")
    assert "v4" in net.labels
    weights = net.init(0)
    first, second = np.array([[0, 6, 2], [1, 1, 3]]), np.array([6, 2, 2])
    found = tangent_kernels(net, weights, first, second)
    full = tangent_kernels(net, weights, first, second, method="jacobian")
    for name, part in full.items():
        assert part.shape == (2, 21, 1, 21)
        assert_allclose(found[name], part, rtol=1e-10, atol=1e-12)
    assert_allclose(tangent_kernel(net, weights, first, second), sum(full.values()), rtol=1e-10, atol=1e-12)


def test_frozen_parameters_have_no_part() -> None:
    net = network(zoo.load("lora")(), {"n": 6, "d_in": 4, "r": 2})
    names = set(tangent_kernels(net, net.init(0), np.ones(4)))
    assert names == {node.name for node in net.program.parameters if node.attr("trainable")} < set(net.parameters)


def test_an_unknown_method_is_named() -> None:
    net = network(tied, {})
    with pytest.raises(SamplingError, match="write one of: structured, jacobian"):
        tangent_kernels(net, net.init(0), np.zeros(3, int), method="fast")
