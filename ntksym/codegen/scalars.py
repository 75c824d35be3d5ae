"""The functions that generated loops call, for single numbers: plain Python that numba compiles and LLVM vectorises.

No branches and no calls of the mathematical library stand in the way of vectors: what depends on a condition is chosen.
"""

import math
from typing import Any

Array = Any

HALF_PI = math.pi / 2
EIGHTH = math.sqrt(2) - 1
"""The tangent of pi / 8."""
CLOSE = 1e-3
"""Below this v = 1 - c^2 the products of inputs have lost digits that matter."""


def less(x: float, y: float, then: float, otherwise: float) -> float:
    """``then`` where x < y."""
    return then if x < y else otherwise


def positive(x: float) -> float:
    """x, or 0 if it is negative."""
    return x if x > 0 else 0.0


def inverse(x: float) -> float:
    """1 / x, and 0 for 0."""
    return 1 / x if x > 0 else 0.0


def angle(y: float, x: float) -> float:
    """The arc tangent of y / x for x, y >= 0, 0 where both are: to the last digit or two.

    Above pi / 8 as pi / 4 + atan((t - 1) / (t + 1)); the polynomial is a Chebyshev fit of atan(t) / t in t^2, with an
    error of 1e-18.
    """
    small, large = min(x, y), max(x, y)
    turned = small > EIGHTH * large
    up = small - large if turned else small
    down = small + large if turned else large
    t = up / (down if down > 0 else 1.0)
    u = t * t
    p = -0.017805397205419446
    p = p * u + 0.03796525745386593
    p = p * u - 0.05035102456601552
    p = p * u + 0.05846878297330872
    p = p * u - 0.06662951813629191
    p = p * u + 0.07692045330902225
    p = p * u - 0.09090896809064027
    p = p * u + 0.11111110744919658
    p = p * u - 0.14285714279250245
    p = p * u + 0.19999999999940893
    p = p * u - 0.3333333333333312
    found = t + t * (u * p) + (HALF_PI / 2 if turned else 0.0)
    return HALF_PI - found if y > x else found


def asin(x: float) -> float:
    """The arc sine; beyond +-1, where rounding leads, that of +-1."""
    size = min(abs(x), 1.0)
    found = angle(size, math.sqrt((1 - size) * (1 + size)))
    return found if x > 0 else -found


def acos(x: float) -> float:
    """The arc cosine; beyond +-1, where rounding leads, that of +-1."""
    size = min(abs(x), 1.0)
    found = angle(math.sqrt((1 - size) * (1 + size)), size)
    return found if x > 0 else math.pi - found


def apart(c: float, v: float, f: float, u: float) -> float:
    """1 - c f for cosines c and f, from v = 1 - c^2 and u = 1 - f^2 where c and f are near +-1."""
    g, h = v / (1 + abs(c)), u / (1 + abs(f))
    return 1 - c * f if c * f < 0 else g + h - g * h


def sign(x: float) -> float:
    """-1, 0 or 1."""
    return float(x > 0) - float(x < 0)


def NormalCDF(x: float) -> float:
    """The distribution function of a standard normal number."""
    return 0.5 * math.erfc(-x * math.sqrt(0.5))


def sines(G: Array, left: Array, right: Array, rows: Array, columns: Array, c: Array, v: Array) -> None:
    """Cosines c and v = 1 - c^2 of inputs, from products G and unit vectors ``left`` and ``right`` (one to a row).

    ``rows`` and ``columns`` are the inverse norms. Close to +-1, 1 - |c| comes from the difference of the unit vectors.
    """
    for i in range(G.shape[0]):
        for j in range(G.shape[1]):
            c[i, j] = G[i, j] * rows[i] * columns[j]
            v[i, j] = (1 - c[i, j]) * (1 + c[i, j])
        for j in range(G.shape[1]):
            if v[i, j] < CLOSE and rows[i] * columns[j] > 0:
                way = 1.0 if c[i, j] > 0 else -1.0
                gap = 0.0
                for k in range(left.shape[1]):
                    step = left[i, k] - way * right[j, k]
                    gap += step * step
                c[i, j] = way * (1 - gap / 2)
                v[i, j] = gap * (1 - gap / 4)


FUNCTIONS = (less, positive, inverse, angle, asin, acos, apart, sign, NormalCDF)
CONSTANTS = ("HALF_PI", "EIGHTH", "CLOSE")
FREEDOM = {"contract", "nsz"}
"""What LLVM may do with floating-point numbers: fuse products and sums, nothing that changes orders or limits."""
