"""A residual network of L blocks on vectors."""

from fractions import Fraction

from ntksym import language as ns

n, L = ns.dim("n"), ns.dim("L")


@ns.program
def resnet(
    x: ns.Vector(ns.fixed("d_in", 64)),
    *,
    phi: ns.Activation = ns.activation("relu"),
    block_depth: int = 1,
    branch: Fraction = Fraction(-1, 2),
    normalise: bool = False,
    d_out: int = 1,
    bias: bool = True,
) -> ns.Value:
    """Branches of ``block_depth`` (1 or 2) weight layers, scaled by L to the power ``branch``."""

    def block(h: ns.Value) -> ns.Value:
        g = phi(ns.layernorm(h) if normalise else h)
        if block_depth == 2:
            g = phi(ns.dense(g, n, name="up", bias=bias))
        return ns.residual(h, ns.dense(g, n, name="down", bias=bias), L**branch)

    h = ns.dense(x, n, name="embed", bias=bias)
    h = ns.repeat(L, block, h)
    return ns.dense(phi(ns.layernorm(h) if normalise else h), d_out, name="readout", bias=bias)
