"""The record of a validation: for every prediction what was measured, how far off it is, and what would have shown."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ntksym.language.dims import Number
from ntksym.records.predictions import Prediction
from ntksym.records.tables import Table, Tabular

SCHEMA = "ntksym.validation/1"
AGREES, DISAGREES, NO_FIT, NOT_MEASURED = "agrees", "disagrees", "no fit", "not measured"
VERDICTS = (AGREES, DISAGREES, NO_FIT, NOT_MEASURED)


@dataclass(frozen=True)
class Point:
    """What the networks of one width show, with its standard error; a logarithm where a slope is predicted."""

    width: int
    value: float
    error: float


@dataclass(frozen=True)
class Check:
    """One prediction held against what was measured.

    Attributes:
        points: the measured numbers, width by width.
        coefficients: those of the fitted law (``validation.fits.design`` gives their terms).
        measured: the predicted coefficient as fitted, ``error`` its standard error.
        t: (measured - expected) / error, what the prediction's own uncertainty explains left out.
        p: of what the fitted law leaves over at the widths; None where nothing can be left over.
        caught: an error of the prediction of this size would be found with the probability ``Validation.power``.
        verdict: "agrees"; "disagrees", the number is another one; "no fit", the numbers do not follow the law in the
            width (a prediction without bias is wrong then, a limit cannot be judged: take larger widths); "not
            measured", where networks gave no finite number (and all numbers are None).
    """

    prediction: Prediction
    points: tuple[Point, ...]
    coefficients: tuple[float, ...]
    measured: float | None
    error: float | None
    t: float | None
    p: float | None
    caught: float | None
    verdict: str


@dataclass(frozen=True)
class Rejected:
    """Networks that gave nan or infinity for a statistic at a width: counted, and in no average."""

    statistic: str
    width: int
    count: int


@dataclass(frozen=True)
class Validation(Tabular):
    """Predictions of one program held against finite networks, with the test that was fixed beforehand.

    ``alpha`` bounds the probability that predictions which are all right get a verdict other than "agrees" anywhere:
    half of it for the numbers, half for the laws in the width. ``limit`` is the largest ``|t|`` that agrees, ``least``
    the smallest p of a law that fits. ``samples`` networks of each width fall into ``batches`` that errors are read
    off.
    """

    program: str
    digest: str
    dim: str
    widths: tuple[int, ...]
    sizes: tuple[tuple[str, Number], ...]
    samples: int
    batches: int
    seed: int
    alpha: float
    power: float
    limit: float
    least: float
    checks: tuple[Check, ...]
    rejected: tuple[Rejected, ...] = ()

    def __getitem__(self, quantity: str) -> Check:
        """The check of one quantity; raises KeyError with the known ones."""
        for check in self.checks:
            if check.prediction.quantity == quantity:
                return check
        raise KeyError(f"no {quantity!r}; there are: {', '.join(c.prediction.quantity for c in self.checks)}")

    @property
    def ok(self) -> bool:
        """Whether every prediction agrees, and every network gave finite numbers."""
        return not self.rejected and all(check.verdict == AGREES for check in self.checks)

    def to_table(self) -> Table:
        """One row for every prediction; the test, its power and networks left out stand below."""
        table: Table = renderers["table"](self)
        return table

    def to_json(self) -> dict[str, Any]:
        """A plain JSON object with ``"schema": "ntksym.validation/1"``; ``from_json`` inverts it."""
        return dict(renderers["json"](self))

    @staticmethod
    def from_json(data: Any) -> Validation:
        """The record that ``to_json`` wrote. Raises ValidationError for anything else."""
        return readers["json"](data)


renderers: dict[str, Callable[[Validation], Any]] = {}
"""The forms of a record, filled by ntksym.validation.rendering and ntksym.validation.serial."""
readers: dict[str, Callable[[Any], Validation]] = {}
"""What reads a record back from a form."""
