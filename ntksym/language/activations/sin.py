"""The sine."""

from ntksym.language.activations._base import Activation, register

sin = register(Activation("sin", "sin(z)"))
