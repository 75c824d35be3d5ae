"""Programs that together use every operation and every layer, with sizes to run them at."""

from typing import Any

import numpy as np

from ntksym import language as ns
from ntksym.language import Program

n, m, L, H = (ns.dim(name) for name in "nmLH")
d_head = ns.dim("d_head", equals=n / H)
relu, tanh = ns.activation("relu"), ns.activation("tanh")

SIZES = {
    **{"n": 8, "m": 12, "L": 3, "H": 2, "d_in": 5, "T": 6, "vocab": 11, "N": 4, "height": 6, "width": 4},
    **{"channels": 3},
}


@ns.program
def mlp(x: ns.Vector("d_in")):
    return ns.readout(relu(ns.dense(x, n, name="hidden")), 2)


@ns.program
def resnet(x: ns.Vector("d_in"), *, phi=relu):
    h = ns.dense(x, n, name="embed")

    def block(h):
        return ns.residual(h, ns.mlp_block(ns.layernorm(h, name="norm"), m, name="mlp", phi=phi), L**-0.5)

    return ns.readout(phi(ns.rmsnorm(ns.repeat(L, block, h), name="last")))


@ns.program
def nested(x: ns.Vector(n)):
    def outer(h, k):
        def inner(h):
            return h + tanh(ns.dense(h, n, name="w")) / L

        return ns.repeat(2, inner, h, name="inner"), k + h

    h, k = ns.repeat(L, outer, (x, 0 * x), name="outer")
    return h, h * k, h / (k * k + 1)


@ns.program
def transformer(tokens: ns.Tokens("T")):
    h, table = ns.embedding(tokens, n, name="embed")
    h = ns.positional(h, "T", name="position")

    def block(h):
        h = h + ns.dropout(ns.attention(ns.layernorm(h), H, name="attn"), 0.5)
        return h + ns.glu(ns.rmsnorm(h), m, name="glu")

    return ns.tied_readout(ns.layernorm(ns.repeat(L, block, h)), table)


@ns.program
def grouped(x: ns.Sequence("T", n)):
    h = ns.attention(x, 4, name="attn", kv_heads=2, rotary=True, qk_norm=True, bias=True, scale=1)
    return ns.attention(h, 2, name="cross", context=x)


@ns.program
def cnn(image: ns.Image("height", "width", "channels")):
    h = relu(ns.conv(image, n, 3, name="first"))
    h = relu(ns.conv(h, n, (3, 2), name="second", stride=2, padding="circular"))
    return ns.dense(ns.global_avg_pool(h), 2, name="out"), ns.dense(ns.flatten(h), 2, name="flat")


@ns.program
def pooled(image: ns.Image(6, 4, 1)):
    return ns.pick(ns.conv(ns.avg_pool(image), n, 2, name="conv", padding="valid"), "row", -1)


@ns.program
def recurrent(x: ns.Sequence("T", "d_in")):
    h = ns.rnn(x, n, name="rnn") + ns.gru(x, n, name="gru")
    return ns.pick(ns.ssm(ns.lstm(h, n, name="lstm"), 3, name="ssm"), "T", -1)


@ns.program
def accumulating(x: ns.Sequence("T", n), tokens: ns.Tokens("T")):
    """A scan over two sequences, with two states, an outside value and a layer of its own."""
    table = ns.weight(x, "table", n, ns.fixed("vocab"))
    start = ns.vector(x, "start", n, sigma=1.0)

    def step(a, b, x, token):
        a = tanh(ns.dense(a, n, name="step") + ns.lookup(table, token) + start)
        return a, b + x * a

    return ns.scan(step, (start, 0 * start), (x, tokens), "T")


@ns.program
def experts(x: ns.Sequence("T", n)):
    all_of_them = ns.moe(x, m, 4, name="all", bias=True)
    return all_of_them + ns.moe(x, m, 4, name="few", k=2) + ns.lora(x, n, 2, name="lora", scale=0.5)


@ns.program
def graph(x: ns.Sequence("N", "d_in"), adjacency: ns.Graph("N")):
    h = relu(ns.graph_conv(x, adjacency, n, name="first"))
    return ns.graph_conv(h, adjacency, 2, name="second")


@ns.program
def axes(x: ns.Sequence("T", n)):
    """The operations that no layer above needs."""
    parts = ns.split(ns.shift(x, "T", 2), "part", 2)
    back = ns.merge(ns.relabel(ns.shift(parts, "part", -1, length=2), "part", "piece"), "piece")
    per_position = ns.broadcast(ns.contract(x, back), n)
    weights = ns.constant(x, 2, n)
    free = ns.map(ns.activation("gate*silu(up)", ("gate", "up")), back, per_position)
    return ns.linear((0.5, free), (n**-0.5, weights)) - ns.pool(x, "T", mean=False)


PROGRAMS: dict[str, Program] = {
    architecture.name: architecture()
    for architecture in (
        *(mlp, resnet, nested, transformer, grouped, cnn, pooled, recurrent, accumulating, experts, graph),
        axes,
    )
}


def sizes_for(program: Program) -> dict[str, int]:
    """The sizes of those dimensions that have neither a default nor a relation."""
    return {dim.name: SIZES[dim.name] for dim in program.dims if dim.default is None and not dim.equals}


def inputs_for(program: Program, batch: int | None = None, seed: int = 0) -> dict[str, Any]:
    """Random data of the shape that the program reads."""
    rng = np.random.default_rng(seed)
    out = {}
    for node in program.inputs:
        shape = [int(axis.size.value(SIZES)) for axis in node.type.positions]
        lead = [] if batch is None else [batch]
        if node.attr("kind") == "tokens":
            out[node.name] = rng.integers(0, SIZES["vocab"], [*lead, *shape])
        else:
            coord = [] if node.attr("kind") == "graph" else [int(node.type.coord.value(SIZES))]
            out[node.name] = rng.standard_normal([*lead, *shape, *coord])
    return out
