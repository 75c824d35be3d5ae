"""A table's numbers through Optax."""

import json

import pytest

import ntksym as ns
from ntksym.errors import FrameworkError

jax = pytest.importorskip("jax")
optax = pytest.importorskip("optax")


@pytest.mark.parametrize("nested", [False, True])
def test_each_parameter_moves_at_its_own_rate(nested):
    numbers = ns.scaling_table(ns.zoo.load("mlp"), optimizer="sgd").at(n=256, base={"n": 64}, lr=0.1)
    names = [row.name for row in numbers.parameters]
    parameters = {name: jax.numpy.zeros(3) for name in names}
    if nested:
        parameters = {"input": {kind: parameters[f"input.{kind}"] for kind in "wb"},
                      "readout": {kind: parameters[f"readout.{kind}"] for kind in "wb"},
                      "layer": {"hidden": {kind: parameters[f"layer.hidden.{kind}"] for kind in "wb"}}}  # fmt: skip
    transform = ns.optax_transform(numbers, lambda row: optax.sgd(row.lr))
    ones = jax.tree_util.tree_map(jax.numpy.ones_like, parameters)
    updates, _ = transform.update(ones, transform.init(parameters))
    moved = updates["readout"]["w"] if nested else updates["readout.w"]
    assert float(-moved[0]) == pytest.approx(0.1 * 64 / 256, rel=1e-6)  # single precision
    first = updates["input"]["w"] if nested else updates["input.w"]
    assert float(-first[0]) == pytest.approx(0.1 * 256 / 64, rel=1e-6)


def test_numbers_from_a_file_serve_as_well():
    numbers = ns.scaling_table(ns.zoo.load("mlp")).at(n=256, base={"n": 64}, lr=0.1)
    read = ns.Numbers.from_json(json.loads(json.dumps(numbers.to_json())))
    parameters = {row.name: jax.numpy.zeros(3) for row in numbers.parameters}
    ones = jax.tree_util.tree_map(jax.numpy.ones_like, parameters)
    updates = []
    for rows in (numbers, read):
        transform = ns.optax_transform(rows, lambda row: optax.adam(row.lr, eps=row.eps))
        updates.append(transform.update(ones, transform.init(parameters))[0])
    assert all((updates[0][name] == updates[1][name]).all() for name in parameters)


def test_an_unknown_parameter_is_named():
    numbers = ns.scaling_table(ns.zoo.load("mlp")).at(n=256, base={"n": 64})
    with pytest.raises(FrameworkError, match=r"no parameter 'input.weight'"):
        ns.optax_transform(numbers, lambda row: optax.adam(row.lr)).init({"input.weight": jax.numpy.zeros(3)})
