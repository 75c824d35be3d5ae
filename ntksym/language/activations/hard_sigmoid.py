"""The piecewise linear sigmoid of slope 1/6."""

from ntksym.language.activations._base import Activation, register

hard_sigmoid = register(Activation("hard_sigmoid", "relu6(z + 3)/6"))
