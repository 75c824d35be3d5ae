"""Ways of writing the same loop, and what ends in zero-mean values, have the same exponents."""

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest

import ntksym as ns
from ntksym.scaling import ScalingTable, scaling_table
from tests.scaling.unrolled import unrolled, with_copies

n, L, T = ns.dims("n L T_long")
SCALE = L**-0.5

OPTIMIZERS = pytest.mark.parametrize("optimizer", ["sgd", "adam", "muon"])


def columns(table: ScalingTable) -> dict[str, tuple[str, ...]]:
    """Every row by the last two parts of its name."""
    names = ("multiplier", "init_std", "lr", "eps", "weight_decay")
    return {
        ".".join(row.name.split(".")[-2:]): tuple(str(row.column(name)) for name in names) for row in table.parameters
    }


@ns.program
def captured(x: ns.Vector("d_in")):
    h, c = ns.dense(x, n, name="embed"), ns.tanh(ns.dense(x, n, name="context"))
    return ns.dense(ns.repeat(L, lambda h: h + SCALE * ns.dense(ns.relu(h) * c, n, name="mix"), h), 1, name="out")


@ns.program
def carried(x: ns.Vector("d_in")):
    h, c = ns.dense(x, n, name="embed"), ns.tanh(ns.dense(x, n, name="context"))
    h, _ = ns.repeat(L, lambda h, c: (h + SCALE * ns.dense(ns.relu(h) * c, n, name="mix"), c), (h, c))
    return ns.dense(h, 1, name="out")


@OPTIMIZERS
def test_a_value_from_outside_is_a_value_carried_along(optimizer: str) -> None:
    one, other = (scaling_table(net, optimizer=optimizer) for net in (captured, carried))
    assert columns(one) == columns(other)
    assert one.verdict.stable
    assert one["context.w"].lr == one["embed.w"].lr


def tower(branch: Callable[[ns.Value], ns.Value]) -> Any:
    """A residual tower of L branches, normalised before its readout."""

    @ns.program
    def net(x: ns.Vector("d_in")):
        h = ns.repeat(L, lambda h: h + SCALE * branch(h), ns.dense(x, n, name="embed"), name="block")
        return ns.dense(ns.layernorm(h), 1, name="out")

    return net


def linear(h: ns.Value) -> ns.Value:
    return ns.dense(ns.layernorm(h), n, name="w")


def gated(h: ns.Value) -> ns.Value:
    return ns.sigmoid(ns.dense(ns.layernorm(h), 1, name="s")) * linear(h)


@OPTIMIZERS
@pytest.mark.parametrize("branch", [lambda h: ns.tanh(linear(h)), gated], ids=["odd", "gated"])
def test_what_is_odd_in_fresh_weights_walks_at_random(branch: Callable[[ns.Value], ns.Value], optimizer: str) -> None:
    """tanh(W h) and s W h change sign with W, so L of them add up like L^(1/2), as W h itself."""
    assert (
        columns(scaling_table(tower(branch), optimizer=optimizer))["w.w"]
        == columns(scaling_table(tower(linear), optimizer=optimizer))["w.w"]
    )


def test_what_is_not_odd_adds_up() -> None:
    """relu(W h) has a mean: L of them add up like L, so the updates must be smaller still."""
    odd, even = (scaling_table(tower(lambda h, phi=phi: phi(linear(h)))) for phi in (ns.tanh, ns.relu))
    assert str(odd["out.w"].lr) == str(even["out.w"].lr) == "n^-1"
    assert str(odd["embed.w"].lr) == "1"
    assert not odd.verdict.lagging


@OPTIMIZERS
def test_nested_repeats_are_one(optimizer: str) -> None:
    """repeat(L, repeat(1, body)) is repeat(L, body)."""

    def body(h: ns.Value) -> ns.Value:
        return h + SCALE * ns.dense(ns.tanh(h), n, name="w")

    @ns.program
    def nested(x: ns.Vector("d_in")):
        h = ns.repeat(L, lambda h: ns.repeat(1, body, h, name="inner"), ns.dense(x, n, name="embed"), name="outer")
        return ns.dense(h, 1, name="out")

    @ns.program
    def flat(x: ns.Vector("d_in")):
        return ns.dense(ns.repeat(L, body, ns.dense(x, n, name="embed"), name="outer"), 1, name="out")

    assert columns(scaling_table(nested, optimizer=optimizer)) == columns(scaling_table(flat, optimizer=optimizer))


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_a_long_sequence_of_tokens_shares_its_gradient(optimizer: str) -> None:
    """The mean over T positions divides the gradient by T; every row of a table is met T / vocab times."""

    @ns.program
    def bag(tokens: ns.Tokens(T)):
        return ns.dense(ns.pool(ns.tanh(ns.embedding(tokens, n, name="embed")[0]), "T_long"), 1, name="out")

    table = scaling_table(bag, optimizer=optimizer, large=["n", "T_long"])
    lr, eps = table["embed.w"].lr, table["embed.w"].eps
    assert str(lr) == {"sgd": "n", "adam": "1"}[optimizer]
    assert str(eps) == {"sgd": "None", "adam": "n^-1"}[optimizer]


def test_heads_cannot_outnumber_the_width() -> None:
    """n / H coordinates per head are at least one: only directions with n >= H are looked at."""
    H = ns.dim("H")

    @ns.program
    def many_heads(x: ns.Sequence("T", "d_in")):
        h = ns.attention(ns.dense(x, n, name="embed"), H, name="attn")
        return ns.dense(ns.pool(h, "T"), 1, name="out")

    verdict = scaling_table(many_heads, large=["n", "H"]).verdict
    assert (verdict.stable, verdict.regime, verdict.lagging) == (True, "feature learning", ())
    with pytest.raises(ns.errors.NtksymError, match="shrink"):
        scaling_table(many_heads, large=["H"])


@pytest.mark.parametrize("counted", [False, True], ids=["one value", "several values"])
@pytest.mark.parametrize(("optimizer", "lr", "eps"), [("sgd", "1", "None"), ("adam", "n^-1*L^(-1/2)", "n^-1*L^(-1/2)")])
def test_a_normalised_stream_needs_no_branch_scale(optimizer: str, lr: str, eps: str, counted: bool) -> None:
    """Without a scale the stream grows to L^(1/2), and what reads it is normalised: the rates are those of L^(-1/2)."""

    @ns.program
    def unscaled(x: ns.Vector("d_in")):
        def block(h: ns.Value) -> ns.Value:
            return h + ns.dense(ns.relu(ns.dense(ns.layernorm(h), n, name="up")), n, name="down")

        h = ns.dense(x, n, name="embed")
        (h,) = ns.repeat(L, lambda h: (block(h),), (h,)) if counted else (ns.repeat(L, block, h),)
        return ns.dense(ns.layernorm(h), 1, name="out")

    table = scaling_table(unscaled, optimizer=optimizer)
    assert (table.verdict.stable, table.verdict.regime) == (True, "feature learning")
    for name in ("block.up.w", "block.down.w"):
        assert (str(table[name].lr), str(table[name].eps)) == (lr, eps)


def two_streams(common: bool) -> Any:
    """A stream of width n and one of width m, each with a readout; with ``common`` they are mixed before."""
    m = ns.dim("m")

    @ns.program
    def pair(x: ns.Vector("d_in")):
        a, b = ns.tanh(ns.dense(x, n, name="a")), ns.tanh(ns.dense(x, m, name="b"))
        if common:
            a = ns.tanh(ns.dense(b, n, name="mix") + a)
        return ns.dense(a, 1, name="out_a") + ns.dense(b, 1, name="out_b")

    return pair


@pytest.mark.parametrize("common", [False, True])
def test_features_that_vanish_in_every_direction_are_a_kernel(common: bool) -> None:
    """Under sp each stream moves by the root of its own width: the larger of two vanishing powers vanishes too."""
    standard = scaling_table(two_streams(common), parametrization="sp").verdict
    assert (standard.stable, standard.regime) == (True, "kernel")
    assert standard.features is not None
    assert standard.features.factor({"n": 1e6, "m": 1e6}) < 1e-2
    assert scaling_table(two_streams(common)).verdict.regime == "feature learning"


COLUMNS = ("multiplier", "init_std", "lr", "eps", "weight_decay")
WHOLE, HALF = (ns.zoo.load("transformer")(branch=Fraction(0), scale=Fraction(-1, over)) for over in (1, 2))
"""Logits over the coordinates of a head, and over their root."""


@OPTIMIZERS
@pytest.mark.parametrize(
    ("net", "copies"),
    [
        (HALF, 1),
        (WHOLE, 2),
        (WHOLE, 3),
        (ns.zoo.load("moe")(branch=Fraction(0)), 2),
    ],
)
def test_a_number_of_copies_is_that_many_blocks_one_after_the_other(net: Any, copies: int, optimizer: str) -> None:
    loop = scaling_table(with_copies(net, copies), optimizer=optimizer)
    written_out = scaling_table(unrolled(net, copies), optimizer=optimizer)
    rows = {name: row for row in loop.parameters for name in (row.name, *(f"{row.name}[{k}]" for k in range(copies)))}
    for row in written_out.parameters:
        for column in COLUMNS:
            assert row.column(column) == rows[row.name].column(column), (row.name, column)
    assert loop.verdict.stable == written_out.verdict.stable is True


@pytest.mark.parametrize("copies", [2, 6])
def test_what_amplifies_in_every_copy_does_so_for_any_number_of_copies(copies: int) -> None:
    """With logits over the root of d_head no table is stable: the rows are those of a typical copy, and it is said."""
    symbol, number = scaling_table(HALF, large=["n"]), scaling_table(with_copies(HALF, copies))
    for row in number.parameters:
        for column in COLUMNS:
            assert str(row.column(column)) == str(symbol[row.name].column(column)), (row.name, column)
    for table in (symbol, number):
        assert not table.verdict.stable
        assert any("gradients grow by a power in every copy" in note for note in table.verdict.notes)
