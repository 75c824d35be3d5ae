"""The absolute value."""

from ntksym.language.activations._base import Activation, register

absolute = register(Activation("abs", "Abs(z)", homogeneity=1))
