"""Exact means of polynomials in independent standard Gaussians: the witness of derivations at every width."""

from __future__ import annotations

from fractions import Fraction
from math import prod
from typing import Any

import sympy


def gaussians(count: int) -> list[Any]:
    """Independent standard Gaussians, as elements of a ring of polynomials over the rationals."""
    _, *found = sympy.ring([f"x{i}" for i in range(count)], sympy.QQ)
    return found


def mean(polynomial: Any) -> Fraction:
    """E of a polynomial in them: E[x^2k] = (2k - 1)!!."""
    total = Fraction(0)
    for powers, c in polynomial.terms():
        if all(k % 2 == 0 for k in powers):
            total += Fraction(int(c.numerator), int(c.denominator)) * prod(map(_double_factorial, powers))
    return total


def _double_factorial(k: int) -> int:
    """(k - 1)!! of an even number k."""
    return prod(range(k - 1, 0, -2))
