"""The record that the derivation answers with: a row of exponents for every parameter, and a verdict."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from ntksym.errors import ScalingError
from ntksym.language.dims import Number
from ntksym.language.program import Program
from ntksym.records.predictions import Experiment, Prediction
from ntksym.records.tables import Table, Tabular
from ntksym.scaling.concrete import numbers
from ntksym.scaling.growth import Growth
from ntksym.scaling.numbers import Numbers

SCHEMA = "ntksym.scaling_table/1"
COLUMNS = ("multiplier", "init_std", "lr", "eps", "weight_decay")
UNDETERMINED = (
    "gradient clipping",
    "batch size",
    "training horizon and learning-rate schedule",
    "warm-up",
    "Adam's betas and momentum",
    "the constants in front of every power",
)
"""What a power count says nothing about."""


@dataclass(frozen=True)
class Tied:
    """A further multiplier for one use of a parameter that has several: ``at`` names the value it makes."""

    at: str
    multiplier: Growth


@dataclass(frozen=True)
class ParameterScaling:
    """One row: how everything about one parameter grows with the large dimensions.

    The parameter enters as multiplier * w with w ~ N(0, init_std^2); ``init`` is "zeros" or "ones" where it does not
    start random (``init_std`` is then what a Gaussian start would need). ``lr``, ``eps`` and ``weight_decay`` are
    None where they do not exist: frozen parameters, optimizers without one.
    """

    name: str
    shape: tuple[str, ...]
    init: str
    multiplier: Growth
    init_std: Growth
    lr: Growth | None
    eps: Growth | None
    weight_decay: Growth | None
    optimizer: str
    reason: tuple[str, ...]
    tied: tuple[Tied, ...] = ()
    trained: bool = True

    def column(self, name: str) -> Growth | None:
        value: Growth | None = getattr(self, name)
        return value


@dataclass(frozen=True)
class Moves:
    """How far training moves one value, measured against the most it should move by (order one for most)."""

    value: str
    growth: Growth


@dataclass(frozen=True)
class Verdict:
    """What training with the table does in the limit.

    ``regime`` is "feature learning" where some inner value moves by order one, "kernel" where all move by a vanishing
    amount (``features`` says by which power), "mixed" where that depends on which dimension grows faster, "trivial"
    where even the output stands still, "linear" where there is no inner value. ``blows_up`` names the first value that
    grows and the step at which it does. ``lagging`` lists inner values that move by less than order one.
    """

    stable: bool
    faithful: bool
    regime: str
    features: Growth | None
    blows_up: str | None = None
    lagging: tuple[Moves, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def r(self) -> dict[str, Fraction] | None:
        """The exponents r of n^-r in the kernel regime (zeros in the feature-learning one)."""
        if self.features is None or self.features.linear is None:
            return None
        return {name: -power for name, power in self.features.linear.items()}


@dataclass(frozen=True)
class Origin:
    """What a table was derived from, so that it can be derived again in another form."""

    program: Program
    optimizer: Any
    parametrization: Any


@dataclass(frozen=True)
class ScalingTable(Tabular):
    """Growth exponents of multiplier, init std, learning rate, epsilon and weight decay of every parameter."""

    program: str
    digest: str
    large: tuple[str, ...]
    optimizer: str
    parametrization: str
    alignment: str
    parameters: tuple[ParameterScaling, ...]
    verdict: Verdict
    undetermined: tuple[str, ...] = UNDETERMINED
    origin: Origin | None = field(default=None, compare=False, repr=False)

    def __getitem__(self, name: str) -> ParameterScaling:
        """The row of one parameter; raises KeyError with the known names."""
        for row in self.parameters:
            if row.name == name:
                return row
        raise KeyError(f"no parameter {name!r}; the table has: {', '.join(row.name for row in self.parameters)}")

    def exponents(self, column: str) -> Mapping[str, Growth | None]:
        """One column for every parameter by name."""
        return {row.name: row.column(column) for row in self.parameters}

    def at(
        self,
        *,
        base: Mapping[str, Number] | None = None,
        lr: float = 1e-3,
        eps: float = 1e-8,
        weight_decay: float = 0.1,
        **sizes: Number,
    ) -> Numbers:
        """The numbers to type at concrete sizes: ``table.at(n=4096, base={"n": 256}, lr=3e-3)``.

        Args:
            base: sizes at which the network is the plain one (multiplier 1, std sigma / sqrt(fan-in)) and the given
                rates were tuned; a large dimension without a base counts from 1.
            lr, eps, weight_decay: the tuned values at the base sizes.
            sizes: the sizes wanted; fixed dimensions too, where they enter a fan-in.

        Raises ScalingError for an unknown dimension, a size that is not positive, or a table read from a file.
        """
        if self.origin is None:
            raise ScalingError("this table was read from a file and knows no program; derive it again to get numbers")
        return numbers(
            self.origin,
            self.parameters,
            self.large,
            sizes,
            base or {},
            lr=lr,
            eps=eps,
            weight_decay=weight_decay,
        )

    def predictions(self, experiment: Experiment) -> Iterable[Prediction]:
        """Slopes of sizes and changes in the logarithm of the experiment's dimension, for ``validate``.

        Raises ScalingError for a table read from a file, and for a dimension that is not large in it.
        """
        out: Iterable[Prediction] = renderers["predictions"](self, experiment)
        return out

    def explain(self, name: str | None = None) -> str:
        """The reasons for every entry, or for those of the parameters that ``name`` (or a pattern) means."""
        return str(renderers["explanation"](self, name))

    def to_table(self) -> Table:
        """The table for any form of print; a column without entries is left out."""
        table: Table = renderers["table"](self)
        return table

    def to_json(self) -> dict[str, Any]:
        """A plain JSON object with ``"schema": "ntksym.scaling_table/1"``; ``from_json`` inverts it."""
        return dict(renderers["json"](self))

    @staticmethod
    def from_json(data: Any) -> ScalingTable:
        """The table that ``to_json`` wrote; it knows no program. Raises ScalingError for anything else."""
        table: ScalingTable = readers["json"](data)
        return table

    def to_dataframe(self) -> Any:
        """A pandas DataFrame, one row for each parameter."""
        return renderers["dataframe"](self)


renderers: dict[str, Callable[..., Any]] = {}
"""What is made of a table, filled by ntksym.scaling.rendering, ntksym.scaling.serial and ntksym.scaling.predictions."""
readers: dict[str, Callable[[Any], ScalingTable]] = {}
"""What reads a table back from a form."""
