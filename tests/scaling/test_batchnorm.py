"""Normalisation over a batch that is an axis: the exponents of layer normalisation, held against trained networks.

That a network with batch normalisation has the hidden initial weights and rates of one without, and vectors' rates for
its gains and shifts, is what muP's authors use for ResNets (Yang et al. 2022, appendix on image classification).
"""

import numpy as np
import pytest

import ntksym as ns
from ntksym.errors import KernelError

n, L = ns.dims("n L")


def over_batch(x: ns.Value, name: str) -> ns.Value:
    return ns.batchnorm(x, "batch", name=name)


def over_layer(x: ns.Value, name: str) -> ns.Value:
    return ns.layernorm(x, name=name)


def network(norm) -> ns.Program:
    @ns.program
    def net(x: ns.Sequence(8, 5, name="batch")):
        def block(h):
            g = ns.relu(norm(ns.dense(h, n, name="up", bias=False), "one"))
            return h + L**-0.5 * norm(ns.dense(g, n, name="down", bias=False), "two")

        h = ns.repeat(L, block, norm(ns.dense(x, n, name="embed", bias=False), "norm"))
        return ns.dense(ns.relu(h), 1, name="readout")

    return net()


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "muon"])
def test_exponents_are_those_of_layer_normalisation(optimizer: str) -> None:
    one, other = (ns.scaling_table(network(norm), optimizer=optimizer) for norm in (over_batch, over_layer))
    for mine, theirs in zip(one.parameters, other.parameters, strict=True):
        for column in ("multiplier", "init_std", "lr", "eps", "weight_decay"):
            assert mine.column(column) == theirs.column(column), (mine.name, column)
    assert one.verdict.stable
    assert one.verdict.regime == other.verdict.regime == "feature learning"


def test_hidden_weights_and_vectors() -> None:
    table = ns.scaling_table(network(over_batch))
    assert (str(table["block.up.w"].init_std), str(table["block.up.w"].lr)) == ("n^(-1/2)", "n^-1*L^(-1/2)")
    assert (str(table["block.one.g"].lr), str(table["block.one.b"].lr)) == ("L^(-1/2)", "L^(-1/2)")
    assert (str(table["norm.g"].lr), str(table["readout.w"].lr)) == ("1", "n^-1")


@pytest.mark.long
def test_networks_move_as_derived() -> None:
    rng = np.random.default_rng(0)
    data = rng.normal(size=(16, 8, 5)), rng.normal(size=(16, 8, 1))
    check = ns.coord_check(
        network(over_batch), widths=(32, 64, 128, 256), dim="n", sizes={"L": 3}, samples=24, batch=4, data=data
    )
    assert check.ok


def test_the_kernel_is_refused() -> None:
    with pytest.raises(KernelError, match="batch normalisation does, whose kernel is an expectation over all"):
        ns.kernel_recursion(network(over_batch))
