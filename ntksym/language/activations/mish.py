"""Mish (Misra 2019)."""

from ntksym.language.activations._base import Activation, register

mish = register(Activation("mish", "z*tanh(softplus(z))"))
