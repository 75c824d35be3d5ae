"""Tables of papers on depth, entry by entry: residual branches scaled by a power of L.

Entries are growth exponents, typed from the papers: "n^-1 L^-1/2" for a rate of 1/(n sqrt(L)).
"""

from __future__ import annotations

from contextlib import suppress
from fractions import Fraction

import pytest

from ntksym.errors import ScalingError
from ntksym.scaling import scaling_table
from tests.scaling.helpers import column, powers
from tests.scaling.nets import HALF, ONE, decoder, plain_tower, residual_tower

# --- Yang et al. 2023 (Tensor Programs VI), Table 1: Depth-muP -------------------------------------------------------
# Branch multiplier 1/sqrt(L); inside blocks Adam's rate carries 1/sqrt(L), that of SGD is constant in L; input and
# output weights as without depth.

DEPTH_MUP = {
    # optimizer, parameter: rate
    ("sgd", "block.w1.w"): "1",
    ("sgd", "block.w1.b"): "n",
    ("sgd", "embed.w"): "n",
    ("sgd", "output.w"): "n^-1",
    ("adam", "block.w1.w"): "n^-1 L^-1/2",
    ("adam", "block.w1.b"): "L^-1/2",
    ("adam", "embed.w"): "1",
    ("adam", "output.w"): "n^-1",
}


@pytest.mark.parametrize(("optimizer", "row"), DEPTH_MUP)
@pytest.mark.parametrize("norm", [False, True], ids=["plain", "norm"])
def test_yang_2023_table_1(optimizer: str, row: str, norm: bool) -> None:
    table = scaling_table(residual_tower(branch=HALF, norm=norm), optimizer=optimizer)
    assert column(table, row, "lr") == powers(DEPTH_MUP[optimizer, row])
    assert table.verdict.regime == "feature learning"


def test_yang_2023_initial_weights_do_not_know_the_depth() -> None:
    table = scaling_table(residual_tower(branch=HALF))
    found = {row: column(table, row, "init_std") for row in ("embed.w", "block.w1.w", "output.w")}
    assert found == {"embed.w": {}, "block.w1.w": powers("n^-1/2"), "output.w": powers("n^-1")}


# Bordelon et al. 2023, "Depthwise hyperparameter transfer in residual networks": in mean-field form (unit variance,
# 1/sqrt(n L) in front of every branch) SGD's rate grows like n, Adam's falls like 1/sqrt(n L).
@pytest.mark.parametrize(("optimizer", "rate"), [("sgd", "n"), ("adam", "n^-1/2 L^-1/2")])
def test_bordelon_2023(optimizer: str, rate: str) -> None:
    table = scaling_table(residual_tower(branch=HALF, bias=False), optimizer=optimizer, parametrization="mfp")
    assert column(table, "block.w1.w", "multiplier") == powers("n^-1/2")
    assert column(table, "block.w1.w", "lr") == powers(rate)


# --- branches scaled by 1/L: Bordelon et al. 2024 and Dey et al. 2025 ------------------------------------------------


@pytest.mark.parametrize("block_depth", [1, 2])
@pytest.mark.parametrize(
    ("optimizer", "weight", "bias"),
    [("sgd", "L", "n L"), ("momentum", "L", "n L"), ("adam", "n^-1", "1"), ("muon", "1", "1")],
)
def test_branches_over_depth(block_depth: int, optimizer: str, weight: str, bias: str) -> None:
    table = scaling_table(residual_tower(branch=ONE, block_depth=block_depth, norm=True), optimizer=optimizer)
    for k in range(1, block_depth + 1):
        assert column(table, f"block.w{k}.w", "lr") == powers(weight)
        assert column(table, f"block.w{k}.b", "lr") == powers(bias)
    assert table.verdict.regime == "feature learning"


@pytest.mark.parametrize("block_depth", [1, 2])
@pytest.mark.parametrize(("branch", "eps"), [(HALF, "n^-1 L^-1/2"), (ONE, "n^-1 L^-1")])
def test_epsilon_inside_blocks_follows_the_branch(block_depth: int, branch: Fraction, eps: str) -> None:
    table = scaling_table(residual_tower(branch=branch, block_depth=block_depth, norm=True))
    for k in range(1, block_depth + 1):
        assert column(table, f"block.w{k}.w", "eps") == powers(eps)
        assert column(table, f"block.w{k}.b", "eps") == powers(eps)
    assert column(table, "embed.w", "eps") == powers("n^-1")


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "muon"])
@pytest.mark.parametrize("branch", [HALF, ONE], ids=str)
def test_outer_weights_do_not_know_the_depth(optimizer: str, branch: Fraction) -> None:
    table = scaling_table(residual_tower(branch=branch, block_depth=2, norm=True, affine=True), optimizer=optimizer)
    for row in table.parameters:
        if not row.name.startswith("block."):
            for name in ("init_std", "lr", "eps", "weight_decay"):
                found = column(table, row.name, name)
                assert not found or "L" not in found, (row.name, name, found)


# --- Dey et al. 2025, "Don't be lazy: CompleteP ...", Table 1 ---------------------------------------------------------
# A pre-norm transformer with biases, trained with AdamW; the unembedding carries the multiplier 1/n (Table 8's form).

COMPLETE_P = {
    # parameter: {column: growth for branches L^-alpha}, alpha = 1
    "emb.w": {"init_std": "1", "lr": "1", "eps": "n^-1", "weight_decay": "1"},
    "block.ln1.g": {"lr": "1", "eps": "n^-1 L^-1"},
    "block.ln1.b": {"lr": "1", "eps": "n^-1 L^-1"},
    "block.attn.q.w": {"init_std": "n^-1/2", "lr": "n^-1", "eps": "n^-1 L^-1", "weight_decay": "n"},
    "block.attn.k.w": {"init_std": "n^-1/2", "lr": "n^-1", "eps": "n^-1 L^-1", "weight_decay": "n"},
    "block.attn.v.w": {"init_std": "n^-1/2", "lr": "n^-1", "eps": "n^-1 L^-1", "weight_decay": "n"},
    "block.attn.o.w": {"init_std": "n^-1/2", "lr": "n^-1", "eps": "n^-1 L^-1", "weight_decay": "n"},
    "block.attn.v.b": {"lr": "1", "eps": "n^-1 L^-1"},
    "block.attn.o.b": {"lr": "1", "eps": "n^-1 L^-1"},
    "block.ln2.g": {"lr": "1", "eps": "n^-1 L^-1"},
    "block.mlp.up.w": {"init_std": "n^-1/2", "lr": "n^-1", "eps": "n^-1 L^-1", "weight_decay": "n"},
    "block.mlp.up.b": {"lr": "1", "eps": "n^-1 L^-1"},
    "block.mlp.down.w": {"init_std": "n^-1/2", "lr": "n^-1", "eps": "n^-1 L^-1", "weight_decay": "n"},
    "block.mlp.down.b": {"lr": "1", "eps": "n^-1 L^-1"},
    "ln_f.g": {"lr": "1", "eps": "n^-1"},
    "ln_f.b": {"lr": "1", "eps": "n^-1"},
    "unemb.w": {"multiplier": "n^-1", "init_std": "1", "lr": "1", "eps": "n^-1", "weight_decay": "1"},
}


@pytest.fixture(scope="module")
def complete_p():
    return scaling_table(decoder(branch=ONE), optimizer="adamw", form="table8")


@pytest.mark.parametrize("row", COMPLETE_P)
def test_dey_2025_table_1(row: str, complete_p) -> None:
    for name, growth in COMPLETE_P[row].items():
        assert column(complete_p, row, name) == powers(growth), name


def test_dey_2025_learns_features_in_all_layers(complete_p) -> None:
    verdict = complete_p.verdict
    assert (verdict.stable, verdict.regime, verdict.lagging) == (True, "feature learning", ())


@pytest.mark.parametrize(
    ("row", "rate", "eps"),
    [
        ("block.ln1.g", "L^-1/2", "n^-1 L^-1/2"),
        ("block.attn.o.w", "n^-1 L^-1/2", "n^-1 L^-1/2"),
        ("block.mlp.up.w", "n^-1 L^-1/2", "n^-1 L^-1/2"),
        ("block.mlp.down.b", "L^-1/2", "n^-1 L^-1/2"),
        ("emb.w", "1", "n^-1"),
        ("unemb.w", "1", "n^-1"),
    ],
)
def test_dey_2025_table_1_with_alpha_one_half(row: str, rate: str, eps: str) -> None:
    """Rates inside blocks carry L^(alpha - 1), epsilons L^-alpha."""
    table = scaling_table(decoder(branch=HALF), optimizer="adamw", form="table8")
    assert (column(table, row, "lr"), column(table, row, "eps")) == (powers(rate), powers(eps))


# --- without skip connections ---------------------------------------------------------------------------------------


def test_jelassi_2023() -> None:
    """ "Depth dependence of muP learning rates in ReLU MLPs": gradient descent needs L^(-3/2), constant in the width.

    The changes of L layers meet products of Gaussian matrices whose singular values spread with depth, so they add up
    like L^(3/2) and not like L. An analysis that does not see this must refuse, not answer.
    """
    table = None
    with suppress(ScalingError):
        table = scaling_table(plain_tower(), optimizer="sgd")
    assert table is None or column(table, "layer.hidden.w", "lr") == powers("L^-3/2")
