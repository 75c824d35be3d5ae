"""The smooth ReLU."""

from ntksym.language.activations._base import Activation, register

softplus = register(Activation("softplus", "log(1 + exp(z))"))
