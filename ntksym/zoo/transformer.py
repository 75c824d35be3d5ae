"""A decoder-only transformer, GPT-like by default, LLaMA-like by its settings."""

from fractions import Fraction

from ntksym import language as ns

n, L = ns.dim("n"), ns.dim("L")
H, K, T = ns.fixed("H", 4), ns.fixed("K", 2), ns.fixed("T", 16)
d_head = ns.dim("d_head", equals=n / H)


@ns.program
def transformer(
    tokens: ns.Tokens(T),
    *,
    phi: ns.Activation = ns.activation("gelu"),
    scale: Fraction = Fraction(-1),
    branch: Fraction = Fraction(-1, 2),
    grouped: bool = False,
    gated: bool = False,
    rotary: bool = False,
    rms: bool = False,
    qk_norm: bool = False,
    tied: bool = False,
    bias: bool = False,
    affine: bool = False,
    ff: int = 4,
) -> ns.Value:
    """Embeddings, L blocks of attention and MLP, and a readout over the vocabulary.

    Attention logits are scaled by d_head to the power ``scale``, branches by L to the power ``branch``.
    """

    def norm(h: ns.Value, name: str) -> ns.Value:
        return (ns.rmsnorm if rms else ns.layernorm)(h, name=name if affine else None)

    def block(h: ns.Value) -> ns.Value:
        heads = ns.attention(
            norm(h, "norm1"),
            H,
            name="attn",
            scale=d_head**scale,
            kv_heads=K if grouped else None,
            rotary=rotary,
            qk_norm=qk_norm,
            bias=bias,
        )
        h = ns.residual(h, heads, L**branch)
        layer = ns.glu if gated else ns.mlp_block
        return ns.residual(h, layer(norm(h, "norm2"), ff * n, name="mlp", phi=phi, bias=bias), L**branch)

    h, table = ns.embedding(tokens, n, name="embed")
    if not rotary:
        h = ns.positional(h, T, name="position")
    h = norm(ns.repeat(L, block, h), "norm")
    return ns.tied_readout(h, table) if tied else ns.dense(h, ns.fixed("vocab"), name="readout", bias=False)
