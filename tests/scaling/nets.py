"""Architectures of the papers whose tables are pinned, written in the language."""

from __future__ import annotations

from fractions import Fraction

from ntksym import language as ns

n, m, d, L = (ns.dim(name) for name in ("n", "m", "d", "L"))
HALF, ONE = Fraction(-1, 2), Fraction(-1)


@ns.program
def perceptron(x: ns.Vector("d_in"), *, phi="tanh", bias=True):
    """Input, hidden and output weights, as in the first table of every paper on width."""
    h = ns.map(phi, ns.dense(x, n, name="input", bias=bias))
    h = ns.map(phi, ns.dense(h, n, name="hidden", bias=bias))
    return ns.dense(h, 3, name="output", bias=bias)


@ns.program
def shallow(x: ns.Vector("d_in")):
    """One hidden layer: what the mean-field parametrization is defined for."""
    return ns.dense(ns.map("tanh", ns.dense(x, n, name="input", bias=False)), 1, name="output", bias=False)


@ns.program
def residual_tower(x: ns.Vector("d_in"), *, branch=HALF, block_depth=1, norm=False, affine=False, bias=True):
    """Residual blocks of one or two weight matrices on a stream; the branches are scaled by L**branch."""

    def prepared(h, name):
        return ns.layernorm(h, name=name if affine else None) if norm else h

    def block(h):
        g = ns.map("tanh", prepared(h, "norm"))
        for k in range(block_depth):
            g = ns.dense(g if k == 0 else ns.map("tanh", g), n, name=f"w{k + 1}", bias=bias)
        return h + L**branch * g

    h = ns.repeat(L, block, ns.dense(x, n, name="embed", bias=bias))
    return ns.dense(prepared(h, "last"), 3, name="output", bias=bias)


@ns.program
def plain_tower(x: ns.Vector("d_in")):
    """L layers without skip connections."""

    def layer(h):
        return ns.dense(ns.map("relu", h), n, name="hidden", bias=False)

    h = ns.repeat(L, layer, ns.dense(x, n, name="embed", bias=False))
    return ns.dense(ns.map("relu", h), 1, name="output", bias=False)


@ns.program
def decoder(tokens: ns.Tokens(8), *, branch=ONE, scale=ONE, tied=False, heads=4, phi="gelu"):
    """A pre-norm transformer with biases and with gains and biases in every norm."""
    d_head = n / heads

    def block(h):
        g = ns.attention(ns.layernorm(h, name="ln1"), heads, name="attn", scale=d_head**scale, bias=True)
        h = h + L**branch * g
        g = ns.mlp_block(ns.layernorm(h, name="ln2"), 4 * n, name="mlp", phi=phi)
        return h + L**branch * g

    h, table = ns.embedding(tokens, n, name="emb", vocab=64)
    h = ns.layernorm(ns.repeat(L, block, h), name="ln_f")
    return ns.tied_readout(h, table) if tied else ns.dense(h, 64, name="unemb", bias=False)


@ns.program
def adapted(x: ns.Vector(n), *, rank=4):
    """Low-rank adapters beside two frozen square weights; the base reads trained features once."""
    h = ns.map("tanh", ns.lora(x, n, rank, name="first"))
    h = ns.map("tanh", ns.lora(h, n, rank, name="second"))
    return ns.dense(h, 3, name="output", trainable=False)


@ns.program
def experts(x: ns.Vector("d_in"), *, count=4, k=None, width=n):
    """A fixed number of experts behind a softmax router, on a stream."""
    h = ns.dense(x, n, name="embed", bias=False)
    h = h + ns.moe(ns.rmsnorm(h), width, count, name="moe", k=k)
    return ns.dense(ns.rmsnorm(h), 3, name="output", bias=False)


@ns.program
def diffusion(patches: ns.Sequence(8, "d_patch"), condition: ns.Vector("d_cond"), *, init="zeros"):
    """Attention and MLP whose shifts, scales and gates are read off a condition; zero-initialised."""
    c = ns.map("silu", ns.dense(ns.map("silu", ns.dense(condition, n, name="t1")), n, name="t2"))

    def read(name):
        return ns.dense(c, n, name=name, init=init)

    def modulated(h, name):
        return ns.layernorm(h) * (read(f"{name}.scale") + 1) + read(f"{name}.shift")

    def block(h):
        heads = ns.attention(modulated(h, "ada1"), 4, name="attn", causal=False)
        h = h + read("ada1.gate") * heads
        return h + read("ada2.gate") * ns.mlp_block(modulated(h, "ada2"), 4 * n, name="mlp")

    h = ns.repeat(3, block, ns.dense(patches, n, name="embed"))
    return ns.dense(modulated(h, "final"), ns.fixed("d_patch"), name="output", init=init)


@ns.program
def bottleneck(x: ns.Vector("d_in"), *, rank=5):
    """A finite number of coordinates between two wide layers."""
    h = ns.map("tanh", ns.dense(x, n, name="input", bias=False))
    h = ns.map("tanh", ns.dense(h, rank, name="down", bias=False))
    h = ns.map("tanh", ns.dense(h, n, name="up", bias=False))
    return ns.dense(h, 3, name="output", bias=False)


@ns.program
def attending(x: ns.Sequence(8, "d_in"), *, scale=ONE, heads=4, qk_norm=False):
    """One attention layer between an embedding and a readout."""
    h = ns.dense(x, n, name="embed", bias=False)
    h = h + ns.attention(ns.rmsnorm(h), heads, name="attn", scale=(n / heads) ** scale, qk_norm=qk_norm)
    return ns.dense(h, 3, name="output", bias=False)


@ns.program
def widths(x: ns.Vector("d_in")):
    """Three hidden widths that grow independently."""
    h = ns.map("tanh", ns.dense(x, n, name="w1", bias=False))
    h = ns.map("tanh", ns.dense(h, m, name="w2", bias=False))
    h = ns.map("tanh", ns.dense(h, d, name="w3", bias=False))
    return ns.dense(h, 3, name="w4", bias=False)


@ns.program
def tied_words(context: ns.Tokens(4)):
    """An embedding whose transpose is the readout."""
    h, table = ns.embedding(context, n, name="emb", vocab=32)
    h = ns.map("tanh", ns.dense(h, n, name="hidden", bias=False))
    return ns.tied_readout(ns.pool(h, "T"), table)
