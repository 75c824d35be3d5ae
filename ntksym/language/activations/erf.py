"""The error function, a sigmoid from -1 to 1 with slope 2/sqrt(pi) at 0."""

from ntksym.language.activations._base import Activation, register

erf = register(Activation("erf", "erf(z)"))
