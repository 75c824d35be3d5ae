"""What 1/n terms say of a network: means, fluctuations, how wide is wide enough, drift, kernel regression."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, inf
from typing import Any

import numpy as np

from ntksym.errors import FiniteWidthError
from ntksym.finite.values import FiniteValues

Widths = Sequence[float] | float | None
_DEEP = 0.1
"""Beyond this relative variance of the tangent kernel, fluctuations of layers multiply instead of adding up."""


def expected_nngp(values: FiniteValues, widths: Widths = None) -> Any:
    """The mean covariance of an output at finite width, K + G1/n, (inputs, inputs)."""
    return values.nngp[-1] + values.at("G1", widths)


def expected_ntk(values: FiniteValues, widths: Widths = None) -> Any:
    """The mean tangent kernel of one output at finite width, Theta + Theta1/n, (inputs, inputs)."""
    return values.ntk[-1] + values.at("Theta1", widths)


def ntk_covariance(values: FiniteValues, widths: Widths = None) -> Any:
    """Cov(H[a, b], H[c, d]) of the tangent kernel of one output, at [a, b, c, d]: A_(12)(34) + B_1324 + B_1423."""
    A, B = values.at("A", widths), values.at("B", widths)
    return A + B.transpose(0, 2, 1, 3) + B.transpose(0, 2, 3, 1)


def ntk_fluctuation(values: FiniteValues, widths: Widths = None) -> Any:
    """The standard deviation of the tangent kernel of one output over its mean in the limit, (inputs, inputs)."""
    return np.sqrt(np.einsum("abab->ab", ntk_covariance(values, widths))) / np.abs(values.ntk[-1])


def excess_kurtosis(values: FiniteValues, widths: Widths = None, reading: int = -1) -> Any:
    """E z^4 / (E z^2)^2 - 3 of a preactivation, by default of an output, at each input: 3 V / (n K^2)."""
    return 3 * np.einsum("aaaa->a", values.at("V", widths, reading)) / np.diagonal(values.nngp[reading]) ** 2


@dataclass(frozen=True)
class DepthToWidth:
    """How wide a network must be for its tangent kernel to be within ``tolerance`` of the limit, relatively.

    Attributes:
        factor: what the widths are to be multiplied by, at least.
        widths: the widths that this gives, rounded up.
        fluctuation: the relative standard deviation of the tangent kernel at the widths before.
        shift: the relative deviation of its mean there.
        ratio: the relative variance there, which grows like depth over width; where it is no small number, terms of
            higher order matter, and ``factor`` is a first guess.
    """

    tolerance: float
    factor: float
    widths: tuple[int, ...]
    fluctuation: float
    shift: float

    @property
    def ratio(self) -> float:
        """The relative variance of the tangent kernel at the widths that were asked about."""
        return self.fluctuation**2

    def __str__(self) -> str:
        widths = ", ".join(map(str, dict.fromkeys(self.widths)))
        lines = [
            f"tangent kernel: it fluctuates by {self.fluctuation:.2g} of itself, its mean is off by {self.shift:.2g}",
            f"to be within {self.tolerance:g}: {self.factor:.3g} times as wide, that is {widths}",
        ]
        if self.ratio > _DEEP:
            lines.append("depth over width is not small here: terms beyond 1/n matter, and these numbers are rough")
        return "\n".join(lines)


def depth_to_width(values: FiniteValues, tolerance: float, widths: Widths = None) -> DepthToWidth:
    """How wide is wide enough: the worst of all inputs, to leading order in 1/n.

    Widths grow in proportion; the standard deviation falls like the root of it, the shift of the mean like itself.
    Raises FiniteWidthError for a tolerance that is not positive.
    """
    if not 0 < tolerance < inf:
        raise FiniteWidthError(f"a tolerance of {tolerance} is no positive number")
    fluctuation = float(np.diagonal(ntk_fluctuation(values, widths)).max())
    shift = float(np.abs(np.diagonal(values.at("Theta1", widths)) / np.diagonal(values.ntk[-1])).max())
    factor = max((fluctuation / tolerance) ** 2, shift / tolerance)
    wanted = tuple(ceil(factor * width - 1e-9) for width in values.divisors(widths))
    return DepthToWidth(tolerance, factor, tuple(max(1, width) for width in wanted), fluctuation, shift)


def ntk_drift(values: FiniteValues, outputs: int = 1, widths: Widths = None) -> Any:
    """E dH[a, b]/dt of one output's tangent kernel as training by gradient flow on sum (f - y)^2 / 2 begins.

    All inputs are trained on, and targets do not depend on the initial weights, so that only E[dH f] remains:
    -sum_c (P_abcc + outputs Q_abcc + Q_acbc), and the same with a and b exchanged.
    """
    P, Q = values.at("P", widths), values.at("Q", widths)
    half = np.einsum("abcc->ab", P) + outputs * np.einsum("abcc->ab", Q) + np.einsum("acbc->ab", Q)
    return -(half + half.T)


@dataclass(frozen=True, eq=False)
class Regression:
    """Predictions of wide networks, linear in their weights, that were trained to the end, averaged over networks.

    Attributes:
        limit: the mean in the limit of infinite width, Theta_xX Theta_XX^-1 y.
        mean: the mean to order 1/n.
        initial_variance: the variance of order one, from the outputs at the start, in the limit.
        kernel_variance: the variance of order 1/n that fluctuations of the tangent kernel add.
    """

    limit: Any
    mean: Any
    initial_variance: Any
    kernel_variance: Any


def kernel_regression(values: FiniteValues, targets: Any, widths: Widths = None, ridge: float = 0.0) -> Regression:
    """Kernel regression with the finite network's tangent kernel, to order 1/n.

    The inputs of ``values`` are the training inputs, as many as there are targets, then those to predict at. Of the
    random kernel H = Theta + dH the mean of H_xX (H_XX + ridge)^-1 y is expanded to second order; the outputs at the
    start are odd in the last weights and drop out of it. Raises FiniteWidthError for a matrix that has no inverse.
    """
    y = np.asarray(targets, dtype=float)
    count = len(y)
    if y.ndim != 1 or not 0 < count < len(values.ntk[-1]):
        raise FiniteWidthError(
            f"there are {len(values.ntk[-1])} inputs and targets of the shape {y.shape}; give one target for each "
            "training input, and inputs to predict at after these"
        )
    theta, K = values.ntk[-1], values.nngp[-1]
    train, test = slice(0, count), slice(count, None)
    try:
        inverse = np.linalg.inv(theta[train, train] + ridge * np.eye(count))
    except np.linalg.LinAlgError:
        raise FiniteWidthError(
            "the kernel of the training inputs has no inverse; add ridge, or leave equal inputs out"
        ) from None
    weights, alpha = theta[test, train] @ inverse, inverse @ y
    # the prediction moves by (dH_x - weights dH_X) alpha, and once more by -(dH_x - weights dH_X) inverse dH_X alpha
    residual = np.concatenate([-weights, np.eye(len(theta) - count)], axis=1)
    shift, covariance = values.at("Theta1", widths), ntk_covariance(values, widths)
    first = residual @ shift[:, train] @ alpha
    second = -np.einsum("ta,abcd,bc,d->t", residual, covariance[:, train, train, train], inverse, alpha)
    moved = np.einsum("ta,abcd,b,d,tc->t", residual, covariance[:, train, :, train], alpha, alpha, residual)
    start = np.einsum("ta,ab,tb->t", residual, K, residual)
    return Regression(weights @ y, weights @ y + first + second, start, moved)
