"""The Heaviside step, 1/2 at 0."""

from ntksym.language.activations._base import Activation, register

step = register(Activation("step", "step(z)", homogeneity=0))
