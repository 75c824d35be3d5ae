"""The exponential linear unit (Clevert et al. 2015)."""

from fractions import Fraction

from ntksym.language.activations._base import Activation, register


@register
def elu(a: Fraction = Fraction(1)) -> Activation:
    """z for z > 0 and a*(exp(z) - 1) below."""
    return Activation("elu", f"Piecewise((z, z > 0), (({a})*(exp(z) - 1), True))")
