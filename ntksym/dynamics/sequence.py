"""The adaptive-kernel sequence model: one mode of regression, whose eigenvalue is learned with its coefficient.

In the basis of a kernel's eigenfunctions regression falls apart into modes: the coefficient theta of each is fitted to
an observed z. Under a fixed kernel it follows dtheta/dt = -lambda (theta - z). Where the eigenvalue itself is trained,
theta = a b with a(0) = lambda^(1/2), b(0) = 0 and gradient flow on (theta - z)^2 / 2 in both, a^2 - b^2 = lambda is
conserved, so that a^2 + b^2, the eigenvalue of the kernel in use, is (lambda^2 + 4 theta^2)^(1/2): it grows where there
is signal (Li and Lin 2024, "Improving adaptivity via over-parameterization in sequence models").
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ntksym.dynamics.course import Course
from ntksym.errors import DynamicsError

Array = Any

MODES = 3
"""In a table, at most."""


@dataclass(frozen=True, eq=False)
class SequenceModel(Course):
    """Gradient flow of every mode at some times.

    Attributes:
        times: (T,).
        fixed: coefficients under the fixed kernel, (T, modes).
        adaptive: coefficients where eigenvalues are trained too, (T, modes).
        eigenvalues: of the adaptive kernel, (T, modes); they start at those of the fixed one.
    """

    schema = "sequence_model"

    times: Array
    fixed: Array
    adaptive: Array
    eigenvalues: Array

    def columns(self) -> dict[str, Array]:
        """The coefficients of the first modes."""
        modes = [
            (f"{kind}, mode {i + 1}", path[:, i])
            for i in range(min(MODES, self.fixed.shape[1]))
            for kind, path in (("fixed", self.fixed), ("adaptive", self.adaptive))
        ]
        return {"time": self.times, **dict(modes)}


def sequence_model(observed: Any, eigenvalues: Any, times: Sequence[float]) -> SequenceModel:
    """Coefficients under gradient flow, with eigenvalues that are fixed and that are trained, in closed form.

    With 2 theta = lambda sinh(u) the adaptive flow becomes du/dt = 2 z - lambda sinh(u), an equation of Riccati for
    exp(u), whose rate of approach is (lambda^2 + 4 z^2)^(1/2) instead of lambda.

    Args:
        observed: z of each mode, (modes,).
        eigenvalues: lambda of each mode at the start, positive, (modes,).
        times: (T,), at least 0.

    Raises DynamicsError for shapes and numbers that do not fit.

    Example:
        >>> import ntksym as ns
        >>> model = ns.sequence_model([1.0, 0.1], [0.01, 0.01], [1.0, 10.0])
        >>> model.adaptive.round(3)
        array([[0.018, 0.001],
               [1.   , 0.016]])
        >>> model.fixed.round(3)
        array([[0.01 , 0.001],
               [0.095, 0.01 ]])
    """
    z, rate, when = (np.asarray(given, dtype=float) for given in (observed, eigenvalues, times))
    if z.ndim != 1 or z.shape != rate.shape or when.ndim != 1:
        raise DynamicsError(f"observed {z.shape}, eigenvalues {rate.shape} and times {when.shape}: (m,), (m,), (T,)")
    if not (np.isfinite(z).all() and np.isfinite(rate).all() and (rate > 0).all()):
        raise DynamicsError("observed must be finite numbers, eigenvalues positive ones")
    if not np.isfinite(when).all() or (when < 0).any():
        raise DynamicsError("times must be numbers of at least 0")
    speed = np.hypot(rate, 2 * z)
    cosine, sine = rate / speed, 2 * np.abs(z) / speed
    # w = exp(u) solves w' = 2 z w - lambda (w^2 - 1) / 2 from 1. For |z| it is above / below; in these nothing cancels
    left = np.exp(-speed * when[:, None])
    gone = -np.expm1(-speed * when[:, None])
    above = 1 + left + (cosine + sine) * gone
    below = 2 * left + (cosine + cosine**2 / (1 + sine)) * gone
    adaptive = np.sign(z) * rate * sine * gone * (1 + left + cosine * gone) / (above * below)
    return SequenceModel(when, -np.expm1(-rate * when[:, None]) * z, adaptive, np.hypot(rate, 2 * adaptive))
