"""Depth and width together: what becomes of the tangent kernel's fluctuations where L/n stays fixed."""

from __future__ import annotations

from typing import Any

from ntksym._lazy import lazy
from ntksym.errors import FiniteWidthError
from ntksym.finite.exact import slopes_of
from ntksym.language.activations import Activation, activation
from ntksym.language.activations._base import Family

sympy = lazy("sympy")


def fluctuation_limit(phi: str | Activation | Family, beta: Any) -> Any:
    """E[H^2] / E[H]^2 of the tangent kernel at one input, as L, n -> infinity with L/n = beta: a SymPy expression.

    For a perceptron of a function that is linear on either side of zero, at criticality, biases not trained. With
    e = E[phi'^4] / E[phi'^2]^2, c = 3e - 1 and x = (c + 1) beta it is

        exp(c beta) (2/3) (1/2 + (2/x) (1 - (1 - exp(-x)) / x)),

    exp(5 beta) times a function of 6 beta for ReLU (Hanin and Nica 2019, arXiv:1909.05989).
    Raises FiniteWidthError for other functions.
    """
    meant = activation(phi)
    slopes = slopes_of(meant.expr)
    if slopes is None or not any(slopes):
        raise FiniteWidthError(f"{meant} is not linear on either side of zero, so this limit is not known")
    second, fourth = (sympy.Rational(*sum(s**k for s in slopes).as_integer_ratio()) / 2 for k in (2, 4))
    beta = sympy.sympify(beta)
    c = 3 * fourth / second**2 - 1
    x = (c + 1) * beta
    return sympy.exp(c * beta) * sympy.Rational(2, 3) * (sympy.S.Half + 2 / x * (1 - (1 - sympy.exp(-x)) / x))
