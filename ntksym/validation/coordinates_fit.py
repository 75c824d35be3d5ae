"""Is a measured slope the predicted one? Lines through logarithmic sizes, and what is left where they bend."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ntksym._lazy import lazy

special = lazy("scipy.special")

Array = NDArray[Any]

ROUNDING = 1e-6
"""The least error of a logarithmic size: values of float32 are not known better."""
STRAIGHT = 0.05
"""Points lie on a line unless the chi-squared of the fit is among the largest of this share."""
SHRINKS = 3.0
"""By how many standard errors a deviation must have become smaller to be called shrinking."""
MISSED = 0.1
"""How often, at most, a slope that is off by a half may go unseen in a row that holds."""
STEP = 0.5
"""The distance that matters: exponents are multiples of a half."""


@dataclass(frozen=True)
class Line:
    """A weighted least-squares line: its slope, standard error, and how probable a worse fit is."""

    slope: float
    error: float
    fit: float


@dataclass(frozen=True)
class Judgement:
    """A slope held against a prediction.

    ``slope`` is that of the ``points`` largest sizes, as many as lie on a line. ``limit`` is the slope that is left
    when a correction of the relative size n^(-1/2) is fitted, too (None with two sizes). ``verdict`` is one of

    * holds: the slope is the predicted one, and a slope off by a half would have been seen;
    * drifts: it is not yet, but its deviation shrinks as the sizes grow, and the limit is the predicted one;
    * undecided: the error is too large to tell;
    * violated: none of these.
    """

    slope: float
    error: float
    points: int
    limit: float | None
    limit_error: float | None
    verdict: str


def quantile(false_alarm: float, tests: int, samples: int) -> float:
    """How many standard errors a deviation may have: by chance, one of ``tests`` correct ones has more with
    probability ``false_alarm`` at most (Bonferroni; Student's t with ``samples`` - 1 degrees of freedom).
    """
    return -float(special.stdtrit(samples - 1, false_alarm / (2 * max(tests, 1))))


def judge(
    x: Array, y: Array, error: Array, predicted: tuple[float, float], tolerance: float, allowed: float
) -> Judgement:
    """Hold the slope of y (with its standard errors) over x against a prediction.

    Args:
        x, y: base-2 logarithms of the dimension and of the measured size, in growing order.
        predicted: the least and the largest slope that are as predicted.
        tolerance: the deviation of a slope that does not matter.
        allowed: how many standard errors it may have on top, from ``quantile``.
    """
    error = np.maximum(error, ROUNDING)
    found, points = straight(x, y, error)
    limit, limit_error = limit_of(x, y, error) if len(x) > 2 else (None, None)
    nearest = min(max(found.slope, predicted[0]), predicted[1])
    off = abs(found.slope - nearest)
    if off > tolerance + allowed * found.error:
        closing = limit is not None and limit_error is not None and _shrinks(x, y, error, nearest)
        agrees = closing and abs(limit - nearest) <= tolerance + allowed * limit_error  # type: ignore[operator]
        verdict = "drifts" if agrees else "violated"
    else:
        seen = STEP - tolerance - allowed * found.error > -float(special.ndtri(MISSED)) * found.error
        verdict = "holds" if seen else "undecided"
    return Judgement(found.slope, found.error, points, limit, limit_error, verdict)


def straight(x: Array, y: Array, error: Array) -> tuple[Line, int]:
    """The line through the largest sizes: all of them, or as many of the largest as lie on one, two at least."""
    for first in range(len(x) - 1):
        found = line(x[first:], y[first:], error[first:])
        if found.fit > STRAIGHT or first == len(x) - 2:
            return found, len(x) - first
    raise AssertionError("a slope needs two sizes")


def line(x: Array, y: Array, error: Array) -> Line:
    """The weighted least-squares line; two points always lie on one."""
    slope, spread, chi2 = _fitted([np.ones_like(x), x], y, error)
    return Line(slope, spread, float(special.chdtrc(len(x) - 2, chi2)) if len(x) > 2 else 1.0)


def limit_of(x: Array, y: Array, error: Array) -> tuple[float, float]:
    """The slope beside a correction of the relative size n^(-1/2), and its standard error."""
    slope, spread, _ = _fitted([np.ones_like(x), x, 2 ** (-(x - x[0]) / 2)], y, error)
    return slope, spread


def _fitted(columns: Sequence[Array], y: Array, error: Array) -> tuple[float, float, float]:
    """The coefficient of the second column, its standard error, and the chi-squared of the fit."""
    design = np.stack(columns, axis=1) / error[:, None]
    inverse = np.linalg.pinv(design.T @ design)
    coefficients = inverse @ design.T @ (y / error)
    residual = y / error - design @ coefficients
    return float(coefficients[1]), float(np.sqrt(inverse[1, 1])), float(residual @ residual)


def _shrinks(x: Array, y: Array, error: Array, predicted: float) -> bool:
    """Whether the upper half of the sizes deviates less than the lower half, by more than chance."""
    half = len(x) // 2 + 1
    lower, upper = line(x[:half], y[:half], error[:half]), line(x[-half:], y[-half:], error[-half:])
    gain = abs(lower.slope - predicted) - abs(upper.slope - predicted)
    return gain > SHRINKS * float(np.hypot(lower.error, upper.error))
