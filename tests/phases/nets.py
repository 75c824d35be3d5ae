"""Blocks that the zoo does not hold."""

from fractions import Fraction

import ntksym as ns

n = ns.dim("n")


@ns.program
def gated(x: ns.Vector("d"), *, phi: ns.Activation = ns.tanh) -> ns.Value:
    """A layer times a gate of weights of its own."""

    def layer(h: ns.Value) -> ns.Value:
        return phi(ns.dense(h, n, name="value")) * ns.sigmoid(ns.dense(h, n, name="gate"))

    return ns.dense(ns.repeat(4, layer, ns.dense(x, n, name="embed")), 1, name="readout")


@ns.program
def pre_normalised(x: ns.Vector("d"), *, phi: ns.Activation = ns.tanh) -> ns.Value:
    """Residual blocks that normalise what they read."""

    def block(h: ns.Value) -> ns.Value:
        return h + ns.dense(phi(ns.rmsnorm(h)), n, name="branch")

    return ns.dense(ns.repeat(4, block, ns.dense(x, n, name="embed")), 1, name="readout")


@ns.program
def scaled(x: ns.Vector("d"), *, phi: ns.Activation = ns.relu, branch: Fraction = Fraction(0)) -> ns.Value:
    """Residual blocks, L of them, whose branch is scaled by a power of L; without biases."""
    L = ns.dim("L")

    def block(h: ns.Value) -> ns.Value:
        return h + L**branch * ns.dense(phi(h), n, name="branch", bias=False)

    return ns.dense(ns.repeat(L, block, ns.dense(x, n, name="embed", bias=False)), 1, name="readout", bias=False)
