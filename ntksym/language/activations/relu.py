"""The rectified linear unit."""

from ntksym.language.activations._base import Activation, register

relu = register(Activation("relu", "Max(z, 0)", homogeneity=1))
