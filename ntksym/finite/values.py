"""Numbers of 1/n terms, and what follows from them: means, fluctuations, how wide is wide enough."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from ntksym.errors import FiniteWidthError
from ntksym.finite.exact import moment
from ntksym.finite.moments import Scales
from ntksym.finite.wiring import Wiring
from ntksym.records.evidence import Evidence
from ntksym.records.tables import Table, Tabular

SCHEMA = "ntksym.finite_values/1"


@dataclass(frozen=True, eq=False)
class FiniteValues(Tabular):
    """The limit and 1/n terms of the readings of a program (preactivations, then the output) at some inputs.

    Attributes:
        program: its name.
        readings: names of the values, the output last.
        axes: the widths that are taken large, as texts, one for each set of coordinates.
        widths: these as numbers, None where no size was given.
        nngp, ntk: the limits, (readings, inputs, inputs).
        tensors: by name; (readings, inputs, ..., axes), so that a tensor is the sum over axes of entry / width.
        evidence: how the brackets are known.
        notes: what a person must know to use them.
    """

    program: str
    readings: tuple[str, ...]
    axes: tuple[str, ...]
    widths: tuple[float | None, ...]
    nngp: Any
    ntk: Any
    tensors: Mapping[str, Any]
    evidence: Evidence
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """A plain JSON object with ``"schema": "ntksym.finite_values/1"``; ``from_json`` inverts it."""
        return {
            "schema": SCHEMA,
            **{name: list(getattr(self, name)) for name in ("readings", "axes", "widths", "notes")},
            "program": self.program,
            "nngp": self.nngp.tolist(),
            "ntk": self.ntk.tolist(),
            "tensors": {name: tensor.tolist() for name, tensor in self.tensors.items()},
            "evidence": asdict(self.evidence),
        }

    @staticmethod
    def from_json(data: Any) -> FiniteValues:
        """The record that ``to_json`` wrote. Raises FiniteWidthError for anything else."""
        schema = data.get("schema") if isinstance(data, Mapping) else None
        if schema != SCHEMA:
            raise FiniteWidthError(f"these are no 1/n terms: the schema is {schema!r}, expected {SCHEMA!r}")
        try:
            return FiniteValues(
                data["program"],
                **{name: tuple(data[name]) for name in ("readings", "axes", "widths", "notes")},
                nngp=np.array(data["nngp"], dtype=float),
                ntk=np.array(data["ntk"], dtype=float),
                tensors={name: np.array(tensor, dtype=float) for name, tensor in data["tensors"].items()},
                evidence=Evidence(**data["evidence"]),
            )
        except KeyError as error:
            raise FiniteWidthError(f"these 1/n terms are not complete: they lack {error}") from None
        except (TypeError, ValueError, AttributeError) as error:
            raise FiniteWidthError(f"these 1/n terms cannot be read: {error}") from None

    def to_table(self) -> Table:
        """Mean kernels and fluctuations for pairs of inputs: at the widths that were given, and in the limit."""
        table: Table = renderers["table"](self, [] if None in self.widths else [self.widths])
        return table

    def at(self, name: str, widths: Sequence[float] | float | None = None, reading: int = -1) -> Any:
        """A tensor times 1/n: the sum over axes of its parts, each divided by the width.

        ``widths`` are those of the axes, or one for all; by default the sizes that were given.
        Raises FiniteWidthError for a tensor that was not computed, or a missing width.
        """
        if name not in self.tensors:
            raise FiniteWidthError(f"{name} was not computed; ask for it: evaluate(x, tensors=[{name!r}, ...])")
        return self.tensors[name][reading] @ (1 / self.divisors(widths))

    def divisors(self, widths: Sequence[float] | float | None = None) -> Any:
        """The width of every axis as a number."""
        given = self.widths if widths is None else np.broadcast_to(np.asarray(widths, dtype=float), (len(self.axes),))
        missing = [axis for axis, width in zip(self.axes, given, strict=True) if width is None]
        if missing:
            names = ", ".join(dict.fromkeys(missing))
            raise FiniteWidthError(f"a number is needed for the width {names}; give it, as in evaluate(x, n=64)")
        found = np.array(given, dtype=float)
        if not (found > 0).all():
            raise FiniteWidthError(f"a width of {found.min():g} is not positive")
        return found


renderers: dict[str, Callable[..., Any]] = {}
"""What is made of values, filled by ntksym.finite.rendering."""


@dataclass(frozen=True, eq=False)
class ExactValues:
    """Means and covariances of a finite network, exact in its widths; arrays of Fractions.

    Attributes:
        readings, axes, widths: as in ``FiniteValues``.
        nngp, ntk: E of the empirical kernel and of the tangent kernel, (readings, inputs, inputs).
        vertices: covariances by name, (readings, inputs, inputs, inputs, inputs): what a tensor divided by n is to
            leading order.
    """

    program: str
    readings: tuple[str, ...]
    axes: tuple[str, ...]
    widths: tuple[int, ...]
    nngp: Any
    ntk: Any
    vertices: Mapping[str, Any]
    wiring: Wiring
    scales: Scales

    def at(self, name: str, reading: int = -1) -> Any:
        """A vertex at a reading, the output by default."""
        if name not in self.vertices:
            raise FiniteWidthError(f"{name} was not computed; ask for it: exact(x, tensors=[{name!r}, ...])")
        return self.vertices[name][reading]

    def moment(self, q: int) -> Fraction:
        """E[f^(2q)] of an output f at the one input, for perceptrons without biases."""
        if len(self.nngp[0]) != 1:
            raise FiniteWidthError(f"moments of an output are those at one input, and {len(self.nngp[0])} were given")
        return moment(self.wiring, self.scales, self.widths, q)
