"""The distribution function of the standard normal."""

from ntksym.language.activations._base import Activation, register

normal_cdf = register(Activation("normal_cdf", "Phi(z)"))
