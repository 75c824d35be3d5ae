"""Linear dynamics of wide networks: training that is a linear differential or difference equation in the outputs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from ntksym.dynamics import linear_rendering
from ntksym.dynamics.algorithms import Algorithm, algorithm_of
from ntksym.dynamics.linear_predictions import trained_outputs
from ntksym.dynamics.posterior import GradientFlow, Relaxation, checked, singular
from ntksym.errors import DynamicsError
from ntksym.kernels.gram import as_compiled
from ntksym.records.gram import OUTPUTS, Kernels
from ntksym.records.predictions import Experiment, Prediction
from ntksym.records.tables import Table, Tabular

Array = Any


@dataclass(frozen=True, eq=False)
class LinearDynamics(Tabular):
    """Infinitely wide networks in training, over all initial weights: their Gaussian law at every time.

    The loss is half the squared error, summed over outputs and averaged over the n training inputs (that of
    ``ntksym.train``), plus ridge / 2 times the squared distance of the weights from their start. Weights are unit
    Gaussians, as in the tangent parameterization. The error along eigenvector v_k of the tangent kernel Theta(X, X) / n
    moves at its ``rates[k]``; outputs elsewhere follow by f = f_0 + Theta(., X) / n g_t (Y - f_0(X)), where
    g_t = (1 - r_t) / (Theta / n + ridge) and r_t is what the algorithm leaves.

    Attributes: ``inputs`` (n, ...) and ``targets`` (n, k); ``test`` inputs (m, ...); ``gram`` kernels (n, n), ``cross``
    (m, n), and ``prior``, the NNGP kernel of the test inputs (m, m); ``rates`` (n,), the largest first, and ``vectors``
    (n, n), in columns. Source: Lee, Xiao et al. 2019, equations 8 to 16.
    """

    title: str
    algorithm: Algorithm
    ridge: float
    inputs: Array
    targets: Array
    test: Array
    gram: Kernels
    cross: Kernels
    prior: Array
    rates: Array
    vectors: Array

    # --- the law at a time ---

    def at(self, time: float) -> GradientFlow:
        """The law of outputs anywhere, from kernels with the training inputs; raises DynamicsError for bad times."""
        learned = self._relaxation(time)
        return GradientFlow(learned, learned.apply(self.targets), self.gram.nngp)

    def mean(self, time: float) -> Array:
        """Mean outputs at the test inputs, (m, k)."""
        return self.at(time).mean(self.cross)

    def std(self, time: float) -> Array:
        """Standard deviations over initial weights at the test inputs, (m,); all outputs of a network have the same."""
        return np.sqrt(self.at(time).variance(self.cross, np.diag(self.prior)))

    def covariance(self, time: float) -> Array:
        """The covariance of the outputs at the test inputs, (m, m)."""
        return self.at(time).covariance(self.cross, self.prior)

    def outputs(self, time: float, start: Array) -> Array:
        """Outputs at training, then test inputs of the network that starts with these, (..., n + m, k)."""
        learned = self._relaxation(time).apply(self.targets - start[..., : len(self.targets), :])
        return start + np.concatenate([self.gram.ntk, self.cross.ntk]) @ learned

    def loss(self, time: float) -> float:
        """The mean over initial weights of the training loss, without the ridge's part."""
        left = 1 - self.rates * self._learned(time)
        start = (self._power**2).sum(1) + self.targets.shape[1] * self._spread
        return float((left**2 * start).sum() / (2 * len(self.targets)))

    def test_loss(self, time: float, targets: Array) -> float:
        """The mean loss at the test inputs, for targets (m, k)."""
        error = (self.mean(time) - as_targets(targets, len(self.test))) ** 2
        return float((error.sum(1) + self.targets.shape[1] * self.std(time) ** 2).mean() / 2)

    @cached_property
    def _power(self) -> Array:
        """The targets along the eigenvectors, (n, k)."""
        return self.vectors.T @ self.targets

    @cached_property
    def _spread(self) -> Array:
        """The variance of outputs at the start along the eigenvectors, (n,)."""
        return ((self.gram.nngp @ self.vectors) * self.vectors).sum(0)

    def _learned(self, time: float) -> Array:
        if not 0 <= time < np.inf:
            raise DynamicsError(f"t={time} must be a finite number from 0; ntksym.NTKRegressor has the limit")
        learned = self.algorithm.learned(self.rates + self.ridge, time)
        # an eigenvalue is known up to this rounding, which what has been learned amplifies
        if self.is_stable and len(self.rates) * np.finfo(float).eps * self.rates[0] * learned.max() > 1:
            raise singular(self.gram.ntk, self.ridge, f" at t = {time:g}")
        return learned

    def _relaxation(self, time: float) -> Relaxation:
        return Relaxation(self.vectors, self._learned(time) / len(self.targets))

    # --- rates ---

    @property
    def largest_stable_rate(self) -> float | None:
        """The learning rate above which training diverges; None for gradient flow."""
        return self.algorithm.largest_rate(float(self.rates[0]) + self.ridge)

    @property
    def is_stable(self) -> bool:
        """Whether no error grows."""
        return bool((self.algorithm.factors(self.rates + self.ridge) <= 1).all())

    @property
    def convergence_times(self) -> Array:
        """In how long the error along each eigenvector falls by a factor e, (n,); inf where it does not fall."""
        factors = self.algorithm.factors(self.rates + self.ridge)
        with np.errstate(divide="ignore"):
            return np.where(factors < 1, -1 / np.log(np.minimum(factors, 1)), np.inf)

    def ridges_of(self, time: float) -> Array:
        """The ridge along each eigenvector, (n,), whose limit keeps of the targets what is kept at this time.

        A ridge keeps lambda / (lambda + ridge), and stopping at t keeps 1 - r_t: so it is lambda r_t / (1 - r_t), which
        is close to 1 / t for directions that have hardly been learned. One ridge 1 / t for all of them keeps at most
        1.3 times less (Ali, Kolter and Tibshirani 2019).
        """
        kept = self.rates * self._learned(time)
        with np.errstate(divide="ignore"):
            return np.where(kept > 0, self.rates * (1 - kept) / np.where(kept > 0, kept, 1.0), np.inf)

    def with_rate(self, lr: float) -> LinearDynamics:
        """The same in steps of another learning rate."""
        return replace(self, algorithm=algorithm_of(lr, getattr(self.algorithm, "momentum", 0.0)))

    # --- forms ---

    def predictions(self, experiment: Experiment) -> Iterator[Prediction]:
        """What networks trained for ``experiment.steps`` steps must show at the test inputs; see ``validate``."""
        return trained_outputs(self, experiment)

    def to_table(self) -> Table:
        """The fastest and the slowest eigenvectors: rate, time, share of the targets."""
        return linear_rendering.to_table(self)

    def to_latex(self) -> str:
        """The law at time t as an ``aligned`` environment."""
        return linear_rendering.to_latex(self)

    def _repr_latex_(self) -> str:
        return f"$\\displaystyle {self.to_latex()}$"

    def to_json(self) -> dict[str, Any]:
        """A plain JSON object; times of directions that are never learned are null."""
        return linear_rendering.to_json(self)


def linear_dynamics(
    kernel: Any,
    X: Any,
    Y: Any,
    test: Any = None,
    *,
    lr: float | None = None,
    momentum: float = 0.0,
    ridge: float = 0.0,
    **values: Any,
) -> LinearDynamics:
    """How infinitely wide networks learn targets Y at inputs X, and what they answer at test inputs on the way.

    Args:
        kernel: an architecture, a Program, a KernelRecursion or a compiled kernel.
        X, test: inputs, first axis over them; the test inputs are X itself if not given.
        Y: targets, (n,) or (n, k).
        lr: the learning rate of gradient descent; None for gradient flow, whose time is lr times steps of small steps.
        momentum: of the heavy ball, as in ``optax.sgd(lr, momentum)``; from 0, below 1.
        ridge: the strength of the pull to the initial weights, at least 0.
        values: hyperparameters and sizes, as for ``KernelRecursion.compile``.

    Raises DynamicsError for arguments out of range and targets that do not fit, KernelError for what has no kernel.

    Example:
        >>> import numpy as np
        >>> import ntksym as ns
        >>> X = np.random.default_rng(0).standard_normal((6, 3))
        >>> dynamics = ns.linear_dynamics(ns.zoo.load("mlp"), X[:5], X[:5, 0], X[5:], sigma_w=2**0.5)
        >>> dynamics.convergence_times.round(2)
        array([ 0.31,  0.82,  2.44,  4.52, 15.03])
    """
    algorithm = algorithm_of(lr, momentum)
    if not 0 <= ridge < np.inf:
        raise DynamicsError(f"ridge={ridge} must be a number of at least 0")
    compiled = as_compiled(kernel, OUTPUTS, values)
    inputs = np.asarray(X)
    probe = inputs if test is None else np.asarray(test)
    targets = as_targets(Y, len(inputs))
    gram = Kernels(*map(checked, compiled(inputs, get=OUTPUTS)))
    rates, vectors = np.linalg.eigh(gram.ntk / len(inputs))
    name = getattr(kernel, "name", getattr(getattr(kernel, "program", None), "name", "kernel"))
    return LinearDynamics(
        f"{name}: {len(inputs)} inputs",
        algorithm,
        float(ridge),
        inputs,
        targets,
        probe,
        gram,
        compiled(probe, inputs, get=OUTPUTS),
        compiled(probe, get="nngp"),
        # the eigenvalues of a kernel matrix are not negative; what is below 0 is rounding
        np.maximum(rates[::-1], 0.0),
        vectors[:, ::-1],
    )


def as_targets(given: Any, count: int) -> Array:
    """Targets as finite numbers (n, k); raises DynamicsError for others."""
    targets = np.asarray(given, dtype=float)
    targets = targets[:, None] if targets.ndim == 1 else targets
    if targets.ndim != 2 or len(targets) != count or not np.isfinite(targets).all():
        raise DynamicsError(f"{count} inputs need finite targets (n,) or (n, k), not an array {np.shape(given)}")
    return targets
