"""A graph convolutional network."""

from ntksym import language as ns

n, N = ns.dim("n"), ns.fixed("N", 8)


@ns.program
def gcn(
    x: ns.Sequence(N, "d_in"),
    adjacency: ns.Graph(N),
    *,
    phi: ns.Activation = ns.activation("relu"),
    depth: int = 2,
    d_out: int = 1,
) -> ns.Value:
    """``depth`` graph convolutions, the mean over the nodes, and a readout."""

    def layer(h: ns.Value) -> ns.Value:
        return phi(ns.graph_conv(h, adjacency, n, name="conv"))

    h = phi(ns.graph_conv(x, adjacency, n, name="input"))
    if depth != 1:
        h = ns.repeat(depth - 1, layer, h)
    return ns.dense(ns.pool(h, "N"), d_out, name="readout")
