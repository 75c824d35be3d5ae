"""Powers of ReLU, whose duals are the arc-cosine kernels (Cho and Saul 2009)."""

from fractions import Fraction

from ntksym.errors import ExpressionError
from ntksym.language.activations._base import Activation, register


@register
def relu_power(k: Fraction = Fraction(2)) -> Activation:
    """Max(z, 0)**k for an integer k >= 1."""
    if k < 1 or k.denominator > 1:
        raise ExpressionError(f"relu_power needs an integer k >= 1, not {k}; its limit k = 0 is step")
    return Activation("relu_power", f"Max(z, 0)**{k}", homogeneity=int(k))
