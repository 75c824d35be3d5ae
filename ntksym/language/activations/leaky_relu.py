"""Leaky ReLU: slope 1 on the right and a small one on the left."""

from fractions import Fraction

from ntksym.language.activations._base import Activation, register


@register
def leaky_relu(slope: Fraction = Fraction(1, 100)) -> Activation:
    """slope*z for z < 0 and z for z > 0."""
    return Activation("leaky_relu", f"({slope})*Min(z, 0) + Max(z, 0)", homogeneity=1)
