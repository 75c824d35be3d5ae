"""The square."""

from ntksym.language.activations._base import Activation, register

square = register(Activation("square", "z**2", homogeneity=2))
