"""Eigenvalues of kernels of the cosine on the sphere S^(d-1), by the theorem of Funk and Hecke.

An average over the sphere (the uniform distribution of inputs) is an average over the angle theta of density
proportional to sin(theta)^(d-2). The eigenfunctions of kappa(cos theta) are the spherical harmonics; those of degree k
share the eigenvalue E[kappa(cos theta) P_k(cos theta)], with P_k the Gegenbauer polynomial that is 1 at 1. On the
circle, d = 2, it is cos(k theta). Source: Müller, Spherical Harmonics, 1966; Bach 2017, appendix D.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import comb
from typing import Any

import numpy as np

from ntksym._lazy import lazy
from ntksym.dynamics.angles import AngularPolynomial, Waves, cosine, plus, power, sine, times
from ntksym.errors import DynamicsError

sympy = lazy("sympy")
mpmath = lazy("mpmath")
quadrature = lazy("mpmath.calculus.quadrature")

Array = Any
MOST_LEVELS = 12


def multiplicity(d: int, k: int) -> int:
    """How many independent spherical harmonics of degree k there are on S^(d-1)."""
    return comb(k + d - 1, d - 1) - (comb(k + d - 3, d - 1) if k >= 2 else 0)


def density_factor(d: int) -> Any:
    """What makes sin(theta)^(d-2) a density on [0, pi]: Gamma(d/2) / (sqrt(pi) Gamma((d-1)/2)), exactly."""
    half = sympy.Rational(d, 2)
    return sympy.gamma(half) / (sympy.sqrt(sympy.pi) * sympy.gamma(half - sympy.Rational(1, 2)))


def gegenbauer(d: int, c: Any) -> Iterator[Any]:
    """P_0(c), P_1(c), ... of S^(d-1), 1 at c = 1: numbers, or arrays of them."""
    before, now, k = c * 0, c * 0 + 1, 0
    while True:
        yield now
        after = c if k == 0 else ((2 * k + d - 2) * c * now - k * before) / (k + d - 2)
        before, now, k = now, after, k + 1


def exact_eigenvalues(kernel: AngularPolynomial, d: int, degrees: int) -> list[Any]:
    """The eigenvalues of degree 0 to ``degrees``, as combinations of powers of pi."""
    factor, weight = density_factor(d), power(sine(), d - 2)
    before: Waves = {}
    now: Waves = {0: sympy.QQ_I(1)}
    found = []
    for k in range(degrees + 1):
        found.append(sympy.expand(factor * kernel.integral(times(weight, now))))
        half = sympy.Rational(1, k + d - 2) if k else None
        after = cosine() if half is None else plus(times(cosine(), now), before, (2 * k + d - 2) * half, -k * half)
        before, now = now, after
    return found


def precise_eigenvalues(kernel: Callable[[Any], Any], d: int, degrees: int, digits: int) -> tuple[list[Any], Any, int]:
    """The same by Gauss and Legendre's rule in theta, in which kernels of networks are smooth up to both ends.

    ``kernel`` takes angles, mpmath numbers in and out. Returned are the eigenvalues, how far two resolutions differ at
    most, and the number of nodes. Raises DynamicsError where that stays above 10^-digits of the largest eigenvalue.
    """
    with mpmath.workdps(digits + 10):
        rule = quadrature.GaussLegendre(mpmath.mp)
        factor = mpmath.mpmathify(sympy.N(density_factor(d), digits + 10))
        # the rule of a level has 3 * 2^(level - 1) nodes; each resolves half as many oscillations
        level, coarse = max(4, degrees.bit_length()), None
        while level <= MOST_LEVELS:
            nodes = rule.get_nodes(mpmath.mpf(0), +mpmath.pi, level, mpmath.mp.prec)
            fine = [mpmath.mpf(0)] * (degrees + 1)
            for theta, weight in nodes:
                share = factor * weight * kernel(theta) * mpmath.sin(theta) ** (d - 2)
                polynomials = gegenbauer(d, mpmath.cos(theta))
                fine = [total + share * p for total, p in zip(fine, polynomials, strict=False)]
            if coarse is not None:
                off = max(abs(x - y) for x, y in zip(fine, coarse, strict=True))
                if off <= mpmath.mpf(10) ** -digits * max(map(abs, fine)):
                    return fine, off, len(nodes)
            coarse, level = fine, level + 1
    raise DynamicsError(f"{len(nodes)} nodes do not give {digits} digits of the eigenvalues; ask for fewer digits")


def double_eigenvalues(kernel: Callable[[Array], Array], d: int, degrees: int) -> tuple[Array, float, int]:
    """The same in double precision, from a kernel that takes arrays of angles."""
    coarse, fine = (_summed(kernel, d, degrees, nodes) for nodes in (degrees + 32, 2 * degrees + 48))
    return fine, float(np.abs(fine - coarse).max()), 2 * degrees + 48


def _summed(kernel: Callable[[Array], Array], d: int, degrees: int, count: int) -> Array:
    x, weights = np.polynomial.legendre.leggauss(count)
    theta = np.pi * (x + 1) / 2
    shares = float(density_factor(d)) * np.pi / 2 * weights * kernel(theta) * np.sin(theta) ** (d - 2)
    return np.array([shares @ p for p, _ in zip(gegenbauer(d, np.cos(theta)), range(degrees + 1), strict=False)])
