"""The general piecewise linear function with one kink at 0."""

from fractions import Fraction

from ntksym.language.activations._base import Activation, register


@register
def abrelu(a: Fraction = Fraction(-1, 2), b: Fraction = Fraction(1)) -> Activation:
    """a*z for z < 0 and b*z for z > 0: (0, 1) is ReLU, (-1, 1) the absolute value, (1, 1) the identity."""
    return Activation("abrelu", f"({a})*Min(z, 0) + ({b})*Max(z, 0)", homogeneity=1)
