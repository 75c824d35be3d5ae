"""A residual network whose blocks are mixtures of experts."""

from fractions import Fraction

from ntksym import language as ns

n, L = ns.dim("n"), ns.dim("L")
E = ns.fixed("E", 8)


@ns.program
def moe(
    x: ns.Vector(ns.fixed("d_in", 64)),
    *,
    phi: ns.Activation = ns.activation("gelu"),
    branch: Fraction = Fraction(-1, 2),
    k: int = 0,
    d_out: int = 1,
) -> ns.Value:
    """L blocks of E experts behind a softmax router; only the ``k`` best experts answer where k is not 0."""

    def block(h: ns.Value) -> ns.Value:
        experts = ns.moe(ns.layernorm(h), n, E, name="moe", k=k or None, phi=phi)
        return ns.residual(h, experts, L**branch)

    h = ns.repeat(L, block, ns.dense(x, n, name="embed"))
    return ns.dense(ns.layernorm(h), d_out, name="readout")
