"""E[f(u) g(v) ...] over Gaussian vectors: closed forms that are derived by rewriting, series, quadrature."""

from ntksym.gaussian.answers import Answer, expect
from ntksym.gaussian.duals import dual, dual_derivative, dual_derivative_by_price
from ntksym.gaussian.evaluate import Number, evaluate
from ntksym.gaussian.expectation import Expectation, GaussianError

__all__ = [
    "Answer",
    "Expectation",
    "GaussianError",
    "Number",
    "dual",
    "dual_derivative",
    "dual_derivative_by_price",
    "evaluate",
    "expect",
]
