"""ReLU, cut off at 6."""

from ntksym.language.activations._base import Activation, register

relu6 = register(Activation("relu6", "Min(Max(z, 0), 6)"))
