"""Selective scans, written out position by position."""

import pytest

import ntksym as ns
from ntksym.errors import FrameworkError
from ntksym.language.dims import Axis, as_size
from ntksym.language.ops import vector
from tests.frameworks.comparing import same, same_rows

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.filterwarnings("ignore")

TOKENS = torch.zeros(2, 5, dtype=torch.long)


class Selective(torch.nn.Module):
    """A state space whose decays and inputs depend on the data, as Mamba's reference computes it."""

    def __init__(self, n, states=3, rank=2):
        super().__init__()
        self.rank, self.states = rank, states
        self.into, self.out = torch.nn.Linear(6, n), torch.nn.Linear(n, 4)
        self.conv = torch.nn.Conv1d(n, n, 3, groups=n, padding=2)
        self.select, self.dt = torch.nn.Linear(n, rank + 2 * states, bias=False), torch.nn.Linear(rank, n)
        self.log_decay, self.skip = torch.nn.Parameter(torch.zeros(n, states)), torch.nn.Parameter(torch.ones(n))

    def forward(self, x):
        h = self.into(x).transpose(1, 2)
        h = torch.nn.functional.silu(self.conv(h)[:, :, : x.shape[1]]).transpose(1, 2)
        rank, b, c = self.select(h).split([self.rank, self.states, self.states], dim=-1)
        dt = torch.nn.functional.softplus(self.dt(rank)).unsqueeze(-1)
        decay, add = torch.exp(dt * -torch.exp(self.log_decay)), dt * b.unsqueeze(2) * h.unsqueeze(-1)
        state, outputs = torch.zeros_like(add[:, 0]), []
        for t in range(x.shape[1]):
            state = decay[:, t] * state + add[:, t]
            outputs.append((state @ c[:, t].unsqueeze(-1)).squeeze(-1))
        return self.out(torch.stack(outputs, dim=1) + self.skip * h)


def scanned(h, n, states, rank, offsets, *, name):
    """The same in the language, with a scan: what follows the projection into n channels."""

    def part(x, start, length):
        return ns.shift(x, "part", -start, length)

    past = ns.patches(
        ns.shift(h, "T", offsets - 1, 5 + offsets - 1), ("T",), (offsets,), padding="valid", name="offset"
    )
    kernel = vector(h, f"{name}conv.w", n, sigma=1.0, index=Axis("offset", as_size(offsets)))
    h = ns.silu(ns.pool(kernel * past, "offset", mean=False) + vector(h, f"{name}conv.b", n))
    chosen = ns.as_axis(ns.dense(h, rank + 2 * states, name=f"{name}select", bias=False), "part")
    dt = ns.softplus(ns.dense(ns.merge(part(chosen, 0, rank), "part"), n, name=f"{name}dt"))
    b, c = (ns.relabel(part(chosen, start, states), "part", "state") for start in (rank, rank + states))
    log_decay = vector(h, f"{name}log_decay", n, sigma=1.0, index=Axis("state", as_size(states)))
    decay = ns.exp(dt * (-ns.exp(log_decay)))
    start = ns.constant(h, 0, n, (Axis("state", as_size(states)),))
    held = ns.scan(lambda state, keep, add: keep * state + add, start, (decay, dt * b * h), "T")
    return ns.mix(c, held, "state") + vector(h, f"{name}skip", n, init="ones") * h


@ns.program
def selective(x: ns.Sequence(5, 6)):
    n = ns.dim("n")
    return ns.dense(scanned(ns.dense(x, n, name="into"), n, 3, 2, 3, name=""), 4, name="out")


NAMES = {
    **{f"{name}.{kind}": f"{name}.{kind[0]}" for name in ("into", "conv", "dt", "out") for kind in ("weight", "bias")},
    "select.weight": "select.w",
    "log_decay": "log_decay",
    "skip": "skip",
}


def test_a_scan_written_out_has_the_table_of_the_scan():
    read = ns.from_torch(Selective, {"n": (8, 16)}, torch.zeros(2, 5, 6))
    same_rows(ns.scaling_table(read), ns.scaling_table(selective), NAMES)
    x = torch.randn(3, 5, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    assert same(Selective, {"n": (8, 16)}, {"n": 8}, (x,)) < 1e-12


@ns.program
def mamba(tokens: ns.Tokens(5)):
    """Blocks of a gated selective scan behind a normalisation; the readout is tied."""
    n, L = ns.dim("n"), ns.dim("L")

    def block(h):
        both = ns.split(ns.dense(ns.rmsnorm(h, name="norm"), 4 * n, name="into", bias=False), "half", 2)
        y = scanned(ns.pick(both, "half", 0), 2 * n, 4, 6, 4, name="")
        return h + ns.dense(y * ns.silu(ns.pick(both, "half", 1)), n, name="out", bias=False)

    h, table = ns.embedding(tokens, n, name="embed", vocab=65)
    return ns.tied_readout(ns.rmsnorm(ns.repeat(L, block, h), name="norm"), table)


MAMBA = {
    "backbone.embeddings.weight": "embed.w",
    "backbone.layers.norm.weight": "block.norm.g",
    "backbone.layers.mixer.in_proj.weight": "block.into.w",
    "backbone.layers.mixer.conv1d.weight": "block.conv.w",
    "backbone.layers.mixer.conv1d.bias": "block.conv.b",
    "backbone.layers.mixer.x_proj.weight": "block.select.w",
    "backbone.layers.mixer.dt_proj.weight": "block.dt.w",
    "backbone.layers.mixer.dt_proj.bias": "block.dt.b",
    "backbone.layers.mixer.A_log": "block.log_decay",
    "backbone.layers.mixer.D": "block.skip",
    "backbone.layers.mixer.out_proj.weight": "block.out.w",
    "backbone.norm_f.weight": "norm.g",
}


def hugging_face(hf, n, L=2, **more):
    sizes = {"vocab_size": 65, "hidden_size": n, "num_hidden_layers": L, "state_size": 4, "use_cache": False}
    return hf.MambaForCausalLM(hf.MambaConfig(**{**sizes, **more}))


@pytest.mark.long
def test_mamba_of_hugging_face_has_the_table_of_the_same_architecture_in_the_language(hf):
    def build(n, L):
        return hugging_face(hf, n, L, time_step_rank=6)

    read = ns.from_torch(build, {"n": (64, 128), "L": (2, 3)}, TOKENS)
    same_rows(ns.scaling_table(read), ns.scaling_table(mamba), MAMBA)


@pytest.mark.long
def test_a_rank_that_grows_beside_states_that_stay_is_refused(hf):
    says = r"mixer.x_proj.weight is 12 at n=64, 16 at n=128: no product.*keep fixed what is added"
    with pytest.raises(FrameworkError, match=says):  # by default the rank is n/16, added to twice the states
        ns.from_torch(lambda n: hugging_face(hf, n), {"n": (64, 128)}, TOKENS)


class Logits(torch.nn.Module):
    def __init__(self, hf, n):
        super().__init__()
        self.model = hugging_face(hf, n, time_step_rank=6)
        for part in self.modules():
            if hasattr(part, "variance_epsilon"):
                part.variance_epsilon = 0.0

    def forward(self, tokens):
        return self.model(tokens).logits


@pytest.mark.long
def test_mamba_of_hugging_face_is_computed(hf):
    tokens = torch.randint(0, 60, (3, 6), generator=torch.Generator().manual_seed(0))
    # it computes norms and decays in single precision, whose rounding is 6e-8
    assert same(lambda n: Logits(hf, n), {"n": (16, 32)}, {"n": 16}, (tokens,)) < 1e-6
