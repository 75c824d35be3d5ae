"""Mixtures of experts as people write them: routing to the k best, dispatch of tokens, a matrix for each expert."""

import pytest

import ntksym as ns
from ntksym.errors import FrameworkError
from ntksym.language.dims import Axis, as_size
from tests.frameworks.comparing import same, same_rows

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.filterwarnings("ignore")

X = torch.zeros(2, 5, 6)


class Mixture(torch.nn.Module):
    """A router and gated experts; ``weigh`` makes weights of scores, ``answer`` takes tokens to experts and back."""

    def __init__(self, n, weigh, answer, experts=4, k=2):
        super().__init__()
        self.k, self.weigh, self.answer = k, weigh, answer
        self.into, self.out = torch.nn.Linear(6, n), torch.nn.Linear(n, 3)
        self.router = torch.nn.Linear(n, experts, bias=False)
        self.up = torch.nn.Parameter(torch.randn(experts, 6 * n, n))
        self.down = torch.nn.Parameter(torch.randn(experts, n, 3 * n))

    def forward(self, x):
        h = self.into(x)
        tokens = h.view(-1, h.shape[-1])
        weights, which = self.weigh(self.router(tokens), self.k)
        return self.out(self.answer(self, tokens, weights, which).view_as(h))


def softmax_first(logits, k):
    scores, which = torch.topk(torch.softmax(logits, dim=-1), k, dim=-1)
    return scores / (scores.sum(dim=-1, keepdim=True) + 1e-20), which


def softmax_last(logits, k):
    scores, which = logits.topk(k, dim=-1)
    return torch.softmax(scores, dim=-1), which


def not_normalised(logits, k):
    return torch.topk(torch.softmax(logits, dim=-1), k, dim=-1)


def gated(x):
    gate, up = x.chunk(2, dim=-1)
    return torch.nn.functional.silu(gate) * up


def pair_by_pair(m, tokens, weights, which):
    """A matrix is fetched for every pair of a token and one of its experts."""
    ids = which.reshape(-1)
    x = tokens.repeat_interleave(m.k, dim=0).unsqueeze(-1)
    y = torch.bmm(m.down[ids], gated(torch.bmm(m.up[ids], x).squeeze(-1)).unsqueeze(-1)).squeeze(-1)
    return (y * weights.reshape(-1, 1)).view(-1, m.k, y.shape[-1]).sum(1)


def without_weights(m, tokens, weights, which):
    ids = which.reshape(-1)
    x = tokens.repeat_interleave(m.k, dim=0).unsqueeze(-1)
    return (
        torch.bmm(m.down[ids], gated(torch.bmm(m.up[ids], x).squeeze(-1)).unsqueeze(-1))
        .view(-1, m.k, x.shape[1])
        .sum(1)
    )


def sorted_by_expert(m, tokens, weights, which):
    """As libraries do: tokens in the order of their experts, one product for each group, and back."""
    ids, order = torch.sort(which.view(-1))
    counts = torch.histc(ids.float(), bins=len(m.up), min=0, max=len(m.up) - 1)
    ends = torch.cumsum(counts, dim=0, dtype=torch.int32)
    product = torch.ops.transformers.grouped_mm_fallback
    y = product(gated(product(tokens[order // m.k], m.up.transpose(-2, -1), ends)), m.down.transpose(-2, -1), ends)
    y = (y * weights.view(-1)[order].unsqueeze(-1))[order.argsort()]
    return y.view(-1, m.k, y.shape[-1]).sum(dim=1)


@ns.program
def mixture(x: ns.Sequence(5, 6)):
    n, expert = ns.dim("n"), Axis("expert", as_size(4))
    h = ns.dense(x, n, name="into")
    router = ns.dense(h, 4, name="router", bias=False)
    weights = ns.top_k(ns.softmax(ns.as_axis(router, "expert"), "expert"), "expert", 2)
    both = ns.split(ns.dense(h, 6 * n, name="up", bias=False, index=expert), "half", 2)
    inner = ns.silu(ns.pick(both, "half", 0)) * ns.pick(both, "half", 1)
    return ns.dense(ns.mix(weights, ns.dense(inner, n, name="down", bias=False, index=expert), "expert"), 3, name="out")


NAMES = {
    "into.weight": "into.w",
    "into.bias": "into.b",
    "router.weight": "router.w",
    "up": "up.w",
    "down": "down.w",
    "out.weight": "out.w",
    "out.bias": "out.b",
}


@pytest.mark.parametrize("answer", [pair_by_pair, pytest.param(sorted_by_expert, marks=pytest.mark.long)])
@pytest.mark.parametrize("weigh", [softmax_first, pytest.param(softmax_last, marks=pytest.mark.long)])
def test_all_ways_to_write_it_are_one_program(weigh, answer):
    if answer is sorted_by_expert:
        pytest.importorskip("transformers.integrations.moe")  # registers its operation, and not while a graph is made

    def build(n):
        return Mixture(n, weigh, answer)

    read = ns.from_torch(build, {"n": (8, 16)}, X)
    same_rows(ns.scaling_table(read), ns.scaling_table(mixture), NAMES)
    x = torch.randn(3, 5, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    assert same(build, {"n": (8, 16)}, {"n": 8}, (x,)) < 1e-12


class Modules(torch.nn.Module):
    """Experts that are modules, asked one by one: every one answers all tokens."""

    def __init__(self, n, shares, experts=3):
        super().__init__()
        self.into, self.out, self.shares = torch.nn.Linear(6, n), torch.nn.Linear(n, 3), shares
        self.router = torch.nn.Linear(n, experts, bias=False)
        self.experts = torch.nn.ModuleList(torch.nn.Linear(n, n, bias=False) for _ in range(experts))

    def forward(self, x):
        h = self.into(x)
        logits = self.router(h)
        shares = self.shares(logits, *logits.topk(2, dim=-1))
        return self.out(sum(share * torch.relu(expert(h)) for share, expert in zip(shares, self.experts, strict=True)))


def compared(logits, scores, which):
    weights = torch.softmax(scores, dim=-1)
    return [(weights * (which == e)).sum(-1, keepdim=True) for e in range(3)]


def scattered_scores(logits, scores, which):
    kept = torch.full_like(logits, float("-inf")).scatter(-1, which, scores)
    return torch.softmax(kept, dim=-1).split(1, dim=-1)


def scattered_weights(logits, scores, which):
    dense = torch.zeros_like(logits).scatter(-1, which, torch.softmax(scores, dim=-1))
    return [dense[..., e : e + 1] for e in range(3)]


@pytest.mark.parametrize(
    "shares",
    [compared, *(pytest.param(way, marks=pytest.mark.long) for way in (scattered_scores, scattered_weights))],
)
def test_experts_that_are_asked_one_by_one(shares):
    def build(n):
        return Modules(n, shares)

    x = torch.randn(3, 5, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    assert same(build, {"n": (8, 16)}, {"n": 8}, (x,)) < 1e-12


@pytest.mark.parametrize(
    ("weigh", "answer", "says"),
    [
        (
            not_normalised,
            pair_by_pair,
            "the operation view.*scores of the chosen experts, which.*by their sum",
        ),
        pytest.param(
            softmax_last,
            without_weights,
            "answers of the chosen experts are added without their weights",
            marks=pytest.mark.long,
        ),
    ],
)
def test_what_is_no_weighted_sum_is_refused(weigh, answer, says):
    with pytest.raises(FrameworkError, match=says) as error:
        ns.from_torch(lambda n: Mixture(n, weigh, answer), {"n": (8, 16)}, X)
    assert "\n" not in str(error.value)
