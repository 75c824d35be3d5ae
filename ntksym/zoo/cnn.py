"""A convolutional network on images."""

from ntksym import language as ns

n = ns.dim("n")


@ns.program
def cnn(
    x: ns.Image(8, 8, 3),
    *,
    phi: ns.Activation = ns.activation("relu"),
    depth: int = 3,
    kernel: int = 3,
    pool: bool = True,
    d_out: int = 10,
    bias: bool = True,
) -> ns.Value:
    """``depth`` convolutions, then global average pooling (or flattening) and a dense readout."""

    def layer(h: ns.Value) -> ns.Value:
        return phi(ns.conv(h, n, kernel, name="conv", bias=bias))

    h = phi(ns.conv(x, n, kernel, name="input", bias=bias))
    if depth != 1:
        h = ns.repeat(depth - 1, layer, h)
    return ns.dense(ns.global_avg_pool(h) if pool else ns.flatten(h), d_out, name="readout", bias=bias)
