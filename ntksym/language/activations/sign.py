"""The sign, 0 at 0."""

from ntksym.language.activations._base import Activation, register

sign = register(Activation("sign", "sign(z)", homogeneity=0))
