"""The record of a drift measurement: curves, slopes in the width, and what was predicted of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from ntksym.errors import ValidationError
from ntksym.records.tables import Cell, Table, Tabular

SCHEMA = "ntksym.drift/1"
KERNEL = "kernel"
TOLERANCE = 0.1
"""How far a slope of finite networks may be from its exponent, besides two standard errors."""

Curves = tuple[tuple[tuple[float, ...], ...], ...]
"""One number for each output scale, width and step, in this order."""


@dataclass(frozen=True)
class Slope:
    """A slope in logarithms, and its standard error."""

    value: float
    error: float

    def __str__(self) -> str:
        return f"{self.value:.2f} ± {self.error:.2f}"


@dataclass(frozen=True)
class Quantity:
    """One thing that drifts: the ``kernel``, a ``value`` or a ``parameter``.

    ``drifts`` are geometric means over networks of ||X_t - X_0|| / ||X_0|| for t = 1, 2, ..., ``errors`` the standard
    errors of their logarithms. ``predicted`` is the exponent in the width, None where there is no prediction.
    """

    name: str
    kind: str
    predicted: Fraction | None
    drifts: Curves
    errors: Curves


@dataclass(frozen=True)
class Drift(Tabular):
    """How far training carries networks of several widths from their start; made by ``drift``.

    ``alignment`` and ``loss`` are means over networks, from step 0 on; the loss is that of alpha (f - f_0), before it
    is divided by alpha^2. ``rejected`` counts, for each width, networks that gave nan or infinity and are left out.
    """

    program: str
    parametrization: str
    dim: str
    widths: tuple[int, ...]
    alphas: tuple[float, ...]
    steps: int
    lr: float
    samples: int
    seed: int
    rejected: tuple[int, ...]
    quantities: tuple[Quantity, ...]
    alignment: Curves
    loss: Curves

    def __getitem__(self, name: str) -> Quantity:
        """One quantity: "kernel", or a value or parameter by its name. Raises KeyError with the known names."""
        for quantity in self.quantities:
            if quantity.name == name:
                return quantity
        raise KeyError(f"no quantity {name!r}; there are: {', '.join(q.name for q in self.quantities)}")

    def slope(self, name: str, alpha: float = 1.0, *, last: int = 0) -> Slope:
        """The slope of log drift at the end against log width; of the ``last`` widths only, if not 0.

        Least squares weighted with the errors; where the points do not lie on a line, the error grows accordingly.
        """
        quantity, a = self[name], self._alpha(alpha)
        ends = [(curve[-1], error[-1]) for curve, error in zip(quantity.drifts[a], quantity.errors[a], strict=True)]
        return log_slope(self.widths[-last:], *map(np.array, zip(*ends[-last:], strict=True)))

    def slope_in_alpha(self, name: str, alpha: float) -> Slope | None:
        """The slope of log drift at the largest width between the next smaller alpha and this one."""
        quantity, smaller = self[name], [a for a in self.alphas if a < alpha]
        if not smaller:
            return None
        a, b = self._alpha(max(smaller)), self._alpha(alpha)
        drifts, errors = (
            np.array([curves[i][-1][-1] for i in (a, b)]) for curves in (quantity.drifts, quantity.errors)
        )
        return log_slope((self.alphas[a], self.alphas[b]), drifts, errors)

    def holds(self, name: str) -> bool | None:
        """Whether the slope over the larger half of the widths is the predicted one at alpha = 1.

        None where there is no prediction, no measurement at alpha = 1, or an error too large to tell.
        """
        predicted = self[name].predicted
        if predicted is None or 1.0 not in self.alphas:
            return None
        found = self.slope(name, last=self.half)
        if 2 * found.error > TOLERANCE:
            return None
        return abs(found.value - float(predicted)) <= TOLERANCE + 2 * found.error

    @property
    def half(self) -> int:
        """How many widths the larger half has, three at least (where there are so many)."""
        return min(len(self.widths), max(3, len(self.widths) // 2))

    @property
    def ok(self) -> bool:
        """Whether no prediction is found wrong."""
        return all(self.holds(quantity.name) is not False for quantity in self.quantities)

    def _alpha(self, alpha: float) -> int:
        if alpha not in self.alphas:
            raise ValidationError(f"alpha = {alpha:g} was not measured; measured are: {_listed(self.alphas)}")
        return self.alphas.index(alpha)

    # --- forms ---

    def to_table(self) -> Table:
        """A row for each quantity and output scale."""
        several = self.alphas != (1.0,)
        heads = ["quantity", "alpha", f"predicted in {self.dim}", "measured", f"{self.half} largest"]
        heads += [f"drift at {self.dim} = {self.widths[-1]}", "in alpha", "holds"]
        shown = [several if head in ("alpha", "in alpha") else True for head in heads]
        rows = []
        for quantity in self.quantities:
            for alpha in self.alphas:
                row = self._row(quantity, alpha)
                rows.append(tuple(cell for cell, kept in zip(row, shown, strict=True) if kept))
        title = f"{self.program}: drift in training under {self.parametrization}, {self.samples} networks a width"
        columns = tuple(Cell(head) for head, kept in zip(heads, shown, strict=True) if kept)
        return Table(title, columns, tuple(rows), self._notes())

    def _row(self, quantity: Quantity, alpha: float) -> tuple[Cell, ...]:
        drifted, predicted = quantity.drifts[self._alpha(alpha)][-1][-1], quantity.predicted
        in_alpha = self.slope_in_alpha(quantity.name, alpha)
        holds = self.holds(quantity.name) if alpha == 1 else None
        verdict = {None: "", True: "yes", False: "no"}[holds]
        if alpha == 1 and predicted is not None and holds is None:
            verdict = "too few networks to tell"
        return (
            Cell(quantity.name),
            Cell(f"{alpha:g}"),
            Cell("" if predicted is None else str(predicted)),
            Cell(str(self.slope(quantity.name, alpha))),
            Cell(str(self.slope(quantity.name, alpha, last=self.half))),
            Cell(f"{drifted:.3g}"),
            Cell("" if in_alpha is None else str(in_alpha)),
            Cell(verdict),
        )

    def _notes(self) -> tuple[str, ...]:
        notes = [
            f"slopes of log drift against log {self.dim} after {self.steps} steps at lr {self.lr:.3g}, "
            f"{self.dim} = {_listed(self.widths)}, seed {self.seed}",
            f"an exponent holds if the slope of the {self.half} largest widths is within {TOLERANCE} + 2 errors of it",
        ]
        for a, alpha in enumerate(self.alphas):
            at = f" at alpha = {alpha:g}" if self.alphas != (1.0,) else ""
            first, last = self.alignment[a][-1][0], self.alignment[a][-1][-1]
            left = self.loss[a][-1][-1] / self.loss[a][-1][0]
            notes.append(
                f"{self.dim} = {self.widths[-1]}{at}: alignment with the targets {first:.3f}, then {last:.3f}; "
                f"{left:.2g} of the loss is left"
            )
        lost = [f"{count} at {width}" for count, width in zip(self.rejected, self.widths, strict=True) if count]
        if lost:
            notes.append(f"networks that gave nan or infinity and are left out: {', '.join(lost)}")
        return tuple(notes)

    def to_json(self) -> dict[str, Any]:
        """A plain JSON object with ``"schema": "ntksym.drift/1"``; ``from_json`` inverts it."""
        data = asdict(self)
        for quantity in data["quantities"]:
            predicted = quantity["predicted"]
            quantity["predicted"] = None if predicted is None else str(predicted)
        return {"schema": SCHEMA, **_lists(data)}

    @staticmethod
    def from_json(data: Any) -> Drift:
        """The record that ``to_json`` wrote. Raises ValidationError for anything else."""
        try:
            fields = {name: _tuples(value) for name, value in dict(data).items()}
            if fields.pop("schema") != SCHEMA:
                raise ValueError(f"its schema is not {SCHEMA}")
            quantities = tuple(Quantity(**{**q, "predicted": _fraction(q["predicted"])}) for q in fields["quantities"])
            return Drift(**{**fields, "quantities": quantities})
        except (KeyError, TypeError, ValueError) as error:
            raise ValidationError(f"this is not the JSON of a drift: {error}") from None


def log_slope(sizes: Sequence[float], values: Any, errors: Any) -> Slope:
    """The slope of log values against log sizes; ``errors`` are those of the logarithms."""
    x, y = np.log(np.array(sizes, float)), np.log(values)
    weights = 1 / np.maximum(errors, np.finfo(float).tiny ** 0.5) ** 2
    centre = np.average(x, weights=weights)
    spread = np.sum(weights * (x - centre) ** 2)
    slope = np.sum(weights * (x - centre) * y) / spread
    residual = y - np.average(y, weights=weights) - slope * (x - centre)
    free = len(x) - 2
    excess = np.sum(weights * residual**2) / free if free else 1.0
    return Slope(float(slope), float(np.sqrt(max(1.0, excess) / spread)))


def _listed(numbers: Sequence[float]) -> str:
    return ", ".join(f"{number:g}" for number in numbers)


def _fraction(text: str | None) -> Fraction | None:
    return None if text is None else Fraction(text)


def _lists(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _lists(part) for name, part in value.items()}
    return [_lists(part) for part in value] if isinstance(value, tuple) else value


def _tuples(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _tuples(part) for name, part in value.items()}
    return tuple(_tuples(part) for part in value) if isinstance(value, list) else value
