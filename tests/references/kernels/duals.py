"""Expectations over bivariate Gaussians for the plain references.

``dual(phi, p, r, q)`` is (E[phi(u) phi(v)], E[phi'(u) phi'(v)]) for (u, v) ~ N(0, [[p, r], [r, q]]). Closed forms
from the literature are evaluated with mpmath; the other functions by Gauss-Legendre quadrature in polar
coordinates, quadrant by quadrant in u and v, so that a kink at zero lies on the boundary of what is integrated.
"""

from collections.abc import Callable, Iterator
from functools import cache
from itertools import pairwise
from math import pi, sqrt
from typing import Any

import mpmath as mp
import numpy as np
from scipy.special import erf, expit, ndtr

mp.mp.dps = 30

Array = np.ndarray


def angle(p: Any, r: Any, q: Any) -> Any:
    """The angle between two vectors with these inner products; accurate near 0 and pi."""
    return mp.atan2(mp.sqrt(max(p * q - r * r, mp.mpf(0))), r)


# --- closed forms ----------------------------------------------------------------------------------------


def abrelu(a: float, b: float) -> Callable[..., Any]:
    """a z below zero, b z above. Cho and Saul (2009) for ReLU; here max(z, 0) = (z + |z|)/2 in general."""
    even, odd = (mp.mpf(b) - mp.mpf(a)) / 2, (mp.mpf(b) + mp.mpf(a)) / 2

    def dual(p: Any, r: Any, q: Any) -> tuple[Any, Any]:
        t = angle(p, r, q)
        absolute = 2 / mp.pi * (mp.sqrt(p * q) * mp.sin(t) + r * (mp.pi / 2 - t))
        signs = 1 - 2 * t / mp.pi
        return odd**2 * r + even**2 * absolute, odd**2 + even**2 * signs

    return dual


def relu_power(k: int) -> Callable[..., Any]:
    """Cho and Saul (2009), equations (4) to (7), for k = 1, 2, 3."""

    def moment(n: int, p: Any, r: Any, q: Any) -> Any:
        t = angle(p, r, q)
        s, c = mp.sin(t), mp.cos(t)
        j = {
            1: s + (mp.pi - t) * c,
            2: 3 * s * c + (mp.pi - t) * (1 + 2 * c**2),
            3: 4 * s + 11 * s * c**2 + (mp.pi - t) * (9 * c + 6 * c**3),
        }[n]
        return mp.sqrt(p * q) ** n * j / (2 * mp.pi)

    return lambda p, r, q: (moment(k, p, r, q), k**2 * moment(k - 1, p, r, q))


def erf_dual(p: Any, r: Any, q: Any) -> tuple[Any, Any]:
    """Williams (1998), equation (11)."""
    d = (1 + 2 * p) * (1 + 2 * q)
    return 2 / mp.pi * mp.asin(2 * r / mp.sqrt(d)), 4 / (mp.pi * mp.sqrt(d - 4 * r**2))


def gelu_dual(p: Any, r: Any, q: Any) -> tuple[Any, Any]:
    """z Phi(z), by Stein's lemma on u and v; the derivative's by Price's theorem."""
    d = (1 + p) * (1 + q)
    density = 1 / (2 * mp.pi * mp.sqrt(d - r**2))
    factor = 1 / (1 + p) + 1 / (1 + q) - 1
    both = mp.mpf(1) / 4 + mp.asin(r / mp.sqrt(d)) / (2 * mp.pi)
    value = density * (p * q + r**2 * factor) + r * both
    slope = density * r / (d - r**2) * (p * q + r**2 * factor) + 2 * r * factor * density + both + r * density
    return value, slope


def gaussian_dual(p: Any, r: Any, q: Any) -> tuple[Any, Any]:
    d = (1 + p) * (1 + q) - r**2
    return 1 / mp.sqrt(d), r / d ** mp.mpf(1.5)


def sign_dual(p: Any, r: Any, q: Any) -> tuple[Any, Any]:
    """The sign of a number that is always zero is zero. The derivative is zero almost everywhere."""
    zero = mp.mpf(0)
    return (zero, zero) if not p * q else (1 - 2 * angle(p, r, q) / mp.pi, zero)


def step_dual(p: Any, r: Any, q: Any) -> tuple[Any, Any]:
    """1/2 + sign/2, so the step is 1/2 at zero."""
    return (1 + sign_dual(p, r, q)[0]) / 4, mp.mpf(0)


def polynomial(*coefficients: Any) -> Callable[..., Any]:
    """c_0 + c_1 z + ..., by Isserlis' theorem."""

    def moments(c: list[Any], p: Any, r: Any, q: Any) -> Any:
        @cache
        def m(i: int, j: int) -> Any:
            """E[u^i v^j], Stein's lemma on one u."""
            if i < 0 or j < 0:
                return mp.mpf(0)
            if i == 0:
                return mp.mpf(1) if j == 0 else (j - 1) * q * m(0, j - 2)
            return (i - 1) * p * m(i - 2, j) + j * r * m(i - 1, j - 1)

        return sum(a * b * m(i, j) for i, a in enumerate(c) for j, b in enumerate(c))

    c = [mp.mpf(x) for x in coefficients]
    slope = [i * x for i, x in enumerate(c)][1:]
    return lambda p, r, q: (moments(c, p, r, q), moments(slope, p, r, q))


def waves(even: bool, odd: bool) -> Callable[..., Any]:
    """cos and/or sin: the Gaussian's characteristic function."""

    def dual(p: Any, r: Any, q: Any) -> tuple[Any, Any]:
        scale = mp.exp(-(p + q) / 2)
        cosh, sinh = mp.cosh(r), mp.sinh(r)
        return scale * (cosh * even + sinh * odd), scale * (sinh * even + cosh * odd)

    return dual


def exp_dual(p: Any, r: Any, q: Any) -> tuple[Any, Any]:
    value = mp.exp((p + q) / 2 + r)
    return value, value


CLOSED: dict[str, Callable[..., Any]] = {
    "identity": lambda p, r, q: (r, mp.mpf(1)),
    "relu": abrelu(0, 1),
    "leaky_relu(0.1)": abrelu(mp.mpf(1) / 10, 1),
    "leaky_relu(0.3)": abrelu(mp.mpf(3) / 10, 1),
    "abs": abrelu(-1, 1),
    "abrelu(-0.5, 1.5)": abrelu(-0.5, 1.5),
    "z + relu": abrelu(1, 2),
    "relu_power(2)": relu_power(2),
    "relu_power(3)": relu_power(3),
    "erf": erf_dual,
    "gelu": gelu_dual,
    "sin": waves(False, True),
    "cos": waves(True, False),
    "rbf": waves(True, True),
    "exp": exp_dual,
    "gaussian": gaussian_dual,
    "sign": sign_dual,
    "step": step_dual,
    "z**2": polynomial(0, 0, 1),
    "z**3": polynomial(0, 0, 0, 1),
    "1 - 2*z + z**2/2": polynomial(1, -2, 0.5),
    "(z**2 - 1)/sqrt(2)": polynomial(-mp.sqrt(0.5), 0, mp.sqrt(0.5)),
    "(z**3 - 3*z)/sqrt(6)": polynomial(0, -3 / mp.sqrt(6), 0, 1 / mp.sqrt(6)),
}

# --- quadrature ------------------------------------------------------------------------------------------

SELU = 1.0507009873554804934, 1.6732632423543772848


def elu(a: float, scale: float = 1.0, rate: float = 1.0) -> tuple[Callable[[Array], Array], Callable[[Array], Array]]:
    """scale * z above zero, scale * a * (exp(rate z) - 1) below."""
    return (
        lambda z: scale * np.where(z > 0, z, a * np.expm1(rate * np.minimum(z, 0))),
        lambda z: scale * np.where(z > 0, 1, a * rate * np.exp(rate * np.minimum(z, 0))),
    )


def density(z: Array) -> Array:
    return np.exp(-z * z / 2) / sqrt(2 * pi)


FUNCTIONS: dict[str, tuple[Callable[[Array], Array], Callable[[Array], Array]]] = {
    "relu": (lambda z: np.maximum(z, 0), lambda z: np.heaviside(z, 0.5)),
    "identity": (lambda z: z, np.ones_like),
    "erf": (erf, lambda z: 2 / sqrt(pi) * np.exp(-z * z)),
    "gelu": (lambda z: z * ndtr(z), lambda z: ndtr(z) + z * density(z)),
    "tanh": (np.tanh, lambda z: 1 - np.tanh(z) ** 2),
    "sigmoid": (expit, lambda z: expit(z) * expit(-z)),
    "silu": (lambda z: z * expit(z), lambda z: expit(z) * (1 + z * expit(-z))),
    "softplus": (lambda z: np.logaddexp(0, z), expit),
    "elu": elu(1.0),
    "celu(0.5)": elu(0.5, rate=2.0),
    "selu": elu(SELU[1], SELU[0]),
    "z + tanh": (lambda z: z + np.tanh(z), lambda z: 2 - np.tanh(z) ** 2),
    "z + gelu": (lambda z: z * (1 + ndtr(z)), lambda z: 1 + ndtr(z) + z * density(z)),
    "tanh(relu)": (lambda z: np.tanh(np.maximum(z, 0)), lambda z: np.heaviside(z, 0.5) * (1 - np.tanh(z) ** 2)),
    "tanh(sin)": (lambda z: np.tanh(np.sin(z)), lambda z: np.cos(z) * (1 - np.tanh(np.sin(z)) ** 2)),
}
"""Functions with at most a kink at zero, and their derivatives."""


@cache
def panels(stop: float, count: int, order: int) -> tuple[Array, Array]:
    """Nodes and weights on [0, stop]: Gauss-Legendre in equal panels."""
    x, w = np.polynomial.legendre.leggauss(order)
    left = np.arange(count)[:, None] * stop / count
    return (left + (x + 1) / 2 * stop / count).ravel(), np.tile(w / 2 * stop / count, count)


@cache
def radii(panel_count: int, order: int) -> tuple[Array, Array]:
    """Nodes and weights for E over the radius, density rho exp(-rho^2/2); beyond 11 lies less than 1e-26."""
    rho, w = panels(11.0, panel_count, order)
    return rho, w * rho * np.exp(-rho * rho / 2)


RESOLUTION = [1.0]
"""The number of panels is multiplied by the last entry: answers at two resolutions show the error."""


_used = 0


def quadratures() -> int:
    """How many answers so far came from a rule with a fixed number of nodes."""
    return _used


def _count() -> None:
    global _used
    _used += 1


def quadrants(p: float, r: float, q: float, fine: float) -> Iterator[tuple[Array, Array, Array]]:
    """Nodes u, v and weights of a rule for E[f(u, v)], one quadrant of the plane after the other.

    u = sqrt(p) rho cos(a), v = sqrt(q) rho cos(a - t) with t the angle between the two: u > 0 for |a| < pi/2 and
    v > 0 for |a - t| < pi/2.
    """
    t = float(angle(mp.mpf(p), mp.mpf(r), mp.mpf(q)))
    rho, weight = radii(round(28 * fine), 12)
    edges = [-pi / 2, t - pi / 2, pi / 2, t + pi / 2, 3 * pi / 2]
    for left, right in pairwise(edges):
        if right > left:
            a, w = panels(right - left, max(1, round(12 * fine * (right - left) / (pi / 2))), 12)
            a = a + left
            u, v = sqrt(p) * np.outer(np.cos(a), rho), sqrt(q) * np.outer(np.cos(a - t), rho)
            yield u.ravel(), v.ravel(), np.outer(w / (2 * pi), weight).ravel()


@cache
def _numeric(phi: str, p: float, r: float, q: float, fine: float) -> tuple[float, float]:
    f, slope = FUNCTIONS[phi]
    rule = list(quadrants(p, r, q, fine))
    return (
        sum(float(np.sum(w * (f(u) * f(v)))) for u, v, w in rule),
        sum(float(np.sum(w * (slope(u) * slope(v)))) for u, v, w in rule),
    )


def dual(phi: str, p: Any, r: Any, q: Any) -> tuple[Any, Any]:
    """E[phi phi] and E[phi' phi']; mpmath numbers."""
    if phi in CLOSED:
        return CLOSED[phi](p, r, q)
    if phi in CUT:
        return cut_dual(phi, p, r, q)
    _count()
    p, q = sorted((float(p), float(q)))
    value, slope = _numeric(phi, p, float(r), q, RESOLUTION[-1])
    return mp.mpf(value), mp.mpf(slope)


@cache
def mean(phi: str, p: float) -> float:
    """E[phi(u)] for u ~ N(0, p)."""
    z, w = panels(12.0, 48, 16)
    f, scale = FUNCTIONS[phi][0], sqrt(p)
    return float(np.sum(w * density(z) * (f(scale * z) + f(-scale * z))))


# --- piecewise linear functions with several kinks -------------------------------------------------------

CUT = {"hard_tanh": ((-1, -1), (1, 1)), "relu6": ((0, 0), (6, 6))}
"""The ends (z, phi(z)) of the one slope; constant outside."""


def cut_dual(phi: str, p: Any, r: Any, q: Any) -> tuple[Any, Any]:
    """One integral over u; the one over v given u ~ N(m, s^2) in closed form. Adaptive, in mpmath."""
    if p < q:
        p, q = q, p
    (low, at_low), (high, at_high) = CUT[phi]

    def clip(z: Any) -> Any:
        return at_low if z < low else at_high if z > high else z + at_low - low

    if not p:
        return clip(mp.mpf(0)) ** 2, mp.mpf(low < 0 < high) + mp.mpf(low == 0 or high == 0) / 4
    gap = max(p * q - r * r, mp.mpf(0))
    s = mp.sqrt(gap / p) if gap > mp.mpf(10) ** -24 * p * q else mp.mpf(0)
    breaks = {-12 * mp.sqrt(p), 12 * mp.sqrt(p), mp.mpf(0)}

    def given(u: Any) -> tuple[Any, Any]:
        """E[phi(v) | u] and E[phi'(v) | u]."""
        m = r / p * u
        if not s:
            return clip(m), mp.mpf(low < m < high)
        a, b = (low - m) / s, (high - m) / s
        inside = mp.ncdf(b) - mp.ncdf(a)
        value = at_low * mp.ncdf(a) + at_high * mp.ncdf(-b) + (m + at_low - low) * inside
        return value + s * (mp.npdf(a) - mp.npdf(b)), inside

    for edge in (low, high):
        breaks.add(mp.mpf(edge))
        if r:
            centre, width = edge * p / r, 6 * s * p / abs(r)
            breaks |= {centre, centre - width, centre + width, centre - width / 4, centre + width / 4}
    ends = sorted(b for b in breaks if abs(b) <= 12 * mp.sqrt(p))
    root = mp.sqrt(p)

    def value(u: Any) -> Any:
        return mp.npdf(u / root) / root * clip(u) * given(u)[0]

    def slope(u: Any) -> Any:
        return mp.npdf(u / root) / root * given(u)[1]

    inner = [b for b in ends if low <= b <= high]
    with mp.workdps(20):
        return mp.quad(value, ends), mp.quad(slope, inner) if len(inner) > 1 else mp.mpf(0)


# --- two pairs -------------------------------------------------------------------------------------------


def sine_over_two_pairs(phi: str, moments: list[float]) -> list[float]:
    """For s = phi(u) + g, with (u, u') and (g, g') independent pairs: E[sin(s) sin(s')], E[cos(s) cos(s')] and
    E[cos(s) cos(s') phi'(u) phi'(u')].

    ``moments`` are p, r, q of (u, u') and of (g, g'). The expectation over the inner pair is the Gaussian's
    characteristic function, that over the outer one a quadrature.
    """
    _count()
    inside, slope = FUNCTIONS[phi]
    p, r, q = moments[3:]
    apart, together = np.exp(-(p + q - 2 * r) / 2) / 2, np.exp(-(p + q + 2 * r) / 2) / 2
    totals = np.zeros(3)
    for u, v, w in quadrants(*moments[:3], RESOLUTION[-1]):
        a, b = inside(u), inside(v)
        difference, total = apart * np.cos(a - b), together * np.cos(a + b)
        slopes = w * (difference + total)
        totals += [w @ (difference - total), slopes.sum(), slopes @ (slope(u) * slope(v))]
    return [float(total) for total in totals]
