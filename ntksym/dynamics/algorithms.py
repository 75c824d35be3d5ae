"""What gradient flow, gradient descent and momentum leave of an error, along one eigenvector of the tangent kernel.

On a quadratic loss a direction of rate lambda (the eigenvalue of the loss's curvature) moves by itself: of the error at
the start the part r_t(lambda) is left, and (1 - r_t(lambda)) / lambda of it has been learned, in the sense that the
weights have moved by J^T times that. Both are polynomials in lambda for algorithms that take steps.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from ntksym.errors import DynamicsError

Array = Any


class Algorithm(Protocol):
    """How weights follow the gradient; time is counted in ``unit``."""

    @property
    def unit(self) -> str: ...

    @property
    def formula(self) -> str:
        """r_t(lambda) as text."""
        ...

    @property
    def latex(self) -> str:
        """r_t(lambda), without dollar signs."""
        ...

    def learned(self, rates: Array, time: float) -> Array:
        """(1 - r_t(lambda)) / lambda for each rate; finite at 0."""
        ...

    def factors(self, rates: Array) -> Array:
        """By what an error is multiplied in a unit of time, in the long run; above 1 it grows."""
        ...

    def largest_rate(self, curvature: float) -> float | None:
        """The largest stable learning rate for this largest eigenvalue; None where every one is stable."""
        ...


@dataclass(frozen=True)
class Flow:
    """Gradient flow at learning rate 1: r_t = exp(-lambda t)."""

    unit = "time"
    formula = "exp(-lambda t)"
    latex = r"e^{-\lambda t}"

    def learned(self, rates: Array, time: float) -> Array:
        """As for every algorithm; t at rate 0."""
        x = rates * time
        kept = -np.expm1(-x)
        # the quotient that does not lose digits: by the rate where time is long, by x where it is short
        slow = time * np.where(x > 0, kept / np.where(x > 0, x, 1.0), 1.0)
        return np.where(x > 1, kept / np.where(rates > 0, rates, 1.0), slow)

    def factors(self, rates: Array) -> Array:
        """exp(-lambda)."""
        return np.exp(-rates)

    def largest_rate(self, curvature: float) -> None:
        """There is none."""
        return None


@dataclass(frozen=True)
class Descent:
    """Gradient descent of learning rate ``lr``: r_t = (1 - lr lambda)^t after t steps."""

    lr: float
    unit = "steps"
    formula = "(1 - lr lambda)^t"
    latex = r"(1 - \eta \lambda)^t"

    def learned(self, rates: Array, time: float) -> Array:
        """As for every algorithm; lr t at rate 0."""
        return HeavyBall(self.lr, 0.0).learned(rates, time)

    def factors(self, rates: Array) -> Array:
        """|1 - lr lambda|."""
        return np.abs(1 - self.lr * rates)

    def largest_rate(self, curvature: float) -> float:
        """2 / lambda."""
        return 2 / curvature


@dataclass(frozen=True)
class HeavyBall:
    """Steps of rate ``lr`` with momentum: theta_(t+1) = theta_t - lr grad + momentum (theta_t - theta_(t-1)).

    r_(t+1) = (1 + momentum - lr lambda) r_t - momentum r_(t-1), from r_(-1) = r_0 = 1. Source: Polyak 1964.
    """

    lr: float
    momentum: float
    unit = "steps"
    formula = "(1 + momentum - lr lambda) r_(t-1) - momentum r_(t-2)"
    latex = (
        r"\frac{(1 - \eta\lambda - z_-)\,z_+^t - (1 - \eta\lambda - z_+)\,z_-^t}{z_+ - z_-}, \quad "
        r"z_\pm^2 = (1 + \beta - \eta\lambda)\,z_\pm - \beta"
    )

    def learned(self, rates: Array, time: float) -> Array:
        """As for every algorithm: steps are taken one after the other, which is exact at equal roots, too."""
        before = now = np.zeros_like(rates)
        for _ in range(_whole(time)):
            before, now = now, now + self.momentum * (now - before) + self.lr * (1 - rates * now)
        return now

    def factors(self, rates: Array) -> Array:
        """The larger root of z^2 = (1 + momentum - lr lambda) z - momentum, in modulus."""
        half = (1 + self.momentum - self.lr * rates) / 2
        below = np.sqrt((half**2 - self.momentum).astype(complex))
        return np.maximum(np.abs(half + below), np.abs(half - below))

    def largest_rate(self, curvature: float) -> float:
        """2 (1 + momentum) / lambda."""
        return 2 * (1 + self.momentum) / curvature


def algorithm_of(lr: float | None, momentum: float) -> Algorithm:
    """Flow without a learning rate, else descent, with momentum if there is any. Raises DynamicsError otherwise."""
    if not 0 <= momentum < 1:
        raise DynamicsError(f"momentum={momentum} must be at least 0 and below 1")
    if lr is None:
        if momentum:
            raise DynamicsError(f"momentum={momentum} needs a learning rate: gradient flow takes no steps; give lr=")
        return Flow()
    if not 0 < lr < np.inf:
        raise DynamicsError(f"lr={lr} must be a positive number")
    return HeavyBall(lr, momentum) if momentum else Descent(lr)


def _whole(time: float) -> int:
    if time != int(time) or time < 0:
        raise DynamicsError(f"t={time}: a number of steps is a whole number from 0")
    return int(time)
