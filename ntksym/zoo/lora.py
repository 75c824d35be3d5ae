"""Low-rank adaptation of a frozen multilayer perceptron."""

from ntksym import language as ns

n, r = ns.dim("n"), ns.fixed("r", 8)


@ns.program
def lora(x: ns.Vector(ns.fixed("d_in", 64)), *, phi: ns.Activation = ns.activation("relu"), d_out: int = 1) -> ns.Value:
    """Two hidden layers with adapters of rank r beside frozen weights; input layer and readout are frozen."""
    h = ns.dense(x, n, name="input", trainable=False)
    h = ns.lora(phi(h), n, r, name="first")
    h = ns.lora(phi(h), n, r, name="second")
    return ns.dense(phi(h), d_out, name="readout", trainable=False)
