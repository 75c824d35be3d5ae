"""The hyperbolic tangent."""

from ntksym.language.activations._base import Activation, register

tanh = register(Activation("tanh", "tanh(z)"))
