"""The logistic sigmoid."""

from ntksym.language.activations._base import Activation, register

sigmoid = register(Activation("sigmoid", "1/(1 + exp(-z))"))
