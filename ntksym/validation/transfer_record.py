"""The record of a µTransfer sweep: loss against learning rate at several widths, and where its minimum moves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from fractions import Fraction
from typing import Any

from ntksym.errors import SamplingError
from ntksym.records.tables import Cell, Table, Tabular

SCHEMA = "ntksym.transfer_sweep/1"


@dataclass(frozen=True)
class Curve:
    """The sweep at one width: the mean final loss at each rate (None where it diverges), and the best rate.

    ``best`` is the base-2 logarithm of the rate at the vertex of a parabola through the points around the minimum, and
    ``error`` its standard error over networks; None where the minimum lies at an end of the rates that were tried.
    """

    width: int
    losses: tuple[float | None, ...]
    best: float | None
    error: float | None


@dataclass(frozen=True)
class Sweep:
    """The curves of one parametrization, and the drift of the best rate: log2 of it per doubling of the width.

    ``predicted`` is the exponent that the drift must have in the limit, by the alignment that is assumed: 0 for derived
    rates; for a single rate of all parameters the smallest of the derived exponents, which depends on how far updates
    line up with the initial weights. ``drift`` is None where fewer than two minima were found.
    """

    parametrization: str
    predicted: Mapping[str, Fraction]
    curves: tuple[Curve, ...]
    drift: float | None
    drift_error: float | None


@dataclass(frozen=True)
class TransferSweep(Tabular):
    """Does the best learning rate stay where it is as the network grows? A sweep for each parametrization.

    ``rates`` are learning rates at the smallest width, ``samples`` the number of networks for each width and rate.
    """

    program: str
    dim: str
    widths: tuple[int, ...]
    sizes: Mapping[str, float]
    optimizer: str
    rates: tuple[float, ...]
    steps: int
    samples: int
    batch: int
    seed: int
    sweeps: tuple[Sweep, ...] = field(repr=False)

    def __getitem__(self, parametrization: str) -> Sweep:
        """The sweep of one parametrization; raises KeyError with the known names."""
        for sweep in self.sweeps:
            if sweep.parametrization == parametrization:
                return sweep
        known = ", ".join(sweep.parametrization for sweep in self.sweeps)
        raise KeyError(f"no sweep of {parametrization!r}; there are: {known}")

    def to_table(self) -> Table:
        """One line for each parametrization and width."""
        heads = ("parametrization", self.dim, "log2 of the best rate", "best rate", "least loss")
        lines = [
            tuple(map(Cell, (sweep.parametrization, str(curve.width), *_best(curve))))
            for sweep in self.sweeps
            for curve in sweep.curves
        ]
        title = f"{self.program}: the best learning rate as {self.dim} grows, {self.optimizer}"
        return Table(title, tuple(map(Cell, heads)), tuple(lines), tuple(_notes(self)))

    def to_json(self) -> dict[str, Any]:
        """A plain JSON object with ``"schema": "ntksym.transfer_sweep/1"``; ``from_json`` inverts it."""
        data = asdict(self)
        for sweep in data["sweeps"]:
            sweep["predicted"] = {name: str(power) for name, power in sweep["predicted"].items()}
        return {"schema": SCHEMA, **_lists(data)}

    @staticmethod
    def from_json(data: Any) -> TransferSweep:
        """The sweep that ``to_json`` wrote; raises SamplingError for anything else."""
        schema = data.get("schema") if isinstance(data, Mapping) else None
        if schema != SCHEMA:
            raise SamplingError(f"this is no µTransfer sweep: its schema is {schema!r}, expected {SCHEMA!r}")
        try:
            given = _given(TransferSweep, data)
            return TransferSweep(**{**given, "sweeps": tuple(_sweep(item) for item in data["sweeps"])})
        except (KeyError, TypeError, ValueError) as error:
            raise SamplingError(f"this sweep is not complete or cannot be read: {error!r}") from None


def _best(curve: Curve) -> tuple[str, str, str]:
    finite = [loss for loss in curve.losses if loss is not None]
    least = f"{min(finite):.4g}" if finite else "diverges"
    if curve.best is None or curve.error is None:
        return "at an end of the rates tried", "", least
    return f"{curve.best:+.2f} ± {curve.error:.2f}", f"{2**curve.best:.3g}", least


def _notes(record: TransferSweep) -> list[str]:
    notes = [f"{sweep.parametrization}: {_drift(sweep)}" for sweep in record.sweeps]
    sizes = ", ".join(f"{name} = {size:g}" for name, size in record.sizes.items())
    tried = f"{len(record.rates)} rates from {min(record.rates):.3g} to {max(record.rates):.3g}"
    of_each = f"{record.samples} networks of each width (seed {record.seed}), {record.steps} steps on batches of"
    notes.append(f"{tried}; {of_each} {record.batch}" + (f"; other sizes: {sizes}" if sizes else ""))
    return notes


def _drift(sweep: Sweep) -> str:
    if sweep.drift is None or sweep.drift_error is None:
        return "too few minima inside of the rates tried for a drift"
    measured = f"log2 of the best rate moves by {sweep.drift:+.2f} ± {sweep.drift_error:.2f} with every doubling"
    if not any(sweep.predicted.values()):
        return f"{measured}; predicted 0, with the derived rates"
    limits = ", ".join(f"{power} ({alignment})" for alignment, power in sweep.predicted.items())
    return f"{measured}; predicted in the limit, with one rate for all parameters: {limits}"


def _lists(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _lists(item) for key, item in value.items()}
    return [_lists(item) for item in value] if isinstance(value, list | tuple) else value


def _given(kind: Any, data: Mapping[str, Any]) -> dict[str, Any]:
    return {item.name: _tuples(data[item.name]) for item in fields(kind)}


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def _sweep(data: Mapping[str, Any]) -> Sweep:
    given = _given(Sweep, data)
    curves = tuple(Curve(**_given(Curve, item)) for item in data["curves"])
    predicted = {name: Fraction(power) for name, power in data["predicted"].items()}
    return Sweep(**{**given, "predicted": predicted, "curves": curves})
