"""The record of a coordinate check: every value, at the start and after every step, predicted and measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from ntksym.errors import SamplingError
from ntksym.records.tables import Table, Tabular

SCHEMA = "ntksym.coord_check/1"
GOOD = ("holds", "drifts")


@dataclass(frozen=True)
class Coordinate:
    """One value at one moment: its size at the start (``step`` 0), or that of its change after so many steps.

    ``logs`` are base-2 logarithms of its typical root mean square at each size of the dimension, averaged over the
    networks, with standard ``errors``; None where it is zero in all of them. ``predicted`` is the slope of the
    logarithm, None where it must be zero; where the prediction is a maximum of powers, ``least`` is the slope while the
    other power is the larger one, and anything between the two is as predicted. See ``Judgement`` for the measured
    slope (None where there is nothing to fit) and for ``verdict``.
    """

    value: str
    operation: str
    step: int
    predicted: Fraction | None
    least: Fraction | None
    logs: tuple[float | None, ...]
    errors: tuple[float | None, ...]
    slope: float | None
    error: float | None
    points: int
    limit: float | None
    limit_error: float | None
    verdict: str

    @property
    def moment(self) -> str:
        """When: "start" or "step 2"."""
        return f"step {self.step}" if self.step else "start"


@dataclass(frozen=True)
class CoordCheck(Tabular):
    """A coordinate check: finite networks trained at several sizes of one dimension, held against predicted slopes.

    ``widths`` are the sizes of ``dim``, ``sizes`` those of all other dimensions. ``losses`` holds the mean loss
    before each step and ``rejected`` the number of networks that gave nan or infinity, for each width. ``allowed`` is
    how many standard errors a slope may be off beyond ``tolerance``: with it, a check of correct predictions fails with
    probability ``false_alarm`` at most.
    """

    program: str
    dim: str
    widths: tuple[int, ...]
    sizes: Mapping[str, float]
    optimizer: str
    parametrization: str
    alignment: str
    recipe: bool
    steps: int
    samples: int
    batch: int
    seed: int
    lr: float
    tolerance: float
    false_alarm: float
    allowed: float
    losses: tuple[tuple[float, ...], ...]
    rejected: tuple[int, ...]
    rows: tuple[Coordinate, ...] = field(repr=False)

    @property
    def ok(self) -> bool:
        """Whether every slope holds or drifts towards the predicted one."""
        return all(row.verdict in GOOD for row in self.rows)

    @property
    def violated(self) -> tuple[Coordinate, ...]:
        """The rows that contradict their prediction."""
        return tuple(row for row in self.rows if row.verdict == "violated")

    def __getitem__(self, value: str) -> tuple[Coordinate, ...]:
        """The rows of one value, the start first; raises KeyError with the known names."""
        rows = tuple(row for row in self.rows if row.value == value)
        if not rows:
            known = ", ".join(dict.fromkeys(row.value for row in self.rows))
            raise KeyError(f"no value {value!r}; the check has: {known}")
        return rows

    def to_table(self) -> Table:
        """One line for each value: predicted and measured slopes at the start and after each step."""
        table: Table = renderers["table"](self)
        return table

    def to_json(self) -> dict[str, Any]:
        """A plain JSON object with ``"schema": "ntksym.coord_check/1"``; ``from_json`` inverts it."""
        return dict(renderers["json"](self))

    @staticmethod
    def from_json(data: Any) -> CoordCheck:
        """The check that ``to_json`` wrote; raises SamplingError for anything else."""
        schema = data.get("schema") if isinstance(data, Mapping) else None
        if schema != SCHEMA:
            raise SamplingError(f"this is no coordinate check: its schema is {schema!r}, expected {SCHEMA!r}")
        check: CoordCheck = renderers["from_json"](data)
        return check


renderers: dict[str, Callable[..., Any]] = {}
"""The forms of a check, filled by ntksym.validation.coordinates_rendering."""
