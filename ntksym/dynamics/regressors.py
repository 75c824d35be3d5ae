"""Regression with the kernels of a program, as scikit-learn's estimators."""

from __future__ import annotations

import math
from collections.abc import Mapping
from numbers import Real
from typing import Any

import numpy as np

from ntksym import zoo
from ntksym._lazy import lazy
from ntksym.dynamics.posterior import Posterior, gaussian_process, gradient_flow
from ntksym.errors import DynamicsError
from ntksym.kernels.gram import as_compiled
from ntksym.records.gram import Kernels

base = lazy("sklearn.base")
validation = lazy("sklearn.utils.validation")
BaseEstimator: Any = base.BaseEstimator
RegressorMixin: Any = base.RegressorMixin

Array = Any


class _KernelRegressor(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """What the regressors share: from inputs to kernel matrices, from these to a posterior."""

    _uses: tuple[str, ...]

    def _posterior(self, gram: Kernels, targets: Array) -> Posterior:
        raise NotImplementedError

    def fit(self, X: Any, y: Any) -> Any:
        """Learn the targets ``y``, (n,) or (n, k), of the inputs ``X``, (n, d).

        Inputs of an architecture with positions have further axes, as for ``ntksym.run``. Raises DynamicsError for
        parameters out of range and for a singular kernel matrix, KernelError for what is no kernel, or has no NTK where
        that is needed, and for inputs that do not fit the program.
        """
        X, y = validation.validate_data(self, X, y, multi_output=True, y_numeric=True, allow_nd=True)
        given = zoo.load("mlp") if self.kernel is None else self.kernel
        values = {} if self.hyperparameters is None else self.hyperparameters
        if not isinstance(values, Mapping):
            raise DynamicsError(f"hyperparameters={values!r} must be a mapping from names to numbers, or None")
        kernel = as_compiled(given, self._uses, values)
        self.posterior_ = self._posterior(kernel(X, get=self._uses), y)
        self.kernel_, self.X_train_, self.y_train_ = kernel, X, y
        return self

    def predict(self, X: Any, return_std: bool = False, return_cov: bool = False) -> Any:
        """The mean (m,) or (m, k) of the predictions for inputs (m, d); with it, their spread if asked for.

        ``return_std`` adds standard deviations of the mean's shape; ``return_cov`` adds the covariance of all inputs,
        (m, m) or (m, m, k). Neither includes the noise of an observation. Raises DynamicsError if both are asked for.
        """
        if return_std and return_cov:
            raise DynamicsError("predict gives standard deviations or a covariance: set one of return_std, return_cov")
        validation.check_is_fitted(self)
        X = validation.validate_data(self, X, reset=False, allow_nd=True)
        cross = self.kernel_(X, self.X_train_, get=self._uses)
        mean = self.posterior_.mean(cross)
        if return_std:
            variance = self.posterior_.variance(cross, self.kernel_.diagonal(X, get="nngp"))
            return mean, self._for_each_target(np.sqrt(variance))
        if return_cov:
            return mean, self._for_each_target(self.posterior_.covariance(cross, self.kernel_(X, get="nngp")))
        return mean

    def _for_each_target(self, spread: Array) -> Array:
        """All targets of a network have one prior, so one spread; it is repeated along a last axis."""
        if self.y_train_.ndim == 1:
            return spread
        return np.repeat(spread[..., None], self.y_train_.shape[1], axis=-1)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags


class NNGPRegressor(_KernelRegressor):
    """Exact Bayesian inference with an infinitely wide network: a Gaussian process with its NNGP kernel.

    Predictions are the posterior mean and standard deviation of the network's output. The prior has mean zero: centre
    the targets where zero is not where predictions far from the data should go (``sklearn.compose`` has
    TransformedTargetRegressor), as for scikit-learn's own GaussianProcessRegressor.

    Args:
        kernel: an architecture, a Program, a KernelRecursion or a compiled kernel; None for the zoo's ``mlp``, with
            two hidden layers of ReLUs and the dimension of the inputs.
        hyperparameters: standard deviations and sizes, ``{"sigma_w": 1.4, "sigma_b": 0.1, "L": 3}``; those left out
            are what the program, or the compiled kernel, has.
        ridge: the variance of the Gaussian noise on the targets, at least 0; 0 interpolates.

    After ``fit``: ``kernel_`` is the compiled kernel, ``posterior_`` the distribution over functions, ``X_train_`` and
    ``y_train_`` the data. Source: Lee, Bahri et al. 2018, "Deep neural networks as Gaussian processes".

    Example:
        >>> import numpy as np
        >>> import ntksym as ns
        >>> X = np.linspace(-2, 2, 9)[:, None]
        >>> values = {"sigma_w": 1.5, "sigma_b": 0.5}
        >>> model = ns.NNGPRegressor(hyperparameters=values, ridge=1e-3).fit(X, np.sin(2 * X[:, 0]))
        >>> mean, std = model.predict([[0.3]], return_std=True)
        >>> print(f"{mean[0]:.2f} +- {std[0]:.2f}")
        0.60 +- 0.09
    """

    _uses = ("nngp",)

    def __init__(
        self, kernel: Any = None, *, hyperparameters: Mapping[str, float] | None = None, ridge: float = 1e-6
    ) -> None:
        self.kernel = kernel
        self.hyperparameters = hyperparameters
        self.ridge = ridge

    def _posterior(self, gram: Kernels, targets: Array) -> Posterior:
        return gaussian_process(gram, targets, _at_least_zero("ridge", self.ridge))


class NTKRegressor(_KernelRegressor):
    """An ensemble of infinitely wide networks, trained by gradient flow for a time: its exact mean and spread.

    Every network starts at random weights and minimises half the sum of squared errors plus ridge / 2 times the squared
    distance of its weights from where they started; the prediction's standard deviation is that over the ensemble.
    Weights are those of the kernel's parameterization, unit Gaussians unless it is a recursion derived for another one.
    The mean starts at zero: centre targets that do not vary about zero.

    Args:
        kernel, hyperparameters: as for ``NNGPRegressor``.
        ridge: the strength of the pull to the initial weights, at least 0. At infinite time the mean is kernel ridge
            regression with the NTK; at ridge 0 every network interpolates.
        time: how long gradient flow runs at learning rate 1, at least 0; None for its limit. Full-batch gradient
            descent of small rate lr has come to time lr times steps, for the loss above.

    After ``fit``: as for ``NNGPRegressor``. Source: Lee, Xiao et al. 2019, "Wide neural networks of any depth evolve as
    linear models under gradient descent"; the ridge: Hu, Li and Yu 2020.

    Example:
        >>> import numpy as np
        >>> import ntksym as ns
        >>> X = np.linspace(-2, 2, 9)[:, None]
        >>> values = {"sigma_w": 1.5, "sigma_b": 0.5}
        >>> model = ns.NTKRegressor(hyperparameters=values, time=10.0).fit(X, np.sin(2 * X[:, 0]))
        >>> mean, std = model.predict([[0.3]], return_std=True)
        >>> print(f"{mean[0]:.2f} +- {std[0]:.2f}")
        0.57 +- 0.11
    """

    _uses = ("nngp", "ntk")

    def __init__(
        self,
        kernel: Any = None,
        *,
        hyperparameters: Mapping[str, float] | None = None,
        ridge: float = 1e-6,
        time: float | None = None,
    ) -> None:
        self.kernel = kernel
        self.hyperparameters = hyperparameters
        self.ridge = ridge
        self.time = time

    def _posterior(self, gram: Kernels, targets: Array) -> Posterior:
        ridge = _at_least_zero("ridge", self.ridge)
        time = None if self.time is None else _at_least_zero("time", self.time, endless=True)
        return gradient_flow(gram, targets, ridge, time)


def _at_least_zero(name: str, value: Any, endless: bool = False) -> float:
    number = float(value) if isinstance(value, Real) and not isinstance(value, bool) else math.nan
    if not number >= 0 or (math.isinf(number) and not endless):
        raise DynamicsError(f"{name}={value!r} must be a number of at least 0{', or None' if endless else ''}")
    return number
