"""Dual activations, in the symbols p = E[u^2], q = E[v^2], r = E[u v]."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ntksym._lazy import lazy
from ntksym.gaussian.answers import Answer, expect
from ntksym.gaussian.expectation import Function

sympy = lazy("sympy")


def pqr() -> tuple[Any, Any, Any]:
    """The symbols of the duals: p, q positive, r real."""
    p, q = sympy.symbols("p q", positive=True)
    return p, q, sympy.Symbol("r", real=True)


def dual(phi: Function) -> Answer:
    """E[phi(u) phi(v)] for centred Gaussians (Daniely, Frostig and Singer 2016, arXiv:1602.05897)."""
    p, q, r = pqr()
    return expect([phi, phi], [[p, r], [r, q]])


def dual_derivative(phi: Function) -> Answer:
    """E[phi'(u) phi'(v)], derived from phi' itself; a jump of phi gives phi' a delta function.

    Where phi jumps this is not what training by backpropagation sees: that is 0 for sign and step.
    """
    p, q, r = pqr()
    return expect([phi, phi], [[p, r], [r, q]], derivatives=[1, 1])


def dual_derivative_by_price(phi: Function) -> Answer:
    """The same as d/dr E[phi(u) phi(v)] (Price 1958): a second, independent derivation."""
    found = dual(phi)
    derived = dual_derivative(phi)
    return replace(derived, expression=sympy.diff(found.expression, pqr()[2]), strategy=f"{found.strategy}, Price")
