"""What a training set-up does at scale: known-good and known-bad ones."""

import pytest

import ntksym as ns
from ntksym.errors import FrameworkError
from ntksym.frameworks.torch.program import started

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")

SIZES = {"n": (32, 64)}
X = torch.zeros(3, 64)
TOKENS = torch.zeros(2, 16, dtype=torch.long)


@pytest.fixture(scope="module")
def table(models):
    return ns.scaling_table(ns.from_torch(models.MLP, SIZES, X))


def wrong(report, *fields):
    """The wrong entries of these columns: what they are off by."""
    return {(p.parameter, p.field): str(p.off) for p in report.problems if p.field in fields}


def test_the_default_set_up_of_pytorch_is_wrong_in_the_known_places(models):
    torch.manual_seed(0)

    def build(n):
        model = models.MLP(n)
        return model, torch.optim.Adam(model.parameters(), lr=1e-3)

    report = ns.check_torch(build, SIZES, X)
    # nn.Linear draws with a std of one over the root of the fan-in, and one rate serves all
    assert wrong(report, "lr", "init_std") == {
        ("net.weight", "lr"): "n",
        ("net.6.weight", "lr"): "n",
        ("net.6.weight", "init_std"): "n^(1/2)",
    }
    # gradients are one over the width but in the readout, so an epsilon that stays overtakes them in the end
    hidden = [f"net.{name}" for name in ("0.weight", "0.bias", "weight", "bias")]
    assert wrong(report, "eps") == {(name, "eps"): "n" for name in hidden}
    assert not wrong(report, "weight_decay")  # it is zero
    assert "net.6.bias: too few entries to measure its initial std" in report.notes


def gpt_groups(models, table, change=lambda name, group, n: group):
    """A GPT with one group for each parameter, as the table wants it and then changed."""

    def build(n):
        model = models.GPT(n, 2, scale=lambda d_head: 1 / d_head)
        if next(model.parameters()).device.type != "meta":
            ns.apply_init(model, table, base={"n": 32})
        names = {id(p): name for name, p in model.named_parameters()}
        groups = [
            change(names[id(p)], {**group, "params": [p]}, n)
            for group in ns.param_groups(model, table, lr=1e-3, base={"n": 32}, weight_decay=0.1)
            for p in group["params"]
        ]
        return model, torch.optim.AdamW(groups)

    return build


@pytest.fixture(scope="module")
def gpt_of_two_blocks(models):
    def build(n):
        return models.GPT(n, 2, scale=lambda d_head: 1 / d_head)

    return ns.scaling_table(ns.from_torch(build, SIZES, TOKENS), optimizer="adamw")


BLOCK = ("h.attn.q", "h.attn.k", "h.attn.v", "h.attn.c_proj", "h.mlp.0", "h.mlp.2")


def test_adamw_with_the_numbers_of_a_small_gpt(models):
    torch.manual_seed(0)

    def build(n):
        model = models.GPT(n, 2, scale=lambda d_head: 1 / d_head)
        return model, torch.optim.AdamW(model.parameters(), lr=1e-3)

    report = ns.check_torch(build, SIZES, TOKENS)
    matrices = [f"{name}.weight" for name in (*BLOCK, "lm_head")]
    assert wrong(report, "lr") == {(name, "lr"): "n" for name in matrices}
    assert wrong(report, "weight_decay") == {(name, "weight_decay"): "n^-1" for name in matrices}  # it follows 1/lr
    assert wrong(report, "init_std") == {("lm_head.weight", "init_std"): "n^(1/2)"}
    assert not report.verdict.stable
    assert any("ns.param_groups" in note for note in report.notes)


def test_a_forgotten_epsilon(models, gpt_of_two_blocks):
    def constant(name, group, n):
        return {**group, "eps": 1e-8}

    report = ns.check_torch(gpt_groups(models, gpt_of_two_blocks, constant), SIZES, TOKENS)
    inside = [f"{name}.weight" for name in ("wte", "wpe", *BLOCK)]
    assert {(p.parameter, p.field): str(p.off) for p in report.problems} == {(name, "eps"): "n" for name in inside}
    assert not report.verdict.faithful
    assert all("it stops contributing as sizes grow" in p.effect for p in report.problems)


@pytest.mark.long
def test_decay_that_follows_the_rate_of_other_groups(models, gpt_of_two_blocks):
    def swapped(name, group, n):
        """The decay that grows belongs to the matrices in the blocks; here the embeddings have it."""
        return {**group, "weight_decay": 0.1 * n if name.startswith("w") else 0.1}

    report = ns.check_torch(gpt_groups(models, gpt_of_two_blocks, swapped), SIZES, TOKENS)
    expected = {f"{name}.weight": "n^-1" for name in (*BLOCK, "lm_head")} | {"wte.weight": "n", "wpe.weight": "n"}
    assert {(p.parameter, p.field): str(p.off) for p in report.problems} == {
        (name, "weight_decay"): off for name, off in expected.items()
    }


class Vectors(torch.nn.Module):
    """A gain, a bias and a branch of their own."""

    def __init__(self, n, gain=1.0, bias=0.0, last=1.0):
        super().__init__()
        self.first, self.hidden = torch.nn.Linear(8, n, bias=False), torch.nn.Linear(n, n, bias=False)
        self.gain, self.bias = torch.nn.Parameter(torch.full((n,), gain)), torch.nn.Parameter(bias * torch.randn(n))
        self.last = torch.nn.Parameter(torch.full((n,), last))
        self.readout = torch.nn.Linear(n, 1, bias=False)

    def forward(self, x):
        h = self.first(x)
        h = h + self.last * torch.relu(self.hidden(torch.relu(self.gain * h + self.bias)))
        return self.readout(h)


@pytest.mark.parametrize(
    ("start", "expected"),
    [
        pytest.param({}, {}, marks=pytest.mark.long),
        pytest.param({"bias": 1.0}, {}, marks=pytest.mark.long),
        pytest.param({"bias": lambda n: n**-0.5}, {}, marks=pytest.mark.long),  # as good as zero
        ({"bias": lambda n: n**0.5}, {("bias", "init_std"): "n^(1/2)"}),
        ({"gain": lambda n: n**-0.5}, {("gain", "init_std"): "n^(-1/2)"}),
    ],
)
def test_how_vectors_start(start, expected):
    def build(n):
        settings = {name: value(n) if callable(value) else value for name, value in start.items()}
        model = Vectors(n, **settings)
        if next(model.parameters()).device.type != "meta":
            torch.nn.init.normal_(model.readout.weight, std=1 / n)
        return model, torch.optim.SGD(model.parameters(), lr=1e-3)

    assert wrong(ns.check_torch(build, SIZES, torch.zeros(3, 8)), "init_std") == expected


def test_how_parameters_start_is_recorded_where_it_was_read_otherwise():
    read = ns.from_torch(Vectors, SIZES, torch.zeros(3, 8))
    program = started(read, {"last": "zeros", "bias": "random", "hidden.weight": "zeros"})
    weights = ns.draw(program, {"n": 16}, seed=0)
    assert not weights["last"].any()
    assert not weights["hidden.weight"].any()
    assert weights["bias"].std() > 0.5  # of 16 unit Gaussians: fails once in 10^3 seeds, and the seed is fixed
    assert (weights["gain"] == 1).all()
    assert program.sources == read.sources


@pytest.mark.long
def test_each_parameter_has_the_rule_of_its_own_optimizer(models, table):
    def build(n):
        model = models.MLP(n)
        if next(model.parameters()).device.type != "meta":
            ns.apply_init(model, table, base={"n": 32})
        inner = [model.net[2].weight, model.net[4].weight]
        others = [p for p in model.parameters() if all(p is not q for q in inner)]
        rate = {id(model.net[0].weight): 1.0, id(model.net[6].weight): 1 / n}
        groups = [{"params": [p], "lr": rate.get(id(p), 1.0), "eps": 1e-8 / n} for p in others]
        return model, [torch.optim.Muon(inner, lr=0.02), torch.optim.Adam(groups)]

    report = ns.check_torch(build, SIZES, X)
    assert not wrong(report, "lr", "init_std")  # a spectral norm of order one is right at every width


def test_a_schedule_that_starts_at_zero_and_a_forgotten_parameter(models, table):
    def build(n, forget=False):
        model = models.MLP(n)
        if next(model.parameters()).device.type != "meta":
            ns.apply_init(model, table, base={"n": 32})
        groups = ns.param_groups(model, table, lr=1e-3, base={"n": 32})
        groups[0]["params"] = groups[0]["params"][forget:]
        optimizer = torch.optim.Adam(groups)
        torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: step / 100)
        return model, optimizer

    assert ns.check_torch(build, SIZES, X).ok
    with pytest.raises(FrameworkError, match=r"net.0.weight is never moved: it is in no group of an optimizer; mend"):
        ns.check_torch(lambda n: build(n, forget=True), SIZES, X)


def test_what_param_groups_and_apply_init_make_is_right(models, table):
    torch.manual_seed(0)

    def build(n):
        model = models.MLP(n)
        if next(model.parameters()).device.type != "meta":
            ns.apply_init(model, table, base={"n": 32})
        return model, torch.optim.Adam(ns.param_groups(model, table, lr=1e-3, base={"n": 32}))

    assert ns.check_torch(build, SIZES, X).ok


def test_what_follows_no_power_is_named(models):
    def build(n):
        model = models.MLP(n)
        return model, torch.optim.Adam(model.parameters(), lr=1e-3 if n == 32 else 1e-3 / 3)

    with pytest.raises(FrameworkError, match=r"net.0.weight: its lr is 0.001, 0.0003333"):
        ns.check_torch(build, {"n": (32, 64, 128)}, X)
    with pytest.raises(FrameworkError, match="expected a pair"):
        ns.check_torch(models.MLP, SIZES, X)
    with pytest.raises(FrameworkError, match="no update rule named rprop"):
        ns.check_torch(lambda n: (m := models.MLP(n), torch.optim.Rprop(m.parameters())), SIZES, X)
