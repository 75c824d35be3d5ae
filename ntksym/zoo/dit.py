"""A diffusion transformer: blocks modulated by a condition (time and label) through adaptive normalisation."""

from fractions import Fraction

from ntksym import language as ns

n, L = ns.dim("n"), ns.dim("L")
H, T = ns.fixed("H", 4), ns.fixed("T", 16)


@ns.program
def dit(
    patches: ns.Sequence(T, "d_patch"),
    condition: ns.Vector("d_cond"),
    *,
    phi: ns.Activation = ns.activation("gelu"),
    scale: Fraction = Fraction(-1),
    branch: Fraction = Fraction(-1, 2),
    zero: bool = True,
    ff: int = 4,
) -> ns.Value:
    """L blocks whose shifts, scales and gates are read off the condition (gates start at zero if ``zero``)."""
    silu = ns.activation("silu")
    c = silu(ns.dense(silu(ns.dense(condition, n, name="cond1")), n, name="cond2"))
    init = "zeros" if zero else "normal"

    def modulate(h: ns.Value, name: str) -> ns.Value:
        shift, gain = (
            ns.dense(c, n, name=f"{name}.shift", init=init),
            ns.dense(c, n, name=f"{name}.scale", init=init),
        )
        return ns.layernorm(h) * (gain + 1) + shift

    def block(h: ns.Value) -> ns.Value:
        heads = ns.attention(modulate(h, "ada1"), H, name="attn", scale=(n / H) ** scale, causal=False)
        h = ns.residual(h, ns.dense(c, n, name="ada1.gate", init=init) * heads, L**branch)
        inner = ns.mlp_block(modulate(h, "ada2"), ff * n, name="mlp", phi=phi)
        return ns.residual(h, ns.dense(c, n, name="ada2.gate", init=init) * inner, L**branch)

    h = ns.positional(ns.dense(patches, n, name="embed"), T, name="position")
    h = modulate(ns.repeat(L, block, h), "final")
    return ns.dense(h, ns.fixed("d_patch"), name="readout", init=init)
