"""A recurrent network that reads a sequence and answers at its end."""

from ntksym import language as ns

n = ns.dim("n")


@ns.program
def rnn(x: ns.Sequence("T", "d_in"), *, phi: ns.Activation = ns.activation("tanh"), d_out: int = 1) -> ns.Value:
    """One recurrent layer and a readout of its last state."""
    return ns.dense(ns.pick(ns.rnn(x, n, name="cell", phi=phi), "T", -1), d_out, name="readout")
