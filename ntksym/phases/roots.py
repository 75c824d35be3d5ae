"""Roots between two numbers at which a function has different signs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ntksym._lazy import lazy
from ntksym.errors import PhaseError

mpmath = lazy("mpmath")

# into how many parts a bracket is divided at once, how often at most (for a root at zero), and how narrow it shall be
_PARTS, _DIVISIONS = 64, 9
_NARROW = 1e-6


@dataclass(frozen=True)
class Root:
    """A root: it lies between ``low`` and ``high``, where the function has different signs."""

    value: Any
    low: Any
    high: Any


def brackets(x: Any, f: Any) -> list[tuple[float, float]]:
    """Neighbours in a rising array x between which f changes its sign, or reaches zero."""
    sign = np.sign(f)
    found = []
    for k in range(len(x) - 1):
        if np.isfinite(f[k]) and np.isfinite(f[k + 1]) and sign[k] != 0 and sign[k] != sign[k + 1]:
            found.append((float(x[k]), float(x[k + 1])))
    return found


def float_root(f: Callable[[Any], Any], low: float, high: float) -> Root:
    """The root of a function of arrays, in double precision: the bracket is divided, and then the chord taken twice."""
    for _ in range(_DIVISIONS):
        x = np.linspace(low, high, _PARTS + 1)
        found = brackets(x, f(x))
        if not found:
            return Root((low + high) / 2, low, high)
        low, high = found[0]
        if high - low <= _NARROW * max(abs(low), abs(high)):
            break
    at_low, at_high = map(float, f(np.array([low, high])))
    if at_low == at_high:
        return Root(low, low, high)
    slope = (at_high - at_low) / (high - low)
    value = low - at_low / slope
    return Root(float(np.clip(value - float(f(np.array([value]))[0]) / slope, low, high)), low, high)


def precise_root(f: Callable[[Any, int], Any], guess: float, digits: int) -> Root:
    """The root of ``f(x, digits)`` near a guess that is good to about ten digits, in mpmath numbers.

    Secant steps, and then the certificate: two numbers that agree to ``digits`` digits, between which the sign changes.
    Raises PhaseError where it does not.
    """
    work = digits + 6
    with mpmath.workdps(work + 20):
        old = mpmath.mpf(guess)
        f_old, x = f(old, work), old * (1 + mpmath.mpf(10) ** -11)
        for _ in range(60):
            f_x = f(x, work)
            if f_x == f_old:
                break
            step, before = f_x * (x - old) / (f_x - f_old), x - old
            old, f_old, x = x, f_x, x - step
            if abs(step * before) <= x**2 * mpmath.mpf(10) ** -(digits + 4):  # the size of the next step
                break
        width = abs(x) * mpmath.mpf(10) ** -(digits + 1)
        low, high = x - width, x + width
        if f(low, work) * f(high, work) >= 0:
            raise PhaseError(f"no sign changes within {digits} digits of {mpmath.nstr(x, 10)}: a root of higher order")
        return Root(x, low, high)
