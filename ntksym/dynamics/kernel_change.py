"""How the tangent kernel changes in training, to leading order in 1/n: the neural tangent hierarchy, averaged.

Under gradient flow outputs, tangent kernel K, and its differentials K3, K4 by weights follow (Huang and Yau 2019,
arXiv:1909.08156), with e the derivatives of the loss by the outputs:

    df_a/dt = -K_ab e_b     dK_ab/dt = -K3_abc e_c     dK3_abc/dt = -K4_abcd e_d     ...

K3 and K4 are of order 1/n, and what follows in the chain is smaller. So K moves by order 1/n, by integrals of K3 and K4
at the start along the residuals of the linear model. Over random starts only E[K3 f] and E[K4] survive; they are the
tensors P, Q, R, S, T, U of ``ntksym.finite_width``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ntksym._lazy import lazy
from ntksym.dynamics.course import Course
from ntksym.errors import DynamicsError
from ntksym.finite.record import finite_width
from ntksym.language.program import Program
from ntksym.language.trace import Architecture

linalg = lazy("scipy.linalg")

Array = Any


@dataclass(frozen=True, eq=False)
class KernelChange(Course):
    """n times the mean change of the tangent kernel in training, to leading order.

    Attributes:
        program: its name.
        times: (T,), of gradient flow on half the mean squared error, at rate one for unit Gaussian weights.
        ntk: the limit of the kernel, (m, m).
        coefficient: of 1/n in E[K(t) - K(0)], (T, m, m).
        third: of 1/n in E[K3_abc f_d], (m, m, m, m).
        fourth: of 1/n in E[K4_abcd], (m, m, m, m).
    """

    schema = "kernel_change"

    program: str
    times: Array
    ntk: Array
    coefficient: Array
    third: Array
    fourth: Array

    def columns(self) -> dict[str, Array]:
        """The trace over that of the limit."""
        traces = np.trace(self.coefficient, axis1=1, axis2=2) / np.trace(self.ntk)
        return {"time": self.times, "n times the relative change of the trace": traces}

    def at(self, n: float) -> Array:
        """The predicted mean change of the kernel of networks of width n, (T, m, m)."""
        return self.coefficient / n


def kernel_change(
    program: Program | Architecture,
    data: tuple[Any, Any],
    times: Sequence[float],
    *,
    values: Mapping[str, Any] | None = None,
) -> KernelChange:
    """The 1/n change of the tangent kernel on the data it is trained on, averaged over random starts.

    Weights are unit Gaussians times their standard deviations (the tangent parametrization), all trained at rate one,
    by gradient flow on half the mean squared error.

    Args:
        program: a perceptron or residual network with one output, as ``ns.finite_width`` takes it. All its widths count
            as n.
        data: inputs (m, ...), targets (m,) or (m, 1).
        times: at least 0.
        values: sigmas by name, sizes other than the width.

    Raises FiniteWidthError where 1/n terms are not derived, DynamicsError for times and targets that do not fit.

    Example:
        >>> import numpy as np
        >>> import ntksym as ns
        >>> net = ns.zoo.load("mlp")(phi=ns.tanh, depth=1)
        >>> found = ns.kernel_change(net, (np.eye(2), np.array([1.0, -1.0])), [0.0, 1.0])
        >>> found.coefficient[1].round(4)
        array([[-0.0312, -0.032 ],
               [-0.032 , -0.0312]])
    """
    record = finite_width(program)
    found = record.evaluate(data[0], tensors=("P", "Q", "R", "S", "T", "U"), values=values)
    K, ntk = found.nngp[-1], found.ntk[-1]
    y, when = np.asarray(data[1], dtype=float).reshape(-1), np.asarray(times, dtype=float)
    if len(y) != len(ntk):
        raise DynamicsError(f"{len(y)} targets for {len(ntk)} inputs; one output for each is what is wanted")
    if when.ndim != 1 or not np.isfinite(when).all() or (when < 0).any():
        raise DynamicsError("times must be numbers of at least 0")
    P, Q, R, S, T, U = (found.at(name, 1.0) for name in "PQRSTU")
    # E[dH_abc f_d], with all coordinates of outputs the same one: 0 is paired with 3, with 1, with 2
    dH = P + Q + Q.transpose(0, 2, 1, 3)
    third = dH + dH.transpose(1, 0, 2, 3)
    first = R + R.transpose(0, 2, 1, 3) + R.transpose(0, 2, 3, 1)
    second = S + T.transpose(0, 2, 1, 3) + U.transpose(0, 2, 3, 1)
    ddH = first + second + second.transpose(0, 2, 1, 3)
    fourth = ddH + ddH.transpose(1, 0, 2, 3)
    rates, modes = linalg.eigh(ntk / len(y))
    # residuals in eigenmodes: e(t) = exp(-rate t) (f - y) / m
    start = modes.T @ (K + np.outer(y, y)) @ modes / len(y) ** 2
    by_third = np.einsum("abcd,ci,di->abi", third, modes, modes) / len(y)
    by_fourth = np.einsum("abcd,ci,dj,ij->abij", fourth, modes, modes, start)
    once, twice = _integrals(rates, when)
    change = np.einsum("abij,tij->tab", by_fourth, twice) - np.einsum("abi,ti->tab", by_third, once)
    return KernelChange(record.program.name, when, ntk, change, third, fourth)


def _integrals(rates: Array, times: Array) -> tuple[Array, Array]:
    """Of exp(-a s) over s < t, (T, m), and of exp(-a s - b s') over s' < s < t, (T, m, m)."""
    a, t = rates[None, :], times[:, None]
    once = _until(a, t)
    a, b, t = rates[None, :, None], rates[None, None, :], times[:, None, None]
    # (int exp(-a s) - int exp(-(a + b) s)) / b; without a pole: for b = 0 it is int s exp(-a s)
    small = b * t < 1e-6
    safe = np.where(small, 1.0, b)
    limit = np.where(a * t < 1e-4, t**2 / 2, (_until(a, t) - t * np.exp(-a * t)) / np.where(a * t < 1e-4, 1.0, a))
    return once, np.where(small, limit, (_until(a, t) - _until(a + b, t)) / safe)


def _until(rate: Array, t: Array) -> Array:
    """The integral of exp(-rate s) from 0 to t."""
    still = rate * t < 1e-12
    return np.where(still, t, -np.expm1(-rate * t) / np.where(still, 1.0, rate))
