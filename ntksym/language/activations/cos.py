"""The cosine."""

from ntksym.language.activations._base import Activation, register

cos = register(Activation("cos", "cos(z)"))
