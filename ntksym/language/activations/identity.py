"""The identity, of a linear network."""

from ntksym.language.activations._base import Activation, register

identity = register(Activation("identity", "z", homogeneity=1))
