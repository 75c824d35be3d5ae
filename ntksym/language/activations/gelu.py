"""The Gaussian error linear unit (Hendrycks and Gimpel 2016)."""

from ntksym.language.activations._base import Activation, register

gelu = register(Activation("gelu", "z*Phi(z)"))
