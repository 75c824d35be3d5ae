"""The exponential."""

from ntksym.language.activations._base import Activation, register

exp = register(Activation("exp", "exp(z)"))
