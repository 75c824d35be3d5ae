"""Published rules for adapters, experts, diffusion transformers, attention, ties, bottlenecks, Muon and decay.

Entries are growth exponents, typed from the papers.
"""

from __future__ import annotations

from fractions import Fraction

import pytest

from ntksym import language as ns
from ntksym.language import MatrixType
from ntksym.scaling import scaling_table
from tests.scaling.helpers import along, column, exponents, powers, rays
from tests.scaling.nets import (
    HALF,
    ONE,
    adapted,
    attending,
    bottleneck,
    d,
    decoder,
    diffusion,
    experts,
    m,
    n,
    perceptron,
    residual_tower,
    tied_words,
    widths,
)

# --- Hayou et al. 2024, "LoRA+" -----------------------------------------------------------------------------------


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "lion", "signsgd"])
@pytest.mark.parametrize("adapter", ["first", "second"])
def test_hayou_2024_ratio_of_rates(optimizer: str, adapter: str) -> None:
    """Section 4: efficient feature learning needs eta_A ~ 1/n and eta_B ~ 1, a ratio of n."""
    table = scaling_table(adapted(), optimizer=optimizer)
    assert column(table, f"{adapter}.a", "lr") == powers("n^-1")
    assert column(table, f"{adapter}.b", "lr") == powers("1")
    assert table[f"{adapter}.w"].lr is None


@pytest.mark.parametrize(("adapter", "std"), [("first", "n^-1/2"), ("second", "n^-1")])
def test_hayou_2024_initialisation(adapter: str, std: str) -> None:
    """B starts at zero; A with 1/sqrt(n) where it reads data, with 1/n where what it reads moves."""
    table = scaling_table(adapted())
    assert column(table, f"{adapter}.a", "init_std") == powers(std)
    assert table[f"{adapter}.b"].init == "zeros"
    assert table.verdict.regime == "feature learning"


# --- a fixed number of experts: Malasnicki et al. 2025, "mu-parametrization for mixture of experts" -----------------


@pytest.mark.parametrize("k", [None, 2], ids=["soft", "top2"])
@pytest.mark.parametrize(
    ("row", "std", "adam", "sgd"),
    [
        ("moe.router.w", "n^-1", "n^-1", "n^-1"),
        ("moe.up.w", "n^-1/2", "n^-1", "1"),
        ("moe.down.w", "n^-1/2", "n^-1", "1"),
    ],
)
def test_malasnicki_2025(k: int | None, row: str, std: str, adam: str, sgd: str) -> None:
    """The router is scaled like output weights, the experts like hidden weights."""
    tables = {name: scaling_table(experts(k=k), optimizer=name) for name in ("adam", "sgd")}
    assert column(tables["adam"], row, "init_std") == powers(std)
    assert column(tables["adam"], row, "lr") == powers(adam)
    assert column(tables["sgd"], row, "lr") == powers(sgd)
    assert tables["adam"].verdict.regime == "feature learning"


# --- Zheng et al. 2025, "Scaling diffusion transformers efficiently via muP" ------------------------------------------
# The widths of a diffusion transformer scale like those of a plain one: the modulation layers are hidden weights.

DIFFUSION = {
    "t1.w": ("1", "1"),
    "t2.w": ("n^-1/2", "n^-1"),
    "embed.w": ("1", "1"),
    "block.ada1.scale.w": ("n^-1/2", "n^-1"),
    "block.ada1.shift.w": ("n^-1/2", "n^-1"),
    "block.ada1.gate.w": ("n^-1/2", "n^-1"),
    "block.ada2.gate.w": ("n^-1/2", "n^-1"),
    "block.attn.q.w": ("n^-1/2", "n^-1"),
    "block.attn.o.w": ("n^-1/2", "n^-1"),
    "block.mlp.up.w": ("n^-1/2", "n^-1"),
    "block.mlp.down.w": ("n^-1/2", "n^-1"),
    "block.mlp.down.b": ("1", "1"),
    "final.scale.w": ("n^-1/2", "n^-1"),
    "output.w": ("n^-1", "n^-1"),
}


@pytest.mark.parametrize("init", ["zeros", "normal"])
def test_zheng_2025(init: str) -> None:
    table = scaling_table(diffusion(init=init))
    found = {row: (column(table, row, "init_std"), column(table, row, "lr")) for row in DIFFUSION}
    assert found == {row: (powers(std), powers(rate)) for row, (std, rate) in DIFFUSION.items()}
    assert (table.verdict.stable, table.verdict.regime) == (True, "feature learning")


# --- attention: Yang et al. 2022, Definition 4.1 ------------------------------------------------------------------


@pytest.mark.parametrize("qk_norm", [False, True], ids=["plain", "qk_norm"])
@pytest.mark.parametrize("part", ["q", "k"])
def test_yang_2022_attention_scale(part: str, qk_norm: bool) -> None:
    """With 1/d_head queries and keys are hidden weights; with 1/sqrt(d_head) their updates lose a half power."""
    right, wrong = (scaling_table(attending(scale=scale, qk_norm=qk_norm)) for scale in (ONE, HALF))
    assert column(right, f"attn.{part}.w", "lr") == powers("n^-1")
    assert column(wrong, f"attn.{part}.w", "lr") == powers("n^-3/2")
    assert right.verdict.lagging == ()
    assert wrong.verdict.lagging
    for part in ("v", "o"):
        assert column(wrong, f"attn.{part}.w", "lr") == column(right, f"attn.{part}.w", "lr") == powers("n^-1")


def test_attention_scale_does_not_matter_where_heads_are_small() -> None:
    """With a fixed d_head and more and more heads both scales are constants."""
    heads, head = ns.dim("heads"), 16

    @ns.program
    def many_heads(x: ns.Sequence(8, "d_in"), *, scale=ONE):
        h = ns.dense(x, heads * head, name="embed", bias=False)
        h = h + ns.attention(ns.rmsnorm(h), heads, name="attn", scale=ns.fixed("head") ** scale)
        return ns.dense(h, 3, name="output", bias=False)

    tables = [scaling_table(many_heads(scale=scale)) for scale in (ONE, HALF)]
    for part in "qkvo":
        assert [exponents(t[f"attn.{part}.w"].lr) for t in tables] == [powers("heads^-1")] * 2


# --- tied embeddings: Yang et al. 2022, Table 8 -------------------------------------------------------------------


@pytest.mark.parametrize(("optimizer", "rate"), [("sgd", "n"), ("adam", "1"), ("adamw", "1")])
@pytest.mark.parametrize("program", [tied_words(), decoder(tied=True, branch=ONE)], ids=["words", "decoder"])
def test_yang_2022_tied_embeddings(program, optimizer: str, rate: str) -> None:
    table = scaling_table(program, optimizer=optimizer)
    row = table["emb.w"]
    assert exponents(row.lr) == powers(rate)
    assert exponents(row.init_std) == {}
    assert [exponents(tie.multiplier) for tie in row.tied] == [powers("n^-1")]
    assert table.verdict.regime == "feature learning"


# --- bottlenecks ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "std", "adam", "sgd"),
    [
        ("input.w", "1", "1", "n"),
        ("down.w", "n^-1", "n^-1", "n^-1"),
        ("up.w", "1", "1", "n"),
        ("output.w", "n^-1", "n^-1", "n^-1"),
    ],
)
def test_a_bottleneck_freezes_nothing_upstream(row: str, std: str, adam: str, sgd: str) -> None:
    """Yang & Hu 2020: every map from many coordinates to few is an output, every map back an input."""
    assert column(scaling_table(bottleneck()), row, "init_std") == powers(std)
    assert column(scaling_table(bottleneck()), row, "lr") == powers(adam)
    assert column(scaling_table(bottleneck(), optimizer="sgd"), row, "lr") == powers(sgd)


# --- Muon and Shampoo: Bernstein & Newhouse 2024, Large et al. 2024 -------------------------------------------------
# The spectral norm of an update is sqrt(fan_out / fan_in).


@pytest.mark.parametrize("optimizer", ["muon", "shampoo"])
@pytest.mark.parametrize(("row", "rate"), [("input.w", "n^1/2"), ("hidden.w", "1"), ("output.w", "n^-1/2")])
def test_bernstein_2024(optimizer: str, row: str, rate: str) -> None:
    assert column(scaling_table(perceptron(), optimizer=optimizer), row, "lr") == powers(rate)


@pytest.mark.parametrize(
    ("row", "rate"),
    [("w1.w", "n^1/2"), ("w2.w", "n^-1/2 m^1/2"), ("w3.w", "m^-1/2 d^1/2"), ("w4.w", "d^-1/2")],
)
def test_bernstein_2024_several_widths(row: str, rate: str) -> None:
    assert column(scaling_table(widths(), optimizer="muon"), row, "lr") == powers(rate)


def test_muon_leaves_vectors_to_adamw() -> None:
    table = scaling_table(perceptron(), optimizer="muon")
    assert (table["hidden.b"].optimizer, table["hidden.w"].optimizer) == ("adamw", "muon")
    assert column(table, "hidden.b", "lr") == {}


# --- weight decay: Loshchilov & Hutter 2019; Wang & Aitchison 2024; Kosson et al. 2024 ----------------------------


@pytest.mark.parametrize(
    ("optimizer", "row", "decay"),
    [
        ("adamw", "input.w", "1"),
        ("adamw", "hidden.w", "n"),
        ("adamw", "output.w", "n"),
        ("adamw_independent", "input.w", "1"),
        ("adamw_independent", "hidden.w", "1"),
        ("adamw_independent", "output.w", "1"),
        ("lion", "hidden.w", "n"),
        ("sgd", "input.w", "n^-1"),
        ("sgd", "hidden.w", "1"),
        ("sgd", "output.w", "n"),
    ],
)
def test_weight_decay(optimizer: str, row: str, decay: str) -> None:
    """Multiplied by the rate, decay must grow as the rate falls; apart from it, it is constant."""
    assert column(scaling_table(perceptron(), optimizer=optimizer), row, "weight_decay") == powers(decay)


@pytest.mark.parametrize("branch", [HALF, ONE], ids=str)
def test_coupled_decay_times_rate_is_constant(branch: Fraction) -> None:
    table = scaling_table(residual_tower(branch=branch, norm=True), optimizer="adamw")
    for row in table.parameters:
        product = {name: row.lr.linear[name] + row.weight_decay.linear[name] for name in table.large}
        assert not any(product.values()), row.name


# --- Yang, Simon & Bernstein 2023, "A spectral condition for feature learning", Condition 1 --------------------------


@ns.program
def stacked_widths(x: ns.Vector("d_in")):
    """Wide and narrow layers, a gated unit and a residual MLP of its own width."""
    h = ns.dense(x, n, name="embed", bias=False)
    h = h + ns.mlp_block(ns.rmsnorm(h), m, name="mlp", bias=False)
    h = h + ns.glu(ns.rmsnorm(h), d, name="glu")
    h = ns.map("tanh", ns.dense(h, m, name="mid", bias=False))
    return ns.dense(h, 3, name="output", bias=False)


@pytest.mark.parametrize("program", [stacked_widths(), widths()], ids=["stacked", "chain"])
def test_spectral_condition(program: ns.Program) -> None:
    """Initial and updated weights have spectral norm sqrt(fan_out / fan_in), whatever the widths' proportions.

    A Gaussian m x n matrix has norm entry * (sqrt(m) + sqrt(n)), an aligned update u * sqrt(m n).
    """
    table = scaling_table(program)  # Adam without multipliers: the rate is the update's entry
    shapes = {node.name: node.type for node in program.parameters}
    for row in table.parameters:
        type = shapes[row.name]
        assert isinstance(type, MatrixType)
        for ray in rays(table.large):

            def rate(size: ns.Size, ray: dict[str, int] = ray) -> Fraction:
                return sum((ray.get(dim.name, 0) * power for dim, power in size.powers), Fraction(0))

            rows, cols = rate(type.rows), rate(type.cols)
            wanted = (rows - cols) / 2
            assert along(row.init_std, **ray) + max(rows, cols) / 2 == wanted, (row.name, ray)
            assert along(row.lr, **ray) + (rows + cols) / 2 == wanted, (row.name, ray)


@pytest.mark.parametrize("optimizer", ["sgd", "momentum"])
def test_spectral_condition_rates_of_sgd(optimizer: str) -> None:
    """Section 4: rates of gradient descent are fan_out / fan_in."""
    table = scaling_table(widths(), optimizer=optimizer)
    found = {row.name: exponents(row.lr) for row in table.parameters}
    assert found == {
        "w1.w": powers("n"),
        "w2.w": powers("n^-1 m"),
        "w3.w": powers("m^-1 d"),
        "w4.w": powers("d^-1"),
    }


def test_raw_data_of_large_dimension_needs_only_the_root() -> None:
    """Data never moves, so 1/sqrt(fan_in) keeps the first layer at order one however wide the data."""
    d_in = ns.dim("d_in")

    @ns.program
    def wide_data(x: ns.Vector(d_in)):
        return ns.dense(ns.map("tanh", ns.dense(x, n, name="input", bias=False)), 1, name="output", bias=False)

    table = scaling_table(wide_data())
    assert column(table, "input.w", "init_std") == powers("d_in^-1/2")
    assert column(table, "input.w", "lr") == powers("d_in^-1")
