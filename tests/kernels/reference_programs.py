"""The reference networks in ntksym's language; each takes the settings of its cases and gives a Program.

In words they stand in the ``architecture`` of the stored files.
"""

from collections.abc import Callable
from fractions import Fraction
from typing import Any

from ntksym import language as ns
from ntksym import zoo

n = ns.dim("n")

BUILDERS: dict[str, Callable[..., ns.Program]] = {}


def builder(function: Callable[..., ns.Program]) -> Callable[..., ns.Program]:
    BUILDERS[function.__name__] = function
    return function


def repeated(times: int, body: Callable[[ns.Value], ns.Value], h: ns.Value) -> ns.Value:
    return ns.repeat(times, body, h) if times else h


# --- vectors ---------------------------------------------------------------------------------------------


@builder
def mlp(phi: str, depth: int) -> ns.Program:
    return zoo.load("mlp")(phi=ns.activation(phi), depth=depth)


@builder
def tied_mlp(phi: str, depth: int) -> ns.Program:
    @ns.program
    def tied_mlp(x: ns.Vector("d_in")) -> ns.Value:
        w, b = ns.weight(x, "hidden.w", n, n), ns.vector(x, "hidden.b", n)
        h = ns.dense(x, n, name="input")
        for _ in range(depth - 1):
            h = ns.matmul(w, ns.map(phi, h)) + b
        return ns.readout(ns.map(phi, h))

    return tied_mlp()


@builder
def normed_mlp(phi: str, depth: int) -> ns.Program:
    @ns.program
    def normed_mlp(x: ns.Vector("d_in")) -> ns.Value:
        def layer(h: ns.Value) -> ns.Value:
            return ns.map(phi, ns.layernorm(ns.dense(h, n, name="hidden")))

        h = ns.map(phi, ns.layernorm(ns.dense(x, n, name="input")))
        return ns.readout(repeated(depth - 1, layer, h))

    return normed_mlp()


@builder
def post_norm_mlp(phi: str, depth: int, centre: bool) -> ns.Program:
    norm = ns.layernorm if centre else ns.rmsnorm

    @ns.program
    def post_norm_mlp(x: ns.Vector("d_in")) -> ns.Value:
        def layer(h: ns.Value) -> ns.Value:
            return norm(ns.map(phi, ns.dense(h, n, name="hidden")))

        h = norm(ns.map(phi, ns.dense(x, n, name="input")))
        return ns.readout(repeated(depth - 1, layer, h))

    return post_norm_mlp()


@builder
def affine_norm_mlp(phi: str) -> ns.Program:
    @ns.program
    def affine_norm_mlp(x: ns.Vector("d_in")) -> ns.Value:
        return ns.readout(ns.map(phi, ns.layernorm(ns.dense(x, n, name="input"), name="norm")))

    return affine_norm_mlp()


@builder
def self_skip(phi: str, depth: int) -> ns.Program:
    @ns.program
    def self_skip(x: ns.Vector("d_in")) -> ns.Value:
        def layer(h: ns.Value) -> ns.Value:
            return ns.dense(h + ns.map(phi, h), n, name="hidden")

        h = repeated(depth - 1, layer, ns.dense(x, n, name="input"))
        return ns.readout(h + ns.map(phi, h))

    return self_skip()


@builder
def double() -> ns.Program:
    @ns.program
    def double(x: ns.Vector("d_in")) -> ns.Value:
        h = ns.dense(x, n, name="input")
        return ns.readout(ns.map("identity", h) + ns.map("identity", h))

    return double()


@builder
def nested(inner: str, outer: str, depth: int) -> ns.Program:
    @ns.program
    def nested(x: ns.Vector("d_in")) -> ns.Value:
        def layer(h: ns.Value) -> ns.Value:
            return ns.dense(ns.map(outer, ns.map(inner, h)), n, name="hidden")

        h = repeated(depth - 1, layer, ns.dense(x, n, name="input"))
        return ns.readout(ns.map(outer, ns.map(inner, h)))

    return nested()


@builder
def resnet(phi: str, depth: int, wiring: str, scale: str) -> ns.Program:
    @ns.program
    def resnet(x: ns.Vector("d_in")) -> ns.Value:
        def active(h: ns.Value) -> ns.Value:
            return ns.map(phi, ns.layernorm(h) if wiring == "pre_norm" else h)

        def block(h: ns.Value) -> ns.Value:
            g = active(h)
            if wiring == "two_layer":
                g = ns.map(phi, ns.dense(g, n, name="up"))
            return ns.residual(h, ns.dense(g, n, name="down"), Fraction(scale))

        return ns.readout(active(repeated(depth - 1, block, ns.dense(x, n, name="embed"))))

    return resnet()


@builder
def post_resnet(phi: str, depth: int, scale: str) -> ns.Program:
    @ns.program
    def post_resnet(x: ns.Vector("d_in")) -> ns.Value:
        def block(h: ns.Value) -> ns.Value:
            return ns.residual(h, ns.map(phi, ns.dense(h, n, name="layer")), Fraction(scale))

        return ns.readout(repeated(depth, block, ns.dense(x, n, name="embed")))

    return post_resnet()


@builder
def activated_sum(phi: str) -> ns.Program:
    @ns.program
    def activated_sum(x: ns.Vector("d_in")) -> ns.Value:
        h = ns.map(phi, ns.dense(x, n, name="input"))
        return ns.readout(ns.map("sin", h + ns.dense(h, n, name="hidden")))

    return activated_sum()


@builder
def dropout(phi: str, depth: int, rate: float) -> ns.Program:
    @ns.program
    def dropout(x: ns.Vector("d_in")) -> ns.Value:
        def layer(h: ns.Value) -> ns.Value:
            return ns.dense(ns.dropout(ns.map(phi, h), rate), n, name="hidden")

        h = repeated(depth - 1, layer, ns.dense(x, n, name="input"))
        return ns.readout(ns.dropout(ns.map(phi, h), rate))

    return dropout()


@builder
def glu(phi: str) -> ns.Program:
    @ns.program
    def glu(x: ns.Vector("d_in")) -> ns.Value:
        return ns.readout(ns.glu(ns.dense(x, n, name="embed"), n, name="mlp", phi=phi))

    return glu()


# --- images and graphs -----------------------------------------------------------------------------------


@builder
def cnn(phi: str, depth: int, kernel: int, stride: int, padding: str, head: str) -> ns.Program:
    """On images of 4 x 4 (5 x 4 without padding and with a stride) and two channels."""

    @ns.program
    def cnn(x: ns.Image(5 if (padding, stride) == ("valid", 2) else 4, 4, 2)) -> ns.Value:
        def conv(h: ns.Value, name: str, stride: int) -> ns.Value:
            return ns.map(phi, ns.conv(h, n, kernel, name=name, stride=stride, padding=padding))

        def layer(h: ns.Value) -> ns.Value:
            return conv(h, "conv", 1)

        h = conv(x, "input", stride)
        if padding == "valid" and depth > 1:  # the image shrinks, so the layers are not a loop
            for i in range(depth - 1):
                h = conv(h, f"conv{i}", 1)
        else:
            h = repeated(depth - 1, layer, h)
        if head == "avg":
            h = ns.avg_pool(h)
        return ns.readout(ns.global_avg_pool(h) if head == "pool" else ns.flatten(h))

    return cnn()


@builder
def gcn(phi: str, depth: int) -> ns.Program:
    @ns.program
    def gcn(x: ns.Sequence(3, "d_in", "N"), adjacency: ns.Graph(3)) -> ns.Value:
        def layer(h: ns.Value) -> ns.Value:
            return ns.map(phi, ns.graph_conv(h, adjacency, n, name="conv"))

        h = ns.map(phi, ns.graph_conv(x, adjacency, n, name="input"))
        return ns.readout(ns.pool(repeated(depth - 1, layer, h), "N"))

    return gcn()


# --- sequences -------------------------------------------------------------------------------------------


@builder
def attention(phi: str, causal: bool) -> ns.Program:
    @ns.program
    def attention(x: ns.Sequence(3, "d_in")) -> ns.Value:
        h = ns.attention(ns.dense(x, n, name="embed"), 2, name="attn", causal=causal)
        return ns.readout(ns.pool(ns.map(phi, h), "T"))

    return attention()


@builder
def shared_attention(phi: str) -> ns.Program:
    @ns.program
    def shared_attention(x: ns.Sequence(3, "d_in")) -> ns.Value:
        h = ns.map(phi, ns.dense(x, n, name="embed"))
        q = ns.matmul(ns.weight(h, "qk.w", n, n), h)
        shares = ns.softmax(ns.contract(q, ns.relabel(q, "T", "T'")) / n, "T'")
        values = ns.relabel(ns.dense(h, n, name="value", bias=False), "T", "T'")
        mixed = ns.dense(ns.mix(shares, values, "T'"), n, name="out", bias=False)
        return ns.readout(ns.pick(mixed, "T", -1))

    return shared_attention()


@builder
def transformer(phi: str, activated: bool, norm: str, scale: str) -> ns.Program:
    normed: Any = {"layernorm": ns.layernorm, "rmsnorm": ns.rmsnorm}[norm]

    @ns.program
    def transformer(x: ns.Sequence(3, "d_in")) -> ns.Value:
        def block(h: ns.Value) -> ns.Value:
            h = ns.residual(h, ns.attention(normed(h), 2, name="attn"), Fraction(scale))
            return ns.residual(h, ns.mlp_block(normed(h), n, name="mlp", phi=phi, bias=False), Fraction(scale))

        h = ns.dense(x, n, name="embed")
        h = ns.repeat(2, block, ns.map(phi, h) if activated else h)
        return ns.readout(ns.pick(normed(h), "T", -1))

    return transformer()


@builder
def embedding(phi: str, positional: bool) -> ns.Program:
    @ns.program
    def embedding(tokens: ns.Tokens(3)) -> ns.Value:
        h, _ = ns.embedding(tokens, n, name="embed", vocab=5)
        if positional:
            h = ns.positional(h, "T", name="position")
        return ns.readout(ns.pool(ns.map(phi, ns.dense(h, n, name="hidden")), "T"))

    return embedding()


@builder
def rnn(phi: str) -> ns.Program:
    return zoo.load("rnn")(phi=ns.activation(phi))


@builder
def gru() -> ns.Program:
    @ns.program
    def gru(x: ns.Sequence("T", "d_in")) -> ns.Value:
        return ns.readout(ns.pick(ns.gru(x, n, name="cell"), "T", -1))

    return gru()


@builder
def lstm() -> ns.Program:
    return zoo.load("lstm")()
