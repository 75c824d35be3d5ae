"""The continuously differentiable exponential linear unit (Barron 2017)."""

from fractions import Fraction

from ntksym.errors import ExpressionError
from ntksym.language.activations._base import Activation, register


@register
def celu(a: Fraction = Fraction(1)) -> Activation:
    """z for z > 0 and a*(exp(z/a) - 1) below, for a > 0."""
    if a <= 0:
        raise ExpressionError(f"celu needs a > 0, not {a}")
    return Activation("celu", f"Piecewise((z, z > 0), (({a})*(exp(z/({a})) - 1), True))")
