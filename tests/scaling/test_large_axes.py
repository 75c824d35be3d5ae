"""Position axes that grow: many experts, many heads, long sequences; exponents follow from the sums over them."""

from __future__ import annotations

import pytest

from ntksym import language as ns
from ntksym.scaling import predict_slopes, scaling_table
from tests.scaling.helpers import column, exponents, powers
from tests.scaling.nets import n

E, T = ns.dim("E"), ns.dim("T")


@ns.program
def mixture(x: ns.Vector("d_in"), *, k=None):
    """E experts behind a softmax; only the k best answer if k is set."""
    h = ns.dense(x, n, name="embed", bias=False)
    h = h + ns.moe(ns.rmsnorm(h), n, E, name="moe", phi="relu", k=k)
    return ns.dense(h, 3, name="output", bias=False)


@ns.program
def pooled(x: ns.Sequence(T, "d_in")):
    h = ns.map("tanh", ns.dense(x, n, name="input", bias=False))
    return ns.dense(ns.pool(h, "T"), 3, name="output", bias=False)


@ns.program
def long_sequence(x: ns.Sequence(T, "d_in")):
    h = ns.dense(x, n, name="embed", bias=False)
    h = h + ns.attention(ns.rmsnorm(h), 4, name="attn")
    return ns.dense(ns.pool(h, "T"), 3, name="output", bias=False)


# --- experts: every gate is 1/E, so is the gradient of an expert, and the rate of SGD makes up for it -----------------


@pytest.mark.parametrize(
    ("row", "sgd", "eps"),
    [
        ("embed.w", "n", "n^-1"),
        ("moe.up.w", "E", "n^-1 E^-1"),
        ("moe.down.w", "E", "n^-1 E^-1"),
        ("output.w", "n^-1", "1"),
    ],
)
def test_soft_experts(row: str, sgd: str, eps: str) -> None:
    assert column(scaling_table(mixture(), optimizer="sgd"), row, "lr") == powers(sgd)
    table = scaling_table(mixture(), optimizer="adam")
    assert column(table, row, "eps") == powers(eps)
    assert column(table, row, "lr") == powers({"embed.w": "1"}.get(row, "n^-1"))


def test_soft_experts_start_by_vanishing() -> None:
    """At the start E independent experts with gates 1/E add up to E^(-1/2); once trained they agree."""
    slopes = predict_slopes(mixture(), large=["E"])
    gates = next(row for row in slopes.values if row.operation == "softmax")
    answer = next(row for row in slopes.values if row.operation == "mix")
    assert (exponents(gates.init), exponents(gates.changes[-1])) == (powers("E^-1"), powers("E^-1"))
    assert (exponents(answer.init), exponents(answer.changes[-1])) == (powers("E^-1/2"), {})


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_a_fixed_number_of_active_experts_is_a_small_network(optimizer: str) -> None:
    """With the k best only, no entry knows how many others there are."""
    table = scaling_table(mixture(k=2), optimizer=optimizer)
    for row in table.parameters:
        for name in ("init_std", "lr", "eps"):
            assert "E" not in (column(table, row.name, name) or {}), (row.name, name)
    assert column(table, "moe.router.w", "init_std") == powers("n^-1")


# --- sequences ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("program", [pooled(), long_sequence()], ids=lambda p: p.name)
@pytest.mark.parametrize("optimizer", ["sgd", "adam", "muon"])
def test_a_mean_over_a_long_sequence_changes_no_rate(program: ns.Program, optimizer: str) -> None:
    long = scaling_table(program, optimizer=optimizer, large=["n", "T"])
    short = scaling_table(program, optimizer=optimizer, large=["n"])
    for row in short.parameters:
        for name in ("init_std", "lr", "eps", "weight_decay"):
            assert column(long, row.name, name) == column(short, row.name, name), (row.name, name)


def test_attention_over_a_long_sequence_is_of_order_one_over_its_length() -> None:
    slopes = predict_slopes(long_sequence(), large=["T"])
    weights = next(row for row in slopes.values if row.operation == "softmax")
    answer = next(row for row in slopes.values if row.operation == "mix")
    assert exponents(weights.init) == powers("T^-1")
    assert exponents(answer.changes[-1]) == {}


@pytest.mark.parametrize(("program", "large"), [(long_sequence(), "T"), (mixture(), "E")], ids=["T", "E"])
def test_what_can_move_no_further_does_not_lag(program: ns.Program, large: str) -> None:
    """Weights that sum to one over a growing axis are 1/T each: moving by all of that is not too little."""
    assert scaling_table(program, large=[large]).verdict.lagging == ()
