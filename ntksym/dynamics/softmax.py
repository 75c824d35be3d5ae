"""Wide networks that learn classes: gradient flow of the cross-entropy, which is linear in no coordinates.

The outputs are logits f, and p = softmax(f). The loss is averaged over the n training inputs, so that

    df(x)/dt = -Theta(x, X) / n (p(X) - Y),  Y one where the class is right

a differential equation in the training outputs alone, which carries the test outputs along. Source: Lee, Xiao et al.
2019, section 2.2 and its appendix on cross-entropy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ntksym._lazy import lazy
from ntksym.dynamics.course import Course
from ntksym.dynamics.posterior import checked
from ntksym.errors import DynamicsError
from ntksym.kernels.gram import as_compiled

integrate, special = lazy("scipy.integrate"), lazy("scipy.special")

Array = Any
TOLERANCE = 1e-9


@dataclass(frozen=True, eq=False)
class SoftmaxDynamics(Course):
    """Logits of an infinitely wide network on its way, (t, n, k) at the training and (t, m, k) at the test inputs.

    It is the network that starts at given outputs; their law over initial weights is Gaussian at the start only.
    """

    schema = "softmax_dynamics"

    times: Array
    labels: Array
    train: Array
    test: Array

    def columns(self) -> dict[str, Array]:
        """The loss over its course."""
        return {"time": self.times, "cross-entropy": self.losses}

    @property
    def losses(self) -> Array:
        """The mean cross-entropy over the training inputs, (t,)."""
        right = np.take_along_axis(special.log_softmax(self.train, axis=-1), self.labels[None, :, None], axis=-1)
        return -right.mean((1, 2))

    @property
    def probabilities(self) -> Array:
        """Those of the classes at the test inputs, (t, m, k)."""
        return special.softmax(self.test, axis=-1)


def softmax_dynamics(
    kernel: Any,
    X: Any,
    labels: Any,
    test: Any = None,
    *,
    times: Sequence[float],
    start: Any = None,
    classes: int | None = None,
    **values: Any,
) -> SoftmaxDynamics:
    """Gradient flow of the cross-entropy at infinite width, integrated numerically to nine digits.

    Args:
        kernel, X, test, values: as for ``linear_dynamics``.
        labels: classes (n,), integers from 0.
        times: growing, from 0; steps of a small learning rate lr take a time lr.
        start: outputs (n + m, k) at training, then test inputs, at time 0; zero if not given.
        classes: how many there are; one more than the largest label if not given.

    Raises DynamicsError for labels, times or outputs that do not fit.

    Example:
        >>> import numpy as np
        >>> import ntksym as ns
        >>> X = np.random.default_rng(0).standard_normal((6, 3))
        >>> labels = [0, 1, 0, 1, 1, 0]
        >>> found = ns.softmax_dynamics(ns.zoo.load("mlp"), X, labels, times=[0.0, 1.0, 100.0], sigma_w=2**0.5)
        >>> found.losses.round(4)
        array([0.6931, 0.5421, 0.0681])
    """
    inputs = np.asarray(X)
    probe = inputs if test is None else np.asarray(test)
    right = _labels(labels, len(inputs), classes)
    at = np.asarray(times, dtype=float)
    if at.ndim != 1 or not len(at) or at[0] < 0 or (np.diff(at) <= 0).any() or not np.isfinite(at).all():
        raise DynamicsError(f"times={list(times)}: expected growing times from 0")
    compiled = as_compiled(kernel, ("ntk",), values)
    gram = checked(compiled(inputs, get="ntk"))
    everywhere = np.concatenate([gram, compiled(probe, inputs, get="ntk")]) / len(inputs)
    shape = (len(everywhere), right.shape[1])
    first = np.zeros(shape) if start is None else np.asarray(start, dtype=float)
    if first.shape != shape:
        raise DynamicsError(f"start has the shape {first.shape}, expected {shape}: outputs at all inputs")

    def slope(_: float, flat: Array) -> Array:
        logits = flat.reshape(shape)[: len(inputs)]
        return (everywhere @ (right - special.softmax(logits, axis=-1))).ravel()

    run = integrate.solve_ivp(slope, (0.0, at[-1]), first.ravel(), "LSODA", t_eval=at, rtol=TOLERANCE, atol=TOLERANCE)
    if not run.success:
        raise DynamicsError(f"the cross-entropy could not be integrated up to t = {at[-1]:g}: {run.message}")
    found = run.y.T.reshape(len(at), *shape)
    return SoftmaxDynamics(at, right.argmax(1), found[:, : len(inputs)], found[:, len(inputs) :])


def _labels(given: Any, count: int, classes: int | None) -> Array:
    """Labels as rows of an identity matrix, (n, k)."""
    labels = np.asarray(given)
    if labels.shape != (count,) or labels.dtype.kind not in "iu" or (labels < 0).any():
        raise DynamicsError(f"{count} inputs need as many classes, whole numbers from 0")
    number = int(labels.max()) + 1 if classes is None else classes
    if number < 2 or labels.max() >= number:
        raise DynamicsError(f"classes={number}: expected two at least, and all labels below it")
    return np.eye(number)[labels]
