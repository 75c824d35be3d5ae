"""A multilayer perceptron."""

from ntksym import language as ns

n = ns.dim("n")


@ns.program
def mlp(
    x: ns.Vector(ns.fixed("d_in", 64)),
    *,
    phi: ns.Activation = ns.activation("relu"),
    depth: int = 2,
    d_out: int = 1,
    bias: bool = True,
) -> ns.Value:
    """``depth`` nonlinearities between an input layer, depth - 1 hidden layers and a readout."""

    def layer(h: ns.Value) -> ns.Value:
        return ns.dense(phi(h), n, name="hidden", bias=bias)

    h = ns.dense(x, n, name="input", bias=bias)
    if depth != 1:
        h = ns.repeat(depth - 1, layer, h)
    return ns.dense(phi(h), d_out, name="readout", bias=bias)
