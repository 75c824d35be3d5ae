"""Gaussian distributions over functions after training, from kernel matrices alone.

X are the n training inputs with targets y, * are m test inputs; K is the covariance of the functions at the start
(NNGP), Theta the tangent kernel. ``cross`` holds the kernels between test and training inputs, (m, n); ``prior`` is K
of the test inputs: their diagonal (m,) for a variance, the matrix (m, m) for a covariance.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from ntksym._lazy import lazy
from ntksym.dynamics.algorithms import Flow
from ntksym.errors import DynamicsError
from ntksym.records.gram import Kernels

linalg = lazy("scipy.linalg")

Array = Any


class Posterior(Protocol):
    """A Gaussian distribution over functions, of one target or, with equal covariances, of k targets."""

    def mean(self, cross: Kernels) -> Array:
        """The mean at the test inputs, (m,) or (m, k) as the targets."""
        ...

    def variance(self, cross: Kernels, prior: Array) -> Array:
        """The variance at every test input, (m,); never below 0."""
        ...

    def covariance(self, cross: Kernels, prior: Array) -> Array:
        """The covariance of all test inputs, (m, m)."""
        ...


@dataclass(frozen=True)
class Inverse:
    """The inverse of a positive definite matrix, as its lower Cholesky factor."""

    factor: Array

    def apply(self, right: Array) -> Array:
        return linalg.cho_solve((self.factor, True), right)

    def half(self, right: Array) -> Array:
        """F^-1 right, with F the factor: the inner products of its columns are those in the inverse."""
        return linalg.solve_triangular(self.factor, right, lower=True)


@dataclass(frozen=True)
class Relaxation:
    """(1 - exp(-M t)) M^-1 of a symmetric matrix M, by its eigenvectors."""

    vectors: Array
    weights: Array

    def apply(self, right: Array) -> Array:
        weights = self.weights if right.ndim == 1 else self.weights[:, None]
        return self.vectors @ (weights * (self.vectors.T @ right))


@dataclass(frozen=True)
class GaussianProcess:
    """The functions of the prior that pass the targets by a Gaussian noise: mean K_*X (K + ridge)^-1 y."""

    inverse: Inverse
    weights: Array

    def mean(self, cross: Kernels) -> Array:
        return _double(cross.nngp) @ self.weights

    def variance(self, cross: Kernels, prior: Array) -> Array:
        half = self.inverse.half(_double(cross.nngp).T)
        return np.maximum(_double(prior) - (half**2).sum(0), 0.0)

    def covariance(self, cross: Kernels, prior: Array) -> Array:
        half = self.inverse.half(_double(cross.nngp).T)
        return _double(prior) - half.T @ half


@dataclass(frozen=True)
class GradientFlow:
    """The functions f0 of the prior after training: f = f0 + A (y - f0(X)) with A = Theta_*X R."""

    relaxed: Inverse | Relaxation
    weights: Array
    nngp: Array

    def mean(self, cross: Kernels) -> Array:
        return _double(cross.ntk) @ self.weights

    def variance(self, cross: Kernels, prior: Array) -> Array:
        learned = self._learned(cross)
        lost = ((learned @ self.nngp - 2 * _double(cross.nngp)) * learned).sum(1)
        return np.maximum(_double(prior) + lost, 0.0)

    def covariance(self, cross: Kernels, prior: Array) -> Array:
        learned = self._learned(cross)
        lost = (learned @ self.nngp / 2 - _double(cross.nngp)) @ learned.T
        return _double(prior) + lost + lost.T

    def _learned(self, cross: Kernels) -> Array:
        """A: what an error at a training input, at the start, has changed at the test inputs."""
        return self.relaxed.apply(_double(cross.ntk).T).T


def gaussian_process(gram: Kernels, targets: Array, ridge: float = 0.0) -> GaussianProcess:
    """The posterior of a Gaussian process with covariance ``gram.nngp``, which is exact Bayesian inference.

    Args:
        gram: the kernels of the training inputs, ``nngp`` of shape (n, n).
        targets: (n,) or (n, k), observed with independent Gaussian noise.
        ridge: the variance of that noise, at least 0.

    Raises DynamicsError where the matrix is not finite or, in its own precision, singular.
    Source: Lee, Bahri et al. 2018, equations 8 and 9; Rasmussen and Williams 2006, section 2.2.
    """
    inverse = inverse_of(gram.nngp, ridge)
    return GaussianProcess(inverse, inverse.apply(_double(targets)))


def gradient_flow(gram: Kernels, targets: Array, ridge: float = 0.0, time: float | None = None) -> GradientFlow:
    """The infinitely wide networks of all initial weights after gradient flow for a time, which are Gaussian.

    The loss is half the sum of squared errors over the training inputs, plus ridge / 2 times the squared distance of
    the weights from where they started: d theta/dt = -J^T (f(X) - y) - ridge (theta - theta_0). Then
    f_t = f_0 + Theta_*X (1 - exp(-(Theta + ridge) t)) (Theta + ridge)^-1 (y - f_0(X)).

    Args:
        gram: the kernels of the training inputs, ``nngp`` and ``ntk`` of shape (n, n).
        targets: (n,) or (n, k).
        ridge: the strength of the pull to the initial weights, at least 0.
        time: of gradient flow at learning rate 1, at least 0; None (or infinity) for the limit. For a loss that is
            averaged over the inputs, or a learning rate, multiply the time by lr / n, or by lr, and the ridge
            accordingly.

    Raises DynamicsError where a matrix is not finite or, for this time, singular in its own precision.
    Source: Lee, Xiao et al. 2019, equations 14 to 16; the ridge: Hu, Li and Yu 2020, section 4.
    """
    ntk, rounding = checked(gram.ntk), _rounding(gram.ntk)
    relaxed: Inverse | Relaxation
    if time is None or math.isinf(time):
        relaxed = _inverse(ntk, ridge, rounding)
    else:
        relaxed = _relaxation(ntk, ridge, time, rounding)
    return GradientFlow(relaxed, relaxed.apply(_double(targets)), checked(gram.nngp))


def inverse_of(gram: Array, ridge: float) -> Inverse:
    """(gram + ridge)^-1; raises DynamicsError where the matrix is not finite or, in its own precision, singular."""
    return _inverse(checked(gram), ridge, _rounding(gram))


def _inverse(gram: Array, ridge: float, rounding: float) -> Inverse:
    """(gram + ridge)^-1, if rounding leaves a digit of it."""
    shifted = gram.copy()
    shifted.flat[:: len(gram) + 1] += ridge
    factor, failed = linalg.lapack.dpotrf(shifted, lower=1, clean=1)
    norm = np.abs(shifted).sum(0).max()
    if failed or linalg.lapack.dpocon(factor, norm, uplo="L")[0] < rounding:
        raise singular(gram, ridge)
    return Inverse(factor)


def _relaxation(gram: Array, ridge: float, time: float, rounding: float) -> Relaxation:
    """The eigenvalues of a kernel matrix are not negative; what is below 0 is rounding."""
    rates, vectors = np.linalg.eigh(gram)  # divide and conquer: twice as fast as scipy's default
    rates = np.maximum(rates, 0.0) + ridge
    weights = Flow().learned(rates, time)
    # an eigenvalue is known up to this rounding, which its weight amplifies
    if len(gram) * rounding * rates.max() * weights.max() > 1:
        raise singular(gram, ridge, f" at time {time:g}")
    return Relaxation(vectors, weights)


def singular(gram: Array, ridge: float, when: str = "") -> DynamicsError:
    """What is said where rounding leaves nothing of an inverse."""
    scale = np.abs(np.diag(gram)).mean()
    return DynamicsError(
        f"the kernel matrix of {len(gram)} training inputs, plus ridge = {ridge:g}, is numerically singular{when}: "
        f"inputs occur twice, or the kernel cannot tell them apart; take a larger ridge, such as "
        f"{1e-8 * (scale or 1.0):.1g}"
    )


def checked(gram: Array) -> Array:
    """A square matrix of finite numbers, in double precision. Raises DynamicsError for anything else."""
    found = _double(gram)
    if found.ndim != 2 or found.shape[0] != found.shape[1]:
        raise DynamicsError(f"regression needs a kernel matrix (n, n), one number for a pair, not {found.shape}")
    if not np.isfinite(found).all():
        raise DynamicsError("the kernel matrix holds numbers that are not finite: are the inputs too large?")
    return found


def _double(array: Array) -> Array:
    return np.asarray(array, dtype=np.float64)


def _rounding(gram: Array) -> float:
    dtype = np.asarray(gram).dtype
    return float(np.finfo(dtype).eps) if dtype.kind == "f" else float(np.finfo(np.float64).eps)
