"""The identity, cut off at -1 and 1."""

from ntksym.language.activations._base import Activation, register

hard_tanh = register(Activation("hard_tanh", "Max(-1, Min(1, z))"))
