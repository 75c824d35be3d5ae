"""Partial derivatives of expectations: the differentiated closed form, Price's question, plain differences agree."""

import pytest
import sympy

from ntksym.gaussian import GaussianError, evaluate, expect
from ntksym.gaussian.slopes import slopes

P, Q, R = (sympy.Symbol(name, real=True) for name in "pqr")
POINT = {"p": sympy.Rational(6, 5), "q": sympy.Rational(7, 10), "r": sympy.Rational(3, 10)}
STEP = sympy.Rational(1, 10**8)


def value(answer, point=POINT):
    return sympy.Float(evaluate(answer, point, 30).value, 30)


@pytest.mark.parametrize("phi", ["relu", "erf", "gelu", "step", "sin", "abs"])
def test_three_ways(phi: str) -> None:
    """Differences of 1e-8 are wrong by less than 1e-13. The second derivative of a step has no answer of its own."""
    answer = expect([phi, phi], [[P, R], [R, Q]])
    for name, terms in slopes(answer):
        found = sum(value(slope) * weight for weight, slope in terms)
        ends = (value(answer, {**POINT, name: POINT[name] + s}) for s in (-STEP, STEP))
        low, high = ends
        assert abs((high - low) / (2 * STEP) - found) < 1e-13
        for weight, slope in terms:
            asked = slope.expectation
            try:
                fresh = expect(asked.factors, asked.covariance, asked.mean, asked.derivatives)
            except GaussianError:
                assert phi == "step"
                assert max(asked.derivatives) == 2
                continue
            assert abs(value(fresh) - value(slope)) * abs(weight) < 1e-25


def test_one_symbol_in_several_entries() -> None:
    """E[relu(u) relu(v)] with equal variances, in one symbol: both derivatives add up."""
    apart, together = (expect(["relu", "relu"], [[P, R], [R, q]]) for q in (Q, P))
    point = {"p": 1, "q": 1, "r": sympy.Rational(1, 3)}
    one, two = (dict(slopes(answer)) for answer in (together, apart))
    total = sum(w * value(s, point) for w, s in one["p"])
    assert abs(total - sum(w * value(s, point) for name in "pq" for w, s in two[name])) < 1e-25
