"""Gradient descent with (Nesterov) momentum: a running sum of gradients, of a gradient's size."""

from dataclasses import replace

from ntksym.scaling.optimizers._base import register
from ntksym.scaling.optimizers.sgd import SGD

MOMENTUM = register(
    replace(SGD, name="momentum", reason="an update entry is lr times a running mean of gradient entries")
)
