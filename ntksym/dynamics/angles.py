"""Kernels that are polynomials in c, sqrt(1 - c^2) and the angle acos(c): their integrals and series, exactly.

All kernels of one hidden layer of (leaky, powers of) ReLUs without biases are such, and so are those of polynomial
activations at any depth. On the circle of angles theta = acos(c) they are polynomials in cos, sin and theta, whose
integrals are rational combinations of powers of pi.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from ntksym._lazy import lazy

sympy = lazy("sympy")
rings = lazy("sympy.polys.rings")

Waves = dict[int, Any]
"""Sums of c_m exp(i m theta), by m; coefficients are Gaussian rationals."""


@dataclass(frozen=True)
class AngularPolynomial:
    """sum of coefficient cos(theta)^a sin(theta)^b theta^j, by (a, b, j); coefficients are SymPy numbers."""

    terms: Mapping[tuple[int, int, int], Any]

    @staticmethod
    def of(kernel: Any, c: Any) -> AngularPolynomial | None:
        """The polynomial that an expression in c is on [-1, 1]; None if it is none."""
        cos, sin, theta = sympy.symbols("cos sin theta", positive=True)

        def angle(e: Any) -> Any:
            if sympy.expand(e.args[0] - c) == 0:
                return theta if e.func == sympy.acos else sympy.pi / 2 - theta
            return e

        made = kernel.replace(lambda e: e.func in (sympy.acos, sympy.asin), angle)
        made = made.replace(lambda e: e.is_Pow and e.exp.is_Rational and e.exp.q == 2, lambda e: _root(e, c, sin))
        made = made.xreplace({c: cos})
        if not made.is_polynomial(cos, sin, theta):
            return None
        polynomial = sympy.Poly(sympy.expand(made), cos, sin, theta)
        return AngularPolynomial(dict(polynomial.terms()))

    def integral(self, weight: Waves) -> Any:
        """The integral over theta from 0 to pi, with a weight."""
        total = sympy.S.Zero
        for (a, b, j), coefficient in self.terms.items():
            waves = times(weight, times(power(cosine(), a), power(sine(), b)))
            total += coefficient * _integral(waves, j)
        return sympy.expand(total)

    def series(self, order: int) -> list[Any]:
        """The coefficients of c^0 to c^order."""
        R, pi = rings.ring("pi", sympy.QQ)
        root = _binomial(R, sympy.Rational(1, 2), order)
        inverse = _binomial(R, -sympy.Rational(1, 2), order)
        theta = [pi / 2, *(-inverse[n] / (n + 1) for n in range(order))]
        total = [sympy.S.Zero] * (order + 1)
        for (a, b, j), coefficient in self.terms.items():
            product = [R(1) if n == a else R(0) for n in range(order + 1)]
            for factor in (*[root] * b, *[theta] * j):
                product = [sum((product[m] * factor[n - m] for m in range(n + 1)), R(0)) for n in range(order + 1)]
            total = [x + coefficient * y.as_expr(sympy.pi) for x, y in zip(total, product, strict=True)]
        return [sympy.expand(x) for x in total]

    def expansion(self, order: int, at_end: bool) -> list[Any]:
        """The Taylor coefficients in theta at 0, or in pi - theta at pi, up to an order."""
        x = sympy.Symbol("x")
        total = [sympy.S.Zero] * (order + 1)
        for (a, b, j), coefficient in self.terms.items():
            waves = times(power(cosine(), a), power(sine(), b))
            # at pi - x the cosine changes its sign and the sine does not
            sign = (-1) ** a if at_end else 1
            base = sympy.Poly((sympy.pi - x if at_end else x) ** j, x).all_coeffs()[::-1]
            for n in range(order + 1):
                for k, part in enumerate(base[: n + 1]):
                    total[n] += sign * coefficient * part * _derivative(waves, n - k)
        return [sympy.expand(entry) for entry in total]


def _root(e: Any, c: Any, sin: Any) -> Any:
    """Powers of sqrt(1 - c^2), up to a positive factor."""
    ratio = sympy.cancel(e.base / (1 - c**2)) if e.base.is_polynomial(c) else c
    return ratio**e.exp * sin ** (2 * e.exp) if ratio.is_number and ratio.is_positive else e


def _binomial(R: Any, exponent: Any, order: int) -> list[Any]:
    """(1 - c^2)^exponent as a series in c."""
    made = [R(0)] * (order + 1)
    for n in range(order // 2 + 1):
        made[2 * n] = R(sympy.QQ.from_sympy(sympy.binomial(exponent, n) * (-1) ** n))
    return made


# --- waves --------------------------------------------------------------------------------------------------------


def cosine() -> Waves:
    half = sympy.QQ_I(1) / 2
    return {1: half, -1: half}


def sine() -> Waves:
    half = sympy.QQ_I(0, -1) / 2
    return {1: half, -1: -half}


def times(left: Waves, right: Waves) -> Waves:
    """The product of two sums."""
    found: Waves = {}
    for m, x in left.items():
        for n, y in right.items():
            found[m + n] = found.get(m + n, sympy.QQ_I(0)) + x * y
    return found


def plus(left: Waves, right: Waves, a: Any, b: Any) -> Waves:
    """a left + b right, for rational a and b."""
    zero, a, b = sympy.QQ_I(0), sympy.QQ_I.from_sympy(a), sympy.QQ_I.from_sympy(b)
    return {m: a * left.get(m, zero) + b * right.get(m, zero) for m in {*left, *right}}


def power(waves: Waves, exponent: int) -> Waves:
    found: Waves = {0: sympy.QQ_I(1)}
    for _ in range(exponent):
        found = times(found, waves)
    return found


def _integral(waves: Waves, j: int) -> Any:
    """The integral of theta^j times the sum: a polynomial in pi."""
    total = sum((_moment(j, m) * x for m, x in waves.items()), _ring().zero)
    return total.as_expr(sympy.pi)


@lru_cache(maxsize=1)
def _ring() -> Any:
    return rings.ring("pi", sympy.QQ_I)[0]


@lru_cache(maxsize=4096)
def _moment(j: int, m: int) -> Any:
    """The integral of theta^j exp(i m theta) from 0 to pi, by parts."""
    R = _ring()
    pi = R.gens[0]
    if m == 0:
        return pi ** (j + 1) * (sympy.QQ_I(1) / (j + 1))
    inverse = sympy.QQ_I(0, -1) / m
    end = pi**j * sympy.QQ_I((-1) ** m)
    return (end - 1) * inverse if j == 0 else end * inverse - _moment(j - 1, m) * (inverse * j)


def _derivative(waves: Waves, n: int) -> Any:
    """The coefficient of theta^n at 0."""
    i = sympy.QQ_I(0, 1)
    total = sum((x * (i * m) ** n for m, x in waves.items()), sympy.QQ_I(0))
    return sympy.QQ_I.to_sympy(total) / sympy.factorial(n)
