"""The Gaussian bell of unit width and height."""

from ntksym.language.activations._base import Activation, register

gaussian = register(Activation("gaussian", "exp(-z**2/2)"))
