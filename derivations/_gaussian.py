"""Averages over Gaussian pairs, by quadrature and by formula: witnesses that use nothing of ``ntksym.gaussian``."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import sympy

Array = Any
Expression = Any

p, q = sympy.symbols("p q", positive=True)
r, u, v = sympy.symbols("r u v", real=True)
DETERMINANT = p * q - r**2
DENSITY = sympy.exp(-(q * u**2 - 2 * r * u * v + p * v**2) / (2 * DETERMINANT)) / (
    2 * sympy.pi * sympy.sqrt(DETERMINANT)
)
"""Of two centred Gaussians with E[u^2] = p, E[v^2] = q, E[u v] = r."""

POINTS = tuple(
    {p: sympy.Rational(a), q: sympy.Rational(b), r: sympy.Rational(c)}
    for a, b, c in (("1", "1", "1/2"), ("13/10", "7/10", "-2/5"), ("2", "1/2", "1/4"))
)
"""Covariances to compare numbers at."""
QUADRATURE_ERROR = 1e-10
"""Ten times what doubling the number of nodes changes at POINTS, or more."""


@cache
def half_line(nodes: int) -> tuple[Array, Array]:
    """Gauss-Legendre nodes and weights on (0, 12)."""
    x, w = np.polynomial.legendre.leggauss(nodes)
    return 6 * (x + 1), 6 * w


def average(f: Callable[[Array, Array], Array], point: dict[Any, Any], nodes: int = 160) -> float:
    """E[f(u, v)] at one of POINTS; f may jump or have kinks where u = 0 or v = 0, and only there."""
    a, b, c = (float(point[symbol]) for symbol in (p, q, r))
    (x, w), det, total = half_line(nodes), a * b - c * c, 0.0
    for left in (-1, 1):
        for right in (-1, 1):
            s, t = np.meshgrid(left * np.sqrt(a) * x, right * np.sqrt(b) * x, indexing="ij")
            density = np.exp(-(b * s * s - 2 * c * s * t + a * t * t) / (2 * det)) / (2 * np.pi * np.sqrt(det))
            total += float(np.sqrt(a * b) * w @ (f(s, t) * density) @ w)
    return total


def integral(f: Callable[[Array], Array], nodes: int = 160) -> float:
    """The integral of f over (0, 12)."""
    x, w = half_line(nodes)
    return float(w @ f(x))


def number(expression: Expression, point: dict[Any, Any]) -> float:
    """A formula in p, q, r at a point."""
    return float(sympy.sympify(expression).subs(point))


def over_matrix(expression: Expression, K: Array) -> Array:
    """A formula in p, q, r for every pair out of a covariance matrix; on its diagonal, u = v."""
    pair = sympy.lambdify((p, q, r), expression)
    same = sympy.lambdify(p, sympy.sympify(expression).subs({r: p, q: p}))
    out = np.diag([float(same(size)) for size in np.diag(K)])
    for i, j in zip(*np.nonzero(~np.eye(len(K), dtype=bool)), strict=True):
        out[i, j] = pair(K[i, i], K[j, j], K[i, j])
    return out


def moment(a: int, b: int) -> Expression:
    """E[u^a v^b], from the generating function E[exp(s u + t v)]."""
    s, t = sympy.symbols("s t")
    order, exponent = a + b, (p * s**2 + 2 * r * s * t + q * t**2) / 2
    if order % 2:
        return sympy.S.Zero
    power = sympy.Poly(exponent ** (order // 2), s, t).coeff_monomial(s**a * t**b)
    return sympy.expand(power * sympy.factorial(a) * sympy.factorial(b) / sympy.factorial(order // 2))
