"""``mu_transfer``: the best learning rate at several widths, with derived rates and with a single one for everything.

Yang et al. 2022, Figure 1: a rate tuned at a small width stays the best one under mup, and does not under sp.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ntksym._lazy import lazy
from ntksym.errors import SamplingError
from ntksym.language.dims import Number
from ntksym.language.program import Program
from ntksym.language.trace import Architecture
from ntksym.sampling.network import Network
from ntksym.sampling.training import train
from ntksym.scaling.alignment import alignments
from ntksym.scaling.derive import scaling_table
from ntksym.scaling.parametrizations import Parametrization, parametrization_named
from ntksym.scaling.setting import Optimizers, as_program
from ntksym.validation.coordinates import checked_widths, with_recipe
from ntksym.validation.coordinates_fit import line
from ntksym.validation.data import given_data, sizes_for
from ntksym.validation.runs import Trial
from ntksym.validation.transfer_record import Curve, Sweep, TransferSweep

jax = lazy("jax")
jnp = lazy("jax.numpy")

Array = NDArray[Any]

WIDTHS = (64, 128, 256, 512)
RATES = tuple(2.0**-k for k in range(1, 14))
LAST = 4
"""The final loss is the mean over the last quarter of the steps: each is on a batch of its own."""
AROUND = 2
"""The parabola goes through so many points on either side of the lowest."""
BOOTSTRAPS = 200
LEAST_ERROR = 0.02
"""Of the logarithm of a best rate: a parabola through points a factor 2 apart is not better than that."""
ONE_RATE: Mapping[str, Mapping[str, Mapping[str, str]]] = {"*": {"lr": {}}}


def mu_transfer(
    program: Program | Architecture,
    *,
    widths: Sequence[int] = WIDTHS,
    dim: str | None = None,
    rates: Sequence[float] = RATES,
    optimizer: Optimizers = "adam",
    parametrizations: Sequence[str | Parametrization] = ("mup", "sp"),
    data: tuple[Any, Any] | None = None,
    loss: Any = None,
    sizes: Mapping[str, Number] | None = None,
    steps: int = 32,
    samples: int = 8,
    batch: int = 32,
    seed: int = 0,
) -> TransferSweep:
    """Train at every width with every learning rate; say where the best one lies, and how it moves with the width.

    Args:
        widths: the sizes of ``dim`` (the first large dimension by default), growing.
        rates: learning rates at the smallest width, in any order; each a power of another by the same factor.
        parametrizations: mup is trained with its derived rates. Those that fix the initial weights (sp, ntp, mfp) are
            trained as is usual with them, with a single rate for all parameters that does not depend on the width.
        steps: of training; the loss that counts is the mean over the last quarter.
        samples: networks for each width and rate.

    Other arguments are those of ``coord_check``. The error of a best rate is that of a bootstrap over networks.

    Raises:
        SamplingError: sizes, data or an optimizer that do not fit the program, fewer than five rates, a missing extra.
        ScalingError: where no table exists.
    """
    program = as_program(program)
    tried = tuple(sorted(float(rate) for rate in rates))
    if len(tried) < 2 * AROUND + 1 or tried[0] <= 0:
        raise SamplingError(f"rates={list(rates)}: a minimum needs {2 * AROUND + 1} positive rates or more")
    if samples < 2:
        raise SamplingError(f"samples={samples}: an error over networks needs two or more")
    sweeps = []
    for name in parametrizations:
        chosen = parametrization_named(name)
        table = scaling_table(program, optimizer=optimizer, parametrization=chosen)
        dim = table.large[0] if dim is None else dim
        checked = checked_widths(table, dim, widths, sizes or {})
        trial = Trial(
            program=program,
            table=table if chosen.entry is None else with_recipe(table, ONE_RATE),
            dim=dim,
            widths=checked,
            sizes=sizes_for(program, {**(sizes or {}), dim: checked[0]}),
            data=None if data is None else given_data(program, data),
            loss=loss,
            steps=steps,
            batch=batch,
            seed=seed,
            memory=2**28,
            labels=(),
        )
        sweeps.append(_sweep(trial, predicted_drift(program, optimizer, chosen, dim), tried, samples))
    others = {name: float(size) for name, size in trial.sizes.items() if name != dim}
    return TransferSweep(
        program=program.name,
        dim=trial.dim,
        widths=trial.widths,
        sizes=others,
        optimizer=table.optimizer,
        rates=tried,
        steps=steps,
        samples=samples,
        batch=batch,
        seed=seed,
        sweeps=tuple(sweeps),
    )


def _sweep(trial: Trial, predicted: Mapping[str, Fraction], rates: tuple[float, ...], samples: int) -> Sweep:
    curves = []
    for model, width, seed in zip(trial.networks, trial.widths, trial.seeds(), strict=True):
        curves.append(curve_of(width, np.log2(rates), losses(trial, model, rates, samples, seed), trial.seed))
    drift, error = drift_of(curves)
    return Sweep(trial.table.parametrization, predicted, tuple(curves), drift, error)


def predicted_drift(program: Program, optimizer: Optimizers, chosen: Parametrization, dim: str) -> dict[str, Fraction]:
    """The power of the width that the best rate follows: 0 for derived rates.

    A single rate for all parameters must follow the smallest exponent among the derived ones. Where the initial weights
    are not mup's, that depends on how far updates are assumed to line up with them: there is one for each alignment.
    """
    if chosen.entry is None:
        return {"tensor_programs": Fraction(0)}
    out = {}
    for alignment in alignments:
        table = scaling_table(program, optimizer=optimizer, parametrization=chosen, alignment=alignment)
        powers = [
            row.lr.slopes(dim)[1]
            for row in table.parameters
            if row.trained and row.lr is not None and not row.lr.is_zero
        ]
        out[alignment] = min(powers)
    return out


def losses(trial: Trial, model: Network, rates: tuple[float, ...], samples: int, seed: int) -> Array:
    """The final losses, an array (samples, rates), from one compiled function; nan where training diverges."""
    batches, loss = trial.inputs(model)

    def final(key: Any, rate: Any) -> Any:
        found = train(
            model, model.init(key), batches, dict(trial.optimizers), trial.steps, loss=loss, lr_scale=rate, labels=()
        )
        return found.losses[-max(trial.steps // LAST, 1) :].mean()

    def each(rate: Any) -> Any:
        return jax.vmap(final, (0, None))(jax.random.split(jax.random.key(seed), samples), rate)

    with model.precision():
        found = jax.jit(lambda scales: jax.lax.map(each, scales))(jnp.asarray(rates, model.dtype))
    return np.asarray(found, float).T


def curve_of(width: int, logs: Array, found: Array, seed: int) -> Curve:
    """Mean losses and the best rate of one width, from losses of the shape (samples, rates)."""
    best = vertex(logs, found.mean(axis=0))
    mean = tuple(float(loss) if np.isfinite(loss) else None for loss in found.mean(axis=0))
    if best is None:
        return Curve(width, mean, None, None)
    random = np.random.default_rng(seed)
    drawn = [found[random.integers(0, len(found), len(found))].mean(axis=0) for _ in range(BOOTSTRAPS)]
    vertices = [place for sample in drawn if (place := vertex(logs, sample)) is not None]
    return Curve(width, mean, best, max(float(np.std(vertices)), LEAST_ERROR))


def vertex(logs: Array, mean: Array) -> float | None:
    """Where a parabola through the logarithmic losses around the lowest one has its minimum; None at an end."""
    usable = np.isfinite(mean) & (mean > 0)
    if not usable.any():
        return None
    lowest = int(np.nanargmin(np.where(usable, mean, np.inf)))
    near = [i for i in range(lowest - AROUND, lowest + AROUND + 1) if 0 <= i < len(mean) and usable[i]]
    if len(near) < 3 or lowest in (near[0], near[-1]):
        return None
    curvature, slope, _ = np.polyfit(logs[near], np.log(mean[near]), 2)
    place = float(-slope / (2 * curvature)) if curvature > 0 else float(logs[lowest])
    return min(max(place, float(logs[near[0]])), float(logs[near[-1]]))


def drift_of(curves: Sequence[Curve]) -> tuple[float | None, float | None]:
    """How log2 of the best rate moves with log2 of the width: the slope of a weighted line, and its standard error.

    The error is made larger where the points scatter about the line by more than theirs.
    """
    kept = [curve for curve in curves if curve.best is not None]
    if len(kept) < 2:
        return None, None
    x, y, error = (np.array(row, float) for row in zip(*((c.width, c.best, c.error) for c in kept), strict=True))
    x = np.log2(x)
    found = line(x, y, error)
    offset = np.average(y - found.slope * x, weights=error**-2)
    chi2 = float((((y - offset - found.slope * x) / error) ** 2).sum())
    scatter = np.sqrt(max(chi2 / (len(kept) - 2), 1.0)) if len(kept) > 2 else 1.0
    return found.slope, found.error * float(scatter)
