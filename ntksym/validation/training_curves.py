"""Finite networks in training, beside the linear dynamics of infinitely wide ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ntksym._lazy import lazy
from ntksym.dynamics.algorithms import Descent, HeavyBall
from ntksym.dynamics.linear import LinearDynamics
from ntksym.errors import ValidationError
from ntksym.kernels.data import read_inputs, sizes_from
from ntksym.language.dims import Number
from ntksym.language.program import Program
from ntksym.language.trace import Architecture
from ntksym.records.tables import Cell, Table, Tabular
from ntksym.sampling.network import Network, network
from ntksym.validation.experiments import experiment_of
from ntksym.validation.measurements.ntk import unit_settings

jax = lazy("jax")
jnp = lazy("jax.numpy")
optax = lazy("optax")

Array = Any
WIDTHS, SAMPLES = (64, 256, 1024), 8
TIMES = 40


@dataclass(frozen=True, eq=False)
class TrainingCurves(Tabular):
    """Trained networks of several widths, and what infinitely wide ones do.

    Attributes: ``times`` (t,) in steps; ``losses`` on the training inputs, for each width (samples, t), and
    ``expected`` (t,), their predicted mean; ``outputs`` at the test inputs, the first of each, for each width
    (samples, t, m), beside ``mean`` and ``std`` (t, m); ``departures``, for each width (samples, t): the root mean
    square, over training and test inputs, of what a network's outputs differ from the linear prediction that starts at
    the network's own outputs.
    """

    title: str
    dim: str
    widths: tuple[int, ...]
    times: Array
    losses: tuple[Array, ...]
    expected: Array
    outputs: tuple[Array, ...]
    mean: Array
    std: Array
    departures: tuple[Array, ...]

    @property
    def largest(self) -> Array:
        """The largest departure on the way, (widths, samples)."""
        return np.stack([found.max(1) for found in self.departures])

    @property
    def slope(self) -> tuple[float, float]:
        """The power of the width by which departures fall, and its standard error, from the spread over networks."""
        logs = np.log(self.largest)
        x = np.log(self.widths)
        weights = (x - x.mean()) / ((x - x.mean()) ** 2).sum()
        errors = logs.std(1, ddof=1) / np.sqrt(logs.shape[1])
        return float(weights @ logs.mean(1)), float(np.sqrt((weights**2) @ errors**2))

    def to_table(self) -> Table:
        """A row for each width: the loss at the end, and how far networks depart from the linear prediction."""
        rows = []
        for width, losses, largest in zip(self.widths, self.losses, self.largest, strict=True):
            end, far = (f"{x.mean():.4g} ± {x.std(ddof=1) / np.sqrt(len(x)):.2g}" for x in (losses[:, -1], largest))
            rows.append((Cell(str(width)), Cell(end), Cell(far)))
        rows.append((Cell("∞"), Cell(f"{self.expected[-1]:.4g}"), Cell("0")))
        heads = (Cell(self.dim), Cell(f"loss after {int(self.times[-1])} steps"), Cell("departure from linear"))
        slope, error = self.slope
        note = f"departures fall like {self.dim}^({slope:.2f} ± {error:.2f}); ± are standard errors over networks"
        return Table(f"{self.title}, {len(self.losses[0])} networks of each width", heads, tuple(rows), (note,))

    def to_json(self) -> dict[str, Any]:
        """A plain JSON object: losses and departures of every network at every time."""
        return {
            "schema": "ntksym.training_curves/1",
            "title": self.title,
            "dim": self.dim,
            "widths": list(self.widths),
            "times": [int(t) for t in self.times],
            "losses": [found.tolist() for found in self.losses],
            "expected": self.expected.tolist(),
            "departures": [found.tolist() for found in self.departures],
            "slope": list(self.slope),
        }


def training_curves(
    program: Program | Architecture,
    dynamics: LinearDynamics,
    *,
    steps: int,
    widths: Sequence[int] = WIDTHS,
    samples: int = SAMPLES,
    dim: str | None = None,
    sizes: Mapping[str, Number] | None = None,
    sigmas: Mapping[str, float] | None = None,
    seed: int = 0,
    dtype: str = "float32",
) -> TrainingCurves:
    """Train networks as ``dynamics`` says, on its inputs and targets, and hold their outputs against it at every step.

    Args:
        program: what ``dynamics`` is of, with the same sigmas and sizes.
        dynamics: of gradient descent, with momentum or without, and without a ridge.
        steps: how many to take.
        samples: networks of each width, two at least.
        dim: as for ``ntksym.validate``.
        sizes: of dimensions that cannot be read off the inputs.

    Raises ValidationError for dynamics that networks are not trained by, and sizes that do not fit.
    """
    built = program() if isinstance(program, Architecture) else program
    assert isinstance(built, Program)
    algorithm = dynamics.algorithm
    if not isinstance(algorithm, Descent | HeavyBall) or dynamics.ridge:
        raise ValidationError("networks are trained in steps and without a ridge: give linear_dynamics(..., lr=...)")
    if samples < 2:
        raise ValidationError(f"samples={samples}: the spread over networks needs two of them at least")
    inputs = np.concatenate([dynamics.inputs, dynamics.test])
    known = {**sizes_from(built, read_inputs(built, inputs)), **(sizes or {})}
    experiment = experiment_of(
        built, widths, inputs=inputs, dim=dim, sizes=known, sigmas=sigmas, steps=steps, seed=seed
    )
    times = np.unique(np.round(np.geomspace(1, steps + 1, TIMES) - 1).astype(int))
    keys = jax.random.split(jax.random.key(seed), samples)
    momentum = getattr(algorithm, "momentum", 0.0)
    runs = []
    for width in experiment.widths:
        plain = network(built, experiment.at(width), dtype=dtype)
        rows = unit_settings(plain, experiment, {"parameterization": "ntk"})
        unit = network(built, experiment.at(width), settings=rows, dtype=dtype)
        found = _trained(unit, keys, inputs, dynamics.targets, algorithm.lr, momentum, steps)
        runs.append(np.asarray(found[:, times], dtype=float))
    title = f"{built.name}, learning rate {algorithm.lr:.4g} (stable below {dynamics.largest_stable_rate:.4g})"
    return _compared(title, experiment.dim, experiment.widths, times, dynamics, runs)


def _trained(net: Network, keys: Any, inputs: Array, targets: Array, lr: float, momentum: float, steps: int) -> Array:
    """Outputs of every network at all inputs before the first and after every step, (samples, steps + 1, n + m, k)."""
    with net.precision():
        x, y = jnp.asarray(inputs, net.dtype), jnp.asarray(targets, net.dtype)
        names = [node.name for node in net.program.parameters if node.attr("trainable")]
        optimizer = optax.sgd(lr, momentum or None)

        def one(key: Any) -> Any:
            start = net.init(key)
            fixed = {name: array for name, array in start.items() if name not in names}

            def outputs(free: Any, batch: Any) -> Any:
                return net.forward({**fixed, **free}, batch, None, frozenset())[0]

            def loss(free: Any) -> Any:
                return 0.5 * jnp.mean(jnp.sum((outputs(free, x[: len(y)]) - y) ** 2, axis=-1))

            def step(state: Any, _: Any) -> Any:
                free, memory = state
                update, memory = optimizer.update(jax.grad(loss)(free), memory, free)
                return (optax.apply_updates(free, update), memory), outputs(free, x)

            free = {name: start[name] for name in names}
            (free, _), found = jax.lax.scan(step, (free, optimizer.init(free)), length=steps)
            return jnp.concatenate([found, outputs(free, x)[None]])

        return np.asarray(jax.jit(lambda keys: jax.lax.map(one, keys))(keys))


def _compared(
    title: str, dim: str, widths: tuple[int, ...], times: Array, dynamics: LinearDynamics, runs: Sequence[Array]
) -> TrainingCurves:
    """Outputs of networks (samples, t, n + m, k) against the prediction at each time."""
    n = len(dynamics.targets)
    departures = []
    for found in runs:
        linear = np.stack([dynamics.outputs(float(t), found[:, 0]) for t in times], axis=1)
        departures.append(np.sqrt(((found - linear) ** 2).mean((2, 3))))
    losses = tuple(((found[:, :, :n] - dynamics.targets) ** 2).sum(-1).mean(-1) / 2 for found in runs)
    return TrainingCurves(
        title,
        dim,
        widths,
        times,
        losses,
        np.array([dynamics.loss(float(t)) for t in times]),
        tuple(found[:, :, n:, 0] for found in runs),
        np.stack([dynamics.mean(float(t))[:, 0] for t in times]),
        np.stack([dynamics.std(float(t)) for t in times]),
        tuple(departures),
    )
