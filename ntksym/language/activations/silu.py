"""The sigmoid linear unit, also called swish."""

from ntksym.language.activations._base import Activation, register

silu = register(Activation("silu", "z*sigmoid(z)"))
