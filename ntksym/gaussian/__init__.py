"""E[f(u) g(v) ...] over Gaussian vectors: closed forms that are derived by rewriting, series, quadrature."""

from ntksym.gaussian.answers import Answer, expect
from ntksym.gaussian.duals import dual, dual_derivative, dual_derivative_by_price
from ntksym.gaussian.evaluate import Number, evaluate
from ntksym.gaussian.expectation import Expectation, GaussianError
from ntksym.gaussian.many import Numbers, evaluate_many, is_near

__all__ = [
    "Answer",
    "Expectation",
    "GaussianError",
    "Number",
    "Numbers",
    "dual",
    "dual_derivative",
    "dual_derivative_by_price",
    "evaluate",
    "evaluate_many",
    "expect",
    "is_near",
]
