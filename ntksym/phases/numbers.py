"""Numbers of the records: floats, or mpmath numbers of as many digits as were asked for."""

from __future__ import annotations

from typing import Any

from ntksym._lazy import lazy
from ntksym.gaussian.pieces import to_mpf

sympy = lazy("sympy")
mpmath = lazy("mpmath")

FLOAT_DIGITS = 12
"""How many digits of a number in double precision are written."""
SHORT = 2
"""How many digits of a residual are."""
# a slope nearer to one has an infinite depth scale
_ROUNDING = 1e-13


def text(number: Any, digits: int | None) -> str | None:
    """A number with ``digits`` significant digits, or with those that double precision has."""
    if number is None:
        return None
    if mpmath.isinf(number) or number == 0:
        return "inf" if number > 0 else "-inf" if number < 0 else "0"
    return str(mpmath.nstr(mpmath.mpmathify(number), digits or FLOAT_DIGITS, strip_zeros=digits is None))


def decimal(value: Any, digits: int | None) -> Any:
    """A number as a float, or as an mpmath number of ``digits`` digits and some more."""
    if digits is None:
        return float(value)
    with mpmath.workdps(digits + 10):
        return +value if hasattr(value, "_mpf_") else to_mpf(sympy.sympify(value), digits + 10)


def depth_scale(slope: Any) -> Any:
    """-1/ln of the modulus of a slope: over how many copies a difference falls by a factor e.

    Infinite for a slope of one; negative where differences grow.
    """
    size = abs(slope)
    if size == 0:
        return 0 * size
    if abs(size - 1) < _ROUNDING:
        return mpmath.inf if hasattr(slope, "_mpf_") else float("inf")
    return -1 / (mpmath.log(size) if hasattr(slope, "_mpf_") else float(mpmath.log(size)))
