"""Training as arrays over its course: what records of it share, a table of some moments and JSON both ways."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import Field, fields
from typing import Any, ClassVar, Self

import numpy as np

from ntksym.errors import DynamicsError
from ntksym.records.tables import Cell, Table, Tabular

Array = Any
Slots = Mapping[str, tuple[slice, tuple[int, ...]]]
"""Where each parameter stands in a vector of weights, and its shape there."""

SHOWN = 12
"""Rows of a table, at most: the first and the last moment, and some between."""


class Course(Tabular):
    """A record of training whose fields are arrays; a dataclass that names its schema and its columns."""

    schema: ClassVar[str]

    def columns(self) -> dict[str, Array]:
        """What the table shows: the moments, then a number at each of them, by the heads of the columns."""
        raise NotImplementedError

    def to_table(self) -> Table:
        """The course of training: a row for some of the moments, first and last among them."""
        columns = self.columns()
        heads, numbers = tuple(map(Cell, columns)), np.array(list(columns.values()), dtype=float)
        last = numbers.shape[1] - 1
        rows = sorted({round(float(i)) for i in np.linspace(0, last, min(SHOWN, last + 1))})
        title = f"{getattr(self, 'program', '')}: {self.schema.replace('_', ' ')}".removeprefix(": ")
        return Table(title, heads, tuple(tuple(Cell(f"{x:.6g}") for x in numbers[:, i]) for i in rows))

    def to_json(self) -> dict[str, Any]:
        """A plain JSON object, arrays as nested lists; ``from_json`` inverts it."""
        head = {"schema": f"ntksym.{self.schema}/1"}
        return {**head, **{field.name: _plain(getattr(self, field.name)) for field in _fields(type(self))}}

    @classmethod
    def from_json(cls, data: Any) -> Self:
        """The record that ``to_json`` wrote. Raises DynamicsError for anything else."""
        expected = f"ntksym.{cls.schema}/1"
        schema = data.get("schema") if isinstance(data, Mapping) else None
        if schema != expected:
            raise DynamicsError(f"this is no {cls.__name__}: the schema is {schema!r}, expected {expected!r}")
        try:
            return cls(**{field.name: _READERS[str(field.type)](data[field.name]) for field in _fields(cls)})
        except KeyError as error:
            raise DynamicsError(f"this {cls.__name__} is not complete: it lacks {error}") from None
        except (TypeError, ValueError, AttributeError) as error:
            raise DynamicsError(f"this {cls.__name__} cannot be read: {error}") from None


def _fields(kind: Any) -> tuple[Field[Any], ...]:
    return fields(kind)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(part) for key, part in value.items()}
    if isinstance(value, tuple):
        return [_plain(part) for part in value]
    if isinstance(value, slice):
        return [value.start, value.stop]
    return np.asarray(value).tolist()


def _slots(data: Mapping[str, Any]) -> Slots:
    return {name: (slice(*ends), tuple(shape)) for name, (ends, shape) in data.items()}


def _numbers(data: Any) -> Array:
    array = np.array(data)
    if array.dtype.kind not in "if":
        raise ValueError(f"found {array.dtype} where numbers are expected")
    return array


_READERS: dict[str, Callable[[Any], Any]] = {
    "str": str,
    "bool": bool,
    "Array": _numbers,
    "Array | None": lambda data: None if data is None else _numbers(data),
    "Mapping[int, Array]": lambda data: {int(key): _numbers(part) for key, part in data.items()},
    "Slots": _slots,
}
"""By the annotation of a field."""
