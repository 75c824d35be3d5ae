"""A long short-term memory network."""

from ntksym import language as ns

n = ns.dim("n")


@ns.program
def lstm(x: ns.Sequence("T", "d_in"), *, d_out: int = 1) -> ns.Value:
    """One LSTM layer and a readout of its last state."""
    return ns.dense(ns.pick(ns.lstm(x, n, name="cell"), "T", -1), d_out, name="readout")
