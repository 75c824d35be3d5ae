"""A program that was read computes what the module computes: the same weights and inputs give the same numbers."""

import numpy as np
import pytest

import ntksym as ns
from tests.frameworks.comparing import same

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")


def numbers(*shape):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def tokens(*shape):
    return torch.randint(0, 60, shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.long
def test_a_perceptron(models):
    assert same(models.MLP, {"n": (8, 16)}, {"n": 8}, (numbers(3, 64),)) < 1e-12


@pytest.mark.parametrize("fused", [pytest.param(False, marks=pytest.mark.long), True])
def test_a_gpt(models, fused):
    def build(n):
        return models.GPT(n, 2, fused=fused, tied=fused)

    assert same(build, {"n": (8, 16)}, {"n": 8}, (tokens(3, 16),)) < 1e-12


@pytest.mark.long
def test_a_gpt_of_other_sizes_than_it_was_read_at(models):
    assert same(models.GPT, {"n": (8, 16), "L": (2, 3)}, {"n": 24, "L": 5}, (tokens(3, 16),)) < 1e-12


class Image(torch.nn.Module):
    """Convolutions with strides, groups of channels, poolings."""

    def __init__(self, n):
        super().__init__()
        self.first = torch.nn.Conv2d(3, n, 3, stride=2, padding=1)
        self.norm = torch.nn.GroupNorm(2, n)
        self.second = torch.nn.Conv2d(n, 2 * n, 1)
        self.last = torch.nn.Linear(2 * n, 4)

    def forward(self, x):
        x = torch.relu(self.norm(self.first(x)))
        x = torch.nn.functional.max_pool2d(x, 3, stride=2, padding=1)
        x = torch.nn.functional.avg_pool2d(torch.tanh(self.second(x)), 2)
        return self.last(torch.flatten(torch.nn.functional.adaptive_avg_pool2d(x, 1), 1))


def test_a_convolutional_network():
    assert same(Image, {"n": (4, 8)}, {"n": 4}, (numbers(2, 3, 16, 16),)) < 1e-12


class Odds(torch.nn.Module):
    """Views, permutations, einsum and broadcasting of several kinds."""

    def __init__(self, n):
        super().__init__()
        self.n, self.into = n, torch.nn.Linear(6, n)
        self.scale, self.mix = torch.nn.Parameter(torch.ones(n)), torch.nn.Parameter(torch.ones(n, n // 2))
        self.tokens, self.out = torch.nn.Linear(5, 7), torch.nn.Linear(n, 2)

    def forward(self, x):
        h = self.into(x) * self.scale
        a, b = h.chunk(2, dim=-1)
        h = torch.einsum("btn,mn->btm", a * b - 0.5 * a, self.mix)
        h = self.tokens(h.transpose(1, 2)).transpose(1, 2)
        h = h.reshape(-1, 7, 2, self.n // 2).permute(0, 2, 1, 3)
        w = torch.softmax(h @ h.transpose(-1, -2) / self.n, dim=-1)
        h = (w @ h).permute(0, 2, 1, 3).reshape(-1, 7, self.n)
        return self.out(h / torch.sqrt(h.pow(2).mean(-1, keepdim=True))).mean(1)


def test_views_and_products():
    assert same(Odds, {"n": (8, 16)}, {"n": 8}, (numbers(3, 5, 6),)) < 1e-12


class Grouped(torch.nn.Module):
    """Heads of queries in groups that share keys and values, repeated as Hugging Face does."""

    def __init__(self, n):
        super().__init__()
        self.n, self.q, self.k = n, torch.nn.Linear(6, n, bias=False), torch.nn.Linear(6, n // 2, bias=False)

    def forward(self, x):
        q = self.q(x).view(-1, 5, 4, self.n // 4).transpose(1, 2)
        k = self.k(x).view(-1, 5, 2, self.n // 4).transpose(1, 2)
        k = k[:, :, None].expand(-1, 2, 2, 5, self.n // 4).reshape(-1, 4, 5, self.n // 4)
        y = torch.nn.functional.scaled_dot_product_attention(q, k, k, is_causal=True)
        return y.transpose(1, 2).reshape(-1, 5, self.n)


@pytest.mark.long
def test_heads_that_share_keys():
    assert same(Grouped, {"n": (16, 32)}, {"n": 16}, (numbers(3, 5, 6),)) < 1e-12


class Tokens(torch.nn.Module):
    """A class token before patches of an image, and a learned position of each; the token is read out."""

    def __init__(self, n):
        super().__init__()
        self.n, self.into = n, torch.nn.Conv2d(3, n, 4, stride=4)
        self.token, self.places = torch.nn.Parameter(torch.ones(1, 1, n)), torch.nn.Parameter(torch.ones(1, 5, n))
        self.norm, self.qkv, self.out = torch.nn.LayerNorm(n), torch.nn.Linear(n, 3 * n), torch.nn.Linear(n, 2)

    def forward(self, x):
        h = self.into(x).reshape(-1, self.n, 4).permute(0, 2, 1)
        h = torch.cat([self.token.expand(len(x), -1, -1), h], dim=1) + self.places
        q, k, v = self.qkv(self.norm(h)).chunk(3, dim=-1)
        h = h + torch.softmax(q @ k.transpose(-1, -2) / self.n, dim=-1) @ v
        return self.out(h[:, 0])


def test_a_class_token():
    assert same(Tokens, {"n": (8, 16)}, {"n": 8}, (numbers(3, 3, 8, 8),)) < 1e-12


class Parts(torch.nn.Module):
    """Slices, every second entry, unequal parts, and what is joined along coordinates and positions."""

    def __init__(self, n):
        super().__init__()
        self.n, self.into, self.out = n, torch.nn.Linear(6, 3 * n), torch.nn.Linear(4 * n, 2)

    def forward(self, x):
        one, two = self.into(x).split([self.n, 2 * self.n], dim=-1)
        h = torch.cat([two, one * one, torch.tanh(one)], dim=-1)
        h = torch.cat([h[:, 1:4], h[:, ::2], h[:, -1:]], dim=1)
        return self.out(h[:, 1:]).reshape(-1, 14)[:, 3:13]


def test_parts_and_joins():
    assert same(Parts, {"n": (4, 8)}, {"n": 4}, (numbers(3, 8, 6),)) < 1e-12


class Batch(torch.nn.Module):
    """Batch normalisation of images and of vectors."""

    def __init__(self, n):
        super().__init__()
        self.first, self.norm = torch.nn.Conv2d(3, n, 3, padding=1, bias=False), torch.nn.BatchNorm2d(n)
        self.second, self.last = torch.nn.Linear(n, n), torch.nn.Linear(n, 2)
        self.normed = torch.nn.BatchNorm1d(n)

    def forward(self, x):
        h = torch.relu(self.norm(self.first(x))).mean((2, 3))
        return self.last(torch.tanh(h + self.normed(self.second(h))))


def test_batch_normalisation():
    images = (numbers(6, 3, 4, 4),)
    assert same(Batch, {"n": (8, 16)}, {"n": 8}, images, training=True) < 1e-12
    assert same(Batch, {"n": (8, 16)}, {"n": 8}, images) < 1e-12


class Windows(torch.nn.Module):
    """Channels in groups and one by one, poolings over edges, several paddings."""

    def __init__(self, n):
        super().__init__()
        self.first = torch.nn.Conv2d(3, 2 * n, 4, stride=2, padding=1)
        self.each = torch.nn.Conv2d(2 * n, 2 * n, 3, padding=1, groups=2 * n)
        self.groups = torch.nn.Conv2d(2 * n, n, 3, padding=2, groups=2)
        self.norm, self.last = torch.nn.GroupNorm(2, n), torch.nn.Linear(n, 4)

    def forward(self, x):
        h = torch.nn.functional.max_pool2d(torch.tanh(self.first(x)) - 2, 3, stride=2, padding=1)
        h = torch.nn.functional.pad(self.groups(torch.tanh(self.each(h))), (0, 1, -1, 0))
        return self.last(torch.tanh(self.norm(h)).mean((2, 3)))


def test_channels_in_groups_and_edges():
    assert same(Windows, {"n": (4, 8)}, {"n": 4}, (numbers(2, 3, 12, 12),)) < 1e-12


class Dropped(torch.nn.Module):
    """Dropout of entries, of channels and of a branch."""

    def __init__(self, n):
        super().__init__()
        self.first, self.last = torch.nn.Conv2d(3, n, 1), torch.nn.Linear(n, 2)
        self.channels, self.entries = torch.nn.Dropout2d(0.5), torch.nn.Dropout(0.25)

    def forward(self, x):
        h = self.first(x)
        noise = h.new_empty(len(h), 1, 1, 1).bernoulli_(0.75).div_(0.75)
        return self.last(self.entries((h + noise * self.channels(torch.tanh(h))).mean((2, 3))))


def test_dropout_of_entries_channels_and_branches():
    read = ns.from_torch(Dropped, {"n": (8, 16)}, torch.zeros(2, 3, 4, 4))
    drawn = [node for node in read.nodes.values() if node.op == "dropout"]
    assert [(str(node.type.coord), len(node.type.positions), float(node.attr("rate"))) for node in drawn] == [
        ("n", 0, 0.5),
        ("1", 0, 0.25),
        ("n", 0, 0.25),
    ]
    # a coin of mean one leaves means as they are: the program without coins is the module in evaluation
    weights, image = ns.draw(read, {"n": 8}, seed=0), numbers(2, 3, 4, 4).numpy()
    h = np.einsum("nc,bcxy->bnxy", weights["first.weight"], image)
    expected = (h + np.tanh(h)).mean((2, 3)) @ weights["last.weight"].T
    assert np.allclose(ns.run(read, weights, image.transpose(0, 2, 3, 1), {"n": 8}), expected)
