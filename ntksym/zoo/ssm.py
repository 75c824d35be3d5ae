"""A stack of diagonal state-space layers with gates."""

from fractions import Fraction

from ntksym import language as ns

n, L = ns.dim("n"), ns.dim("L")
T, N = ns.fixed("T", 16), ns.fixed("N", 4)


@ns.program
def ssm(
    tokens: ns.Tokens(T), *, phi: ns.Activation = ns.activation("silu"), branch: Fraction = Fraction(-1, 2)
) -> ns.Value:
    """Embeddings, L blocks (project, state space along T, gate, project), and a readout over the vocabulary."""

    def block(h: ns.Value) -> ns.Value:
        x = ns.rmsnorm(h)
        inner = ns.ssm(phi(ns.dense(x, 2 * n, name="in", bias=False)), N, name="ssm")
        gate = phi(ns.dense(x, 2 * n, name="gate", bias=False))
        return ns.residual(h, ns.dense(inner * gate, n, name="out", bias=False), L**branch)

    h, _ = ns.embedding(tokens, n, name="embed")
    return ns.dense(ns.rmsnorm(ns.repeat(L, block, h)), ns.fixed("vocab"), name="readout", bias=False)
