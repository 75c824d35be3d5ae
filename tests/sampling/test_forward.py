"""Networks on JAX against the interpreter: weight by weight, value by value, for every operation and architecture."""

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from ntksym import language as ns
from ntksym import zoo
from ntksym.language import Program
from ntksym.sampling import network
from ntksym.sampling.forward import structure
from ntksym.sampling.rules import rules
from tests.language.programs import PROGRAMS, inputs_for, sizes_for
from tests.sampling.architectures import SETTINGS, architecture, zoo_inputs, zoo_sizes

jax = pytest.importorskip("jax", reason='needs the extra "networks"')


def agrees(program: Program, inputs: dict[str, Any], sizes: dict[str, int], *, outputs: bool = False) -> None:
    sigmas = {node.attr("sigma"): 0.7 for node in program.parameters} | {}
    sigmas.pop("", None)
    weights = ns.draw(program, sizes, **sigmas)
    net = network(program, sizes, dtype="float64")
    stacked = net.stacked(weights)
    drawn = jax.eval_shape(net.init, jax.random.key(0))
    assert {name: array.shape for name, array in drawn.items()} == {k: v.shape for k, v in stacked.items()}
    for name, array in net.copies(stacked).items():
        assert_array_equal(array, weights[name])
    assert len(net.copies(stacked)) == len(weights)

    expected = ns.values(program, weights, inputs, sizes)
    found = net.unrolled(net.values(weights, inputs))
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        if value.dtype.kind == "i":
            assert_array_equal(found[name], value)
        else:
            assert found[name].dtype == np.float64
            assert_allclose(found[name], value, rtol=1e-10, atol=1e-11, err_msg=name)
    if not outputs:
        return  # it would be compiled once more, and the values contain the output
    found_outputs = net.apply(weights, inputs)
    reference = ns.run(program, weights, inputs, sizes)
    for a, b in zip(*(x if isinstance(x, tuple) else (x,) for x in (found_outputs, reference)), strict=True):
        assert_allclose(a, b, rtol=1e-10, atol=1e-11)


def test_every_operation_has_a_rule() -> None:
    assert set(ns.operations) == set(rules) | set(structure)
    assert not set(rules) & set(structure)


def test_every_operation_stands_in_a_program() -> None:
    """A new operation must be added to tests/language/programs.py, or the test below would not see it."""
    assert {node.op for program in PROGRAMS.values() for node in program.nodes.values()} == set(ns.operations)


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_operation_agrees_with_the_interpreter(name: str) -> None:
    program = PROGRAMS[name]
    agrees(program, inputs_for(program, 2), sizes_for(program))


@pytest.mark.parametrize("name", ["mlp", "nested", "accumulating", "graph"])
def test_one_input_without_a_batch_agrees_with_the_interpreter(name: str) -> None:
    program = PROGRAMS[name]
    agrees(program, inputs_for(program, None), sizes_for(program), outputs=True)


@pytest.mark.parametrize("name", sorted({*zoo.names, *SETTINGS}))
def test_every_architecture_agrees_with_the_interpreter(name: str) -> None:
    program = architecture(name)
    sizes = zoo_sizes(program)
    agrees(program, zoo_inputs(program, sizes, 2), sizes)
