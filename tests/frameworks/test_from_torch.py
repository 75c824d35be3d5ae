"""Programs read from modules against the same architectures written in the language."""

import math
from fractions import Fraction

import pytest

import ntksym as ns
from ntksym.errors import FrameworkError
from ntksym.language.dims import as_size
from tests.frameworks.comparing import same_rows

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")

TOKENS = torch.zeros(2, 16, dtype=torch.long)


@pytest.mark.parametrize("optimizer", ["adam", pytest.param("sgd", marks=pytest.mark.long)])
def test_a_perceptron_has_the_table_of_the_zoo(models, optimizer):
    read = ns.from_torch(models.MLP, {"n": (32, 64)}, torch.zeros(5, 64))  # at 64, the width is that of the input
    names = {
        f"net.{mine}.{kind}": f"{theirs}.{kind[0]}"
        for mine, theirs in {"0": "input", "6": "readout"}.items()
        for kind in ("weight", "bias")
    } | {"net.weight": "layer.hidden.w", "net.bias": "layer.hidden.b"}
    theirs = ns.scaling_table(ns.zoo.load("mlp")(depth=3), optimizer=optimizer)
    same_rows(ns.scaling_table(read, optimizer=optimizer), theirs, names)
    assert read.sources["net.weight"].names({"n": 32}) == ("net.2.weight", "net.4.weight")


GPT = {
    "wte.weight": "embed.w",
    "wpe.weight": "position.w",
    "h.attn.q.weight": "block.attn.q.w",
    "h.attn.k.weight": "block.attn.k.w",
    "h.attn.v.weight": "block.attn.v.w",
    "h.attn.c_proj.weight": "block.attn.o.w",
    "h.mlp.0.weight": "block.mlp.up.w",
    "h.mlp.2.weight": "block.mlp.down.w",
    "lm_head.weight": "readout.w",
}


def test_a_gpt_has_the_table_of_the_zoo(gpt_table):
    same_rows(gpt_table, ns.scaling_table(ns.zoo.load("transformer")()), GPT)


@pytest.mark.long
def test_a_gpt_with_the_usual_logits_has_the_table_of_the_zoo(models):
    read = ns.from_torch(models.GPT, {"n": (32, 64), "L": (2, 3)}, TOKENS)
    theirs = ns.zoo.load("transformer")(scale=Fraction(-1, 2))
    same_rows(ns.scaling_table(read), ns.scaling_table(theirs), GPT)


@pytest.mark.long
def test_a_fused_projection_and_a_tied_readout_are_read(models):
    read = ns.from_torch(lambda n, L: models.GPT(n, L, fused=True, tied=True), {"n": (32, 64), "L": (2, 3)}, TOKENS)
    table = ns.scaling_table(read)
    tied = ns.scaling_table(ns.zoo.load("transformer")(scale=Fraction(-1, 2), tied=True))
    assert str(table["wte.weight"].lr) == str(tied["embed.w"].lr)
    assert [str(t.multiplier) for t in table["wte.weight"].tied] == [str(t.multiplier) for t in tied["embed.w"].tied]
    assert table["h.attn.c_attn.weight"].shape == ("3*n", "n")


def test_nothing_is_allocated_for_a_hundred_billion_parameters(models):
    read = ns.from_torch(models.MLP, {"n": (262144, 524288)}, torch.zeros(2, 64))

    def entries(source):
        return len(source.names(read.sizes)) * math.prod(as_size(length).value(read.sizes) for length in source.shape)

    assert sum(map(entries, read.sources.values())) > 1e11


def test_a_depth_counts_equal_blocks(models):
    with pytest.raises(FrameworkError, match=r"the number of copies of the block at net.1 is 2 at L=3, 3 at L=4"):
        ns.from_torch(lambda L: models.MLP(16, L, 8), {"L": (3, 4)}, torch.zeros(3, 8))


class Sorted(torch.nn.Module):
    def __init__(self, n):
        super().__init__()
        self.first, self.last = torch.nn.Linear(8, n), torch.nn.Linear(n, 1)

    def forward(self, x):
        return self.last(self.first(x).sort(dim=-1).values)


class Branching(Sorted):
    def forward(self, x):
        return self.last(self.first(x)) if x.sum() > 0 else self.first(x)


@pytest.mark.parametrize(
    ("build", "sizes", "says"),
    [
        (Sorted, {"n": (16, 32)}, "the operation sort"),
        (Branching, {"n": (16, 32)}, "torch.export cannot follow Branching at n=16"),
        (lambda n: torch.nn.Linear(8, 2 * n + 8), {"n": (16, 32)}, "40 at n=16, 72 at n=32"),
        (lambda n: "no module", {"n": (16, 32)}, "returned str"),
        (lambda n: torch.nn.Linear(8, n), {"n": (16,)}, "two different whole numbers"),
        (lambda n: torch.nn.Linear(8, n), {}, "found no sizes"),
    ],
)
def test_what_cannot_be_read_is_named(build, sizes, says):
    with pytest.raises(FrameworkError) as error:
        ns.from_torch(build, sizes, torch.zeros(3, 8))
    assert says in str(error.value)
    assert "\n" not in str(error.value)
