"""Points and weights for Gaussian means of functions that are smooth, or smooth between known kinks."""

from __future__ import annotations

from collections.abc import Sequence
from math import pi, sqrt
from typing import Any

import numpy as np

from ntksym.gaussian.floats import roots

Nodes = list[tuple[Any, Any]]
"""For each variable, values and weights; those of variable k have the axes of the variables up to k."""

_REACH = 12.0
# beyond 8.5 standard deviations nothing is left in double precision; in many variables the points must be few
_FAR = {
    1: (_REACH, (192, 288, 432, 648, 972)),
    2: (_REACH, (96, 144, 216, 324, 486)),
    3: (8.5, (56, 84, 126)),
    4: (8.0, (32, 48)),
}
_ORDERS = (14, 20, 28)
_PANEL = 2.0
# a step whose argument has this part of the spread of the variable before is smooth on that scale
_SCALES = (-8.0, -4.0, -2.0, -1.0, 0.0, 1.0, 2.0, 4.0, 8.0)


def resolutions(variables: int, kinked: bool) -> range:
    """Numbers of the resolutions that there are, from coarse to fine."""
    return range(len(_ORDERS) if kinked else len(_FAR[variables][1]))


def nodes_of_smooth(covariance: Any, mean: Any, resolution: int) -> Nodes:
    """The trapezoidal rule over independent standard Gaussians x, with z = mean + A x, in up to four variables."""
    A = roots(np.asarray(covariance)[None])[0]
    n = len(A)
    reach, points = _FAR[n]
    x = np.linspace(-reach, reach, points[resolution])
    w = np.exp(-(x**2) / 2)
    w /= w.sum()
    found = []
    for k in range(n):
        z = mean[k]
        for j in range(k + 1):
            shape = [1] * (k + 1)
            shape[j] = -1
            z = z + A[k, j] * x.reshape(shape)
        found.append((z, w))
    return found


def nodes_between(covariance: Any, mean: Any, breaks: Sequence[Sequence[float]], resolution: int) -> Nodes:
    """Gauss-Legendre between the kinks, in one or two variables; ``breaks`` are those of each."""
    A = roots(np.asarray(covariance)[None])[0]
    rule = np.polynomial.legendre.leggauss(_ORDERS[resolution])
    with np.errstate(divide="ignore", invalid="ignore"):
        cuts = (np.asarray(breaks[0]) - mean[0]) / A[0, 0]
        if len(A) == 2:
            # a kink of the second variable is smoothed along the first on the scale of what is random in it alone
            centres = (np.asarray(breaks[1]) - mean[1]) / A[1, 0]
            width = abs(A[1, 1] / A[1, 0])
            cuts = np.concatenate([cuts, *(centres + s * width for s in _SCALES)])
        x, w = _panels(cuts, rule)
        found = [(mean[0] + A[0, 0] * x, w)]
        if len(A) == 2:
            middle = mean[1] + A[1, 0] * x
            y, v = _panels((np.asarray(breaks[1]) - middle[:, None]) / A[1, 1], rule)
            found.append((middle[:, None] + A[1, 1] * y, v))
    return found


def _panels(cuts: Any, rule: Any) -> tuple[Any, Any]:
    """Points and weights, the Gaussian's included, on panels between the cuts, along the last axis.

    A cut that is nowhere (nan or infinite) makes an empty panel.
    """
    fixed = np.linspace(-_REACH, _REACH, int(2 * _REACH / _PANEL) + 1)
    fixed = np.broadcast_to(fixed, (*cuts.shape[:-1], len(fixed)))
    cuts = np.clip(np.nan_to_num(cuts, nan=_REACH, posinf=_REACH, neginf=-_REACH), -_REACH, _REACH)
    edges = np.sort(np.concatenate([fixed, cuts], axis=-1), axis=-1)
    half = np.diff(edges) / 2
    points, weights = rule
    x = (edges[..., :-1] + half)[..., None] + half[..., None] * points
    w = half[..., None] * weights * np.exp(-(x**2) / 2) / sqrt(2 * pi)
    return x.reshape(*x.shape[:-2], -1), w.reshape(*w.shape[:-2], -1)
