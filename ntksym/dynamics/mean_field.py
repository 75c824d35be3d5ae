"""Mean-field dynamics of one hidden layer: gradient flow on the distribution of hidden units.

The output is a mean over units of a function g of each unit's weights z, f(x) = E[g(z, x)], and every unit follows
dz/dt = -R sum over data of dL/df dg/dz, with R the learning rates (Mei, Montanari and Nguyen 2018, arXiv:1804.06561).
Where g is a quadratic form in z the second moments of units follow an ordinary differential equation of their own: so
for linear networks, and for means of squares of hidden units. For every other g particles carry the distribution.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ntksym._lazy import lazy
from ntksym.dynamics.course import Course, Slots
from ntksym.dynamics.slopes import loss_and_slope
from ntksym.dynamics.units import MEAN, Units, expected, units
from ntksym.errors import DynamicsError
from ntksym.language.dims import Number
from ntksym.language.program import Program
from ntksym.language.trace import Architecture
from ntksym.sampling.training import Loss
from ntksym.scaling.parametrizations import Parametrization

jax = lazy("jax")
jnp = lazy("jax.numpy")
integrate = lazy("scipy.integrate")
qmc = lazy("scipy.stats.qmc")
stats = lazy("scipy.stats")

Array = Any
RTOL, ATOL = 1e-9, 1e-11
"""What the integration of the differential equations is held to."""
REPLICATES = 8
"""Independent sets of particles, from which the standard error is taken."""


@dataclass(frozen=True, eq=False)
class MeanField(Course):
    """Gradient flow of an infinitely wide hidden layer.

    Attributes:
        program: its name.
        times: (T,).
        outputs: on the data, (T, outputs' shape).
        losses: (T,).
        standard_error: of the outputs, from independent sets of particles; zero without particles.
        moments: E[z z^T] over units, (T, p, p).
        units: weights of one set of particles, (T, particles, p); None without particles.
        slots: where each parameter stands in z, and its shape there.
    """

    schema = "mean_field"

    program: str
    times: Array
    outputs: Array
    losses: Array
    standard_error: Array
    moments: Array
    units: Array | None
    slots: Slots

    def columns(self) -> dict[str, Array]:
        """The loss over its course."""
        return {"time": self.times, "loss": self.losses}


def mean_field(
    program: Program | Architecture,
    data: tuple[Any, Any],
    times: Sequence[float],
    *,
    particles: int | None = None,
    loss: str | Loss = "mse",
    parametrization: str | Parametrization = "mfp",
    sizes: Mapping[str, Number] | None = None,
    seed: int = 0,
) -> MeanField:
    """Gradient flow at infinite width for a program with one hidden layer, in a parametrization in which units move.

    Args:
        program: one hidden layer without a bias of the output, such as ``ns.zoo.load("mlp")(depth=1)`` without biases.
        data: inputs and targets, all of them in every step.
        times: growing, the first at least 0. A network of width n that takes steps of the table's rates for ``lr`` is,
            after t of them, at time lr * t up to terms of order lr.
        particles: how many stand for the distribution, a power of two: randomised Sobol sequences of Gaussian starts,
            in REPLICATES independent copies. None solves the equation of the second moments, where there is one.
        loss: as for ``ns.train``.
        sizes: the dimensions that neither the inputs give nor a default, other than the width.
        seed: of the particles.

    Raises DynamicsError for programs without a mean over hidden units, and for no ``particles`` where second moments
    follow no equation of their own.

    Example:
        >>> import numpy as np
        >>> import ntksym as ns
        >>> net = ns.zoo.load("mlp")(phi=ns.tanh, depth=1, bias=False)
        >>> X, y = np.eye(2), np.array([[1.0], [-1.0]])
        >>> found = ns.mean_field(net, (X, y), [0.0, 1.0, 10.0], particles=256)
        >>> found.losses.round(3)
        array([0.501, 0.206, 0.   ])
    """
    found = units(program, data[0], lr=1.0, parametrization=parametrization, sizes=sizes)
    if found.power != MEAN:
        raise DynamicsError(f"{found.network.program.name}: its hidden units do not move under this parametrization")
    when = np.asarray(times, dtype=float)
    if when.ndim != 1 or not len(when) or when[0] < 0 or (np.diff(when) <= 0).any() or not np.isfinite(when).all():
        raise DynamicsError("times must be growing numbers of at least 0")
    if particles is None:
        return _moments(found, data, when, loss)
    if particles < 2 or particles & (particles - 1):
        raise DynamicsError(f"particles={particles} is no power of two of at least 2, as a Sobol sequence needs")
    return _particles(found, data, when, loss, particles, seed)


def _moments(found: Units, data: tuple[Any, Any], times: Array, loss: str | Loss) -> MeanField:
    """dG/dt = -(M G + G M^T), with M = 2 R times the sum over outputs of dL/df Q."""
    forms, error = found.forms(data[0]), loss_and_slope(loss)
    size = len(found.stds)

    def flow(t: float, state: Array) -> Array:
        G = state.reshape(size, size)
        change = found.pull(forms, error(expected(forms, G), data[1])[1]) @ G
        return -(change + change.T).ravel()

    moments = _flow(flow, np.diag(found.stds**2).ravel(), times).reshape(-1, size, size)
    outputs = np.array([expected(forms, G) for G in moments])
    losses = np.array([error(f, data[1])[0] for f in outputs])
    name = found.network.program.name
    return MeanField(name, times, outputs, losses, np.zeros_like(outputs), moments, None, found.slots)


def _particles(found: Units, data: tuple[Any, Any], times: Array, loss: str | Loss, count: int, seed: int) -> MeanField:
    """Particles under gradient flow, in independent copies."""
    size, error = len(found.stds), loss_and_slope(loss)

    def outputs_of(particles: Array) -> Array:
        return jnp.mean(jax.vmap(found.outputs, (0, None))(particles, data[0]), axis=0)

    def pulled(particles: Array, slope: Array) -> Array:
        # the derivative of a mean over particles by one of them has a factor 1 / count
        return -found.rates * count * jax.vjp(outputs_of, particles)[1](slope)[0]

    outputs_of, pulled = jax.jit(outputs_of), jax.jit(pulled)

    def flow(t: float, state: Array) -> Array:
        particles = state.reshape(count, size)
        return np.asarray(pulled(particles, error(outputs_of(particles), data[1])[1])).ravel()

    paths, copies = [], []
    with found.network.precision():
        for replicate in range(REPLICATES):
            start = _start(found.stds, count, np.random.default_rng((seed, replicate)))
            paths.append(_flow(flow, start.ravel(), times).reshape(-1, count, size))
            copies.append([np.asarray(outputs_of(particles)) for particles in paths[-1]])
    moments = np.mean([np.einsum("tip,tiq->tpq", path, path) / count for path in paths], axis=0)
    outputs, spread = np.mean(copies, axis=0), np.std(copies, axis=0, ddof=1) / REPLICATES**0.5
    losses = np.array([error(f, data[1])[0] for f in outputs])
    name = found.network.program.name
    return MeanField(name, times, outputs, losses, spread, moments, paths[0], found.slots)


def _start(stds: Array, count: int, random: np.random.Generator) -> Array:
    """Gaussian particles from a randomised Sobol sequence: (count, p)."""
    free = np.flatnonzero(stds)
    start = np.zeros((count, len(stds)))
    sobol = qmc.Sobol(len(free), scramble=True, seed=random)
    start[:, free] = stats.norm.ppf(sobol.random(count)) * stds[free]
    return start


def _flow(flow: Any, start: Array, times: Array) -> Array:
    """The solution at the times, (T, entries)."""
    if times[-1] == 0:
        return start[None]
    found = integrate.solve_ivp(flow, (0.0, times[-1]), start, "DOP853", t_eval=times, rtol=RTOL, atol=ATOL)
    if not found.success:
        raise DynamicsError(f"gradient flow could not be followed to time {times[-1]:g}: {found.message}")
    return np.asarray(found.y.T)
