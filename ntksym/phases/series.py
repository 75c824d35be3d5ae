"""Expectations of two Gaussians of one variance as power series in their correlation: E[f(u) g(v)] = sum a_n b_n c^n.

With Hermite coefficients a_n = E[f(s x) h_n(x)] for the orthonormal polynomials h_n (Mehler). They are found once for a
length, and then every correlation costs a polynomial. What is left of E[f g] at c = 1 stands at the last order, so that
the series is exact there and nothing is lost next to it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np

from ntksym._lazy import lazy
from ntksym.gaussian import Answer
from ntksym.gaussian.expectation import simplified
from ntksym.gaussian.hermite import MAX_ORDER, Coefficients, Samples
from ntksym.gaussian.pieces import has_kinks
from ntksym.gaussian.quadrature import smooth_function
from ntksym.gaussian.terms import NotMine
from ntksym.gaussian.unevaluated import Unevaluated
from ntksym.language.expressions import Expr, Symbol, mul, numpy_function, substitute, symbols

mpmath = lazy("mpmath")

# in double precision: how far the grid reaches, its points for each unit of the spread, and the highest order
_REACH, _DENSITY, _ORDER = 12.0, 24, 600
_LEAST, _REST = 8, 1e-18


@dataclass(frozen=True)
class Product:
    """E[f(u) g(v)]: smooth functions of z1, and the names of the variances and of the covariance."""

    f: Expr
    g: Expr
    variances: tuple[str, str]
    covariance: str


@lru_cache(maxsize=1024)
def product_of(answer: Answer) -> Product | None:
    """An expectation without closed form as a product of smooth functions; None for any other."""
    if not answer.expression.has(Unevaluated):
        return None
    question = simplified(answer.expectation)
    plain = question.n == 2 and not any(question.derivatives) and not any(question.mean)
    if not plain or any(has_kinks(factor) or len(symbols(factor)) > 1 for factor in question.factors):
        return None
    (p, r), (_, q) = question.covariance
    if not (p.is_Symbol and q.is_Symbol and r.is_Symbol):
        return None
    first, second = (mul(*(x for x in question.factors if symbols(x) == (name,))) for name in ("z1", "z2"))
    number = mul(*(x for x in question.factors if not symbols(x)))
    g = substitute(mul(number, second), {"z2": Symbol("z1")})
    return Product(first, g, (p.name, q.name), r.name)


@lru_cache(maxsize=256)
def float_series(product: Product, variance: float) -> Any:
    """The coefficients of the series in double precision, by order."""
    spread = float(np.sqrt(variance))
    reach = _REACH + min(spread, _REACH)
    x, step = np.linspace(-reach, reach, int(2 * reach * _DENSITY * max(1.0, spread)) + 1, retstep=True)
    root = np.exp(-(x**2) / 4) * np.sqrt(step / np.sqrt(2 * np.pi))
    functions = [numpy_function(h, ("z1",)) for h in (product.f, product.g)]
    f, g = (np.broadcast_to(function(spread * x), x.shape) * root for function in functions)
    left = total = float(f @ g)
    before, now = np.zeros_like(x), root
    coefficients = []
    for n in range(_ORDER):
        coefficients.append(float((f @ now) * (g @ now)))
        left -= coefficients[-1]
        before, now = now, (x * now - np.sqrt(n) * before) / np.sqrt(n + 1)
        if n > _LEAST and max(map(abs, coefficients[-4:])) < _REST * abs(total):
            break
    return np.array([*coefficients, left])


@dataclass
class _Terms:
    """The terms of a series in mpmath numbers, found as they are needed, and what they leave of both square norms."""

    lists: tuple[Coefficients, Coefficients]
    products: list[Any] = field(default_factory=list)
    rests: list[Any] = field(default_factory=list)

    def extend(self) -> None:
        f, g = self.lists
        a = f.next()
        self.products.append(a * (a if g is f else g.next()))
        self.rests.append(mpmath.sqrt(max(f.rest, 0) * max(g.rest, 0)))


@lru_cache(maxsize=64)
def _terms(product: Product, variance: Any, digits: int) -> _Terms:
    spread = mpmath.sqrt(variance)
    samples = [Samples(smooth_function(h, ("z1",)), mpmath.mpf(0), spread) for h in (product.f, product.g)]
    level = max(sample.settled(digits) for sample in samples) + 1
    f = Coefficients(samples[0], level)
    return _Terms((f, f if product.f == product.g else Coefficients(samples[1], level)))


def precise_series(product: Product, variance: Any, correlation: Any, digits: int) -> Any:
    """The sum to ``digits`` digits; raises ``NotMine`` where it needs too many terms."""
    with mpmath.workdps(digits + 15):
        terms = _terms(product, variance, digits)
        goal = mpmath.mpf(10) ** -digits
        value, power = mpmath.mpf(0), mpmath.mpf(1)
        for order in range(MAX_ORDER + 1):
            if order == len(terms.products):
                terms.extend()
            value += terms.products[order] * power
            power *= correlation
            rest = abs(power) * terms.rests[order]
            if order > _LEAST and rest <= goal * max(abs(value), goal):
                return value
    raise NotMine(f"the series needs more than {MAX_ORDER} terms")
