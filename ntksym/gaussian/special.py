"""Functions of the answers that SymPy has no names for, and their values in any precision."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from typing import Any

import numpy as np

from ntksym._lazy import lazy

sympy = lazy("sympy")
special = lazy("scipy.special")
mpmath = lazy("mpmath")

_Function: Any = sympy.Function


class NormalCDF(_Function):  # type: ignore[misc]
    """Phi(x) = P(X < x) for a standard Gaussian. ``rewrite(sympy.erfc)`` gives SymPy's own function."""

    nargs = 1

    @classmethod
    def eval(cls, x: Any) -> Any:
        """The values at 0 and at both ends; None leaves the function as it is."""
        if x.is_infinite:
            return sympy.Integer(1) if x.is_positive else sympy.Integer(0) if x.is_negative else None
        return sympy.Rational(1, 2) if x.is_zero else None

    def fdiff(self, argindex: int = 1) -> Any:
        """The density."""
        return sympy.exp(-(self.args[0] ** 2) / 2) / sympy.sqrt(2 * sympy.pi)

    def _eval_rewrite_as_erfc(self, x: Any, **_: Any) -> Any:
        return sympy.erfc(-x / sympy.sqrt(2)) / 2

    def _latex(self, printer: Any, exp: Any = None) -> str:
        head = r"\Phi" if exp is None else rf"\Phi^{{{exp}}}"
        return rf"{head}\left({printer._print(self.args[0])}\right)"

    def _eval_evalf(self, prec: int) -> Any:
        return self.rewrite(sympy.erfc)._eval_evalf(prec)

    def _eval_is_real(self) -> Any:
        return self.args[0].is_real


class BivariateNormal(_Function):  # type: ignore[misc]
    """P(X < h, Y < k) for standard Gaussians of correlation rho: ``BivariateNormal(h, k, rho)``."""

    nargs = 3

    def fdiff(self, argindex: int = 1) -> Any:
        """Derivatives: phi(h) Phi((k - rho h)/sqrt(1 - rho^2)), and the density for rho (Plackett 1954)."""
        h, k, rho = self.args
        if argindex == 3:
            exponent = -(h**2 - 2 * rho * h * k + k**2) / (2 * (1 - rho**2))
            return sympy.exp(exponent) / (2 * sympy.pi * sympy.sqrt(1 - rho**2))
        if argindex == 2:
            h, k = k, h
        density = sympy.exp(-(h**2) / 2) / sympy.sqrt(2 * sympy.pi)
        return density * NormalCDF((k - rho * h) / sympy.sqrt(1 - rho**2))

    def _latex(self, printer: Any, exp: Any = None) -> str:
        h, k, rho = map(printer._print, self.args)
        head = r"\Phi_2" if exp is None else rf"\Phi_2^{{{exp}}}"
        return rf"{head}\left({h}, {k}; {rho}\right)"

    def _eval_evalf(self, prec: int) -> Any:
        return _evalf(bivariate_normal, self.args, prec)

    def _eval_is_real(self) -> bool:
        return True


class Orthant(_Function):  # type: ignore[misc]
    """P(X_1 < h_1, ..., X_n < h_n) for standard Gaussians: ``Orthant(h_1, ..., h_n, rho_12, rho_13, ...)``."""

    def _latex(self, printer: Any, exp: Any = None) -> str:
        n = orthant_size(len(self.args))
        offsets = ", ".join(map(printer._print, self.args[:n]))
        correlations = ", ".join(map(printer._print, self.args[n:]))
        head = rf"\Phi_{{{n}}}" if exp is None else rf"\Phi_{{{n}}}^{{{exp}}}"
        return rf"{head}\left({offsets}; {correlations}\right)"

    def fdiff(self, argindex: int = 1) -> Any:
        """Derivatives by conditioning: one Gaussian at its bound, or two of them for a correlation."""
        n = orthant_size(len(self.args))
        h, rho = list(self.args[:n]), _matrix(self.args, n)
        if argindex <= n:
            at = [argindex - 1]
            density = sympy.exp(-(h[at[0]] ** 2) / 2) / sympy.sqrt(2 * sympy.pi)
        else:
            at = list(list(combinations(range(n), 2))[argindex - 1 - n])
            density = BivariateNormal(h[at[0]], h[at[1]], rho[at[0]][at[1]]).fdiff(3)
        offsets, correlations = _given(h, rho, at, sympy.sqrt)
        return density * _cdf(offsets, correlations)

    def _eval_evalf(self, prec: int) -> Any:
        return _evalf(orthant, self.args, prec)

    def _eval_is_real(self) -> bool:
        return True


def orthant_size(arguments: int) -> int:
    """n with n + n(n - 1)/2 arguments."""
    n = 1
    while n + n * (n - 1) // 2 < arguments:
        n += 1
    return n


def _cdf(h: list[Any], rho: list[list[Any]]) -> Any:
    n = len(h)
    if n == 0:
        return sympy.Integer(1)
    if n == 1:
        return NormalCDF(h[0])
    if n == 2:
        return BivariateNormal(*h, rho[0][1])
    return Orthant(*h, *(rho[i][j] for i, j in combinations(range(n), 2)))


def _given(h: list[Any], rho: list[list[Any]], at: list[int], sqrt: Any) -> tuple[list[Any], list[list[Any]]]:
    """Standardised bounds and correlations of the others, given that the entries ``at`` are at their bounds."""
    mean, K = [h[i] * 0 for i in range(len(h))], [list(row) for row in rho]
    for a in at:
        s, t = K[a][a], h[a] - mean[a]
        column = [K[i][a] for i in range(len(h))]
        mean = [m + c * t / s for m, c in zip(mean, column, strict=True)]
        K = [[K[i][j] - column[i] * column[j] / s for j in range(len(h))] for i in range(len(h))]
    rest = [i for i in range(len(h)) if i not in at]
    spread = {i: sqrt(K[i][i]) for i in rest}
    offsets = [(h[i] - mean[i]) / spread[i] for i in rest]
    return offsets, [[K[i][j] / (spread[i] * spread[j]) if i != j else 1 for j in rest] for i in rest]


def _matrix(args: Any, n: int) -> list[list[Any]]:
    rho = [[1] * n for _ in range(n)]
    for value, (i, j) in zip(args[n:], combinations(range(n), 2), strict=True):
        rho[i][j] = rho[j][i] = value
    return rho


def _evalf(function: Callable[..., Any], args: Any, prec: int) -> Any:
    with mpmath.workprec(prec + 20):
        values = [arg._to_mpmath(prec + 20) for arg in args]
        return sympy.Float._new(function(*values)._mpf_, prec)


# --- values --------------------------------------------------------------------------------------------


def normal_cdf(h: Any) -> Any:
    """Phi(h) at the working precision of mpmath, accurate in the left tail."""
    return mpmath.erfc(-h / mpmath.sqrt(2)) / 2


def bivariate_normal(h: Any, k: Any, rho: Any) -> Any:
    """P(X < h, Y < k) at the working precision of mpmath.

    Integrates Plackett's derivative over the angle asin(rho), from rho = 0 on (Plackett 1954).
    """
    h, k, rho = mpmath.mpf(h), mpmath.mpf(k), mpmath.mpf(rho)
    if h == 0 and k == 0:
        return mpmath.mpf(1) / 4 + mpmath.asin(rho) / (2 * mpmath.pi)
    if rho >= 1:
        return normal_cdf(min(h, k))
    if rho <= -1:
        return max(mpmath.mpf(0), normal_cdf(h) - normal_cdf(-k))

    def density(angle: Any) -> Any:
        s, c2 = mpmath.sin(angle), mpmath.cos(angle) ** 2
        return mpmath.exp(-(h**2 - 2 * s * h * k + k**2) / (2 * c2)) if c2 else mpmath.mpf(0)

    end = mpmath.asin(rho)
    if abs(rho) < mpmath.mpf("0.9"):  # far from its singularities the integrand is best served by Gauss-Legendre
        area = mpmath.quad(density, [0, end], method="gauss-legendre")
    else:
        area = mpmath.quad(density, [0, end * 9 / 10, end])
    return normal_cdf(h) * normal_cdf(k) + area / (2 * mpmath.pi)


def bivariate_normal_array(h: Any, k: Any, rho: Any) -> Any:
    """The same for arrays in double precision, to about 1e-15 while 1 - rho^2 > 1e-6.

    Gauss-Legendre over the angle, on panels that shrink towards a right angle, where the integrand is sharp.
    """
    h, k, rho = np.broadcast_arrays(*(np.asarray(x, dtype=float)[..., None] for x in (h, k, rho)))
    sign = np.where(rho < 0, -1.0, 1.0)
    from_right = np.arctan2(np.sqrt((1 - rho) * (1 + rho)), np.abs(rho))
    nodes, weights = np.polynomial.legendre.leggauss(20)
    area = np.zeros(h.shape[:-1])
    for j in range(8):
        outer, inner = ((np.pi / 2) * (from_right / (np.pi / 2)) ** ((j + i) / 8) for i in (0, 1))
        angle = (outer + inner) / 2 + (inner - outer) / 2 * nodes  # from a right angle
        s, c2 = sign * np.cos(angle), np.sin(angle) ** 2
        density = np.exp(-(h**2 - 2 * s * h * k + k**2) / (2 * c2))
        area = area + ((outer - inner) / 2 * weights * density).sum(axis=-1)
    both = special.ndtr(h[..., 0]) * special.ndtr(k[..., 0])
    return both + sign[..., 0] * area / (2 * np.pi)


def orthant(*args: Any) -> Any:
    """P(X_1 < h_1, ..., X_n < h_n) at the working precision: Plackett's identity along t*R + (1 - t)*I.

    The integrand holds orthants of n - 2 variables, so n = 3 and (about the mean) n = 4, 5 take one integral.
    """
    n = orthant_size(len(args))
    h = [mpmath.mpf(x) for x in args[:n]]
    return _orthant(h, _matrix([*h, *map(mpmath.mpf, args[n:])], n))


def _orthant(h: list[Any], rho: list[list[Any]]) -> Any:
    n = len(h)
    if n == 0:
        return mpmath.mpf(1)
    if n == 1:
        return normal_cdf(h[0])
    pairs = list(combinations(range(n), 2))
    if n == 2:
        return bivariate_normal(h[0], h[1], rho[0][1])
    if n == 3 and not any(h):
        return mpmath.mpf(1) / 8 + sum(mpmath.asin(rho[i][j]) for i, j in pairs) / (4 * mpmath.pi)

    def rate(t: Any) -> Any:
        scaled = [[rho[i][j] * t if i != j else mpmath.mpf(1) for j in range(n)] for i in range(n)]
        total = mpmath.mpf(0)
        for i, j in pairs:
            r = scaled[i][j]
            if not r:
                continue
            density = mpmath.exp(-(h[i] ** 2 - 2 * r * h[i] * h[j] + h[j] ** 2) / (2 * (1 - r**2)))
            offsets, rest = _given(h, scaled, [i, j], mpmath.sqrt)
            total += rho[i][j] * density / mpmath.sqrt(1 - r**2) * _orthant(offsets, rest)
        return total / (2 * mpmath.pi)

    start = mpmath.fprod(normal_cdf(x) for x in h)
    return start + mpmath.quad(rate, [0, mpmath.mpf(1) / 2, 1])
