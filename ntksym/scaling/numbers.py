"""A table's numbers at concrete sizes, for people to type and for files that training scripts read."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ntksym.errors import ScalingError
from ntksym.records.tables import Cell, Table, Tabular

SCHEMA = "ntksym.numbers/1"
_BARE = re.compile(r"[A-Za-z0-9_-]+")
"""A key that TOML takes without quotes."""


@dataclass(frozen=True)
class ParameterNumbers:
    """The numbers of one parameter: None where there is none, text where a fixed size in it is not known.

    ``init`` is "normal", "zeros" or "ones". ``tied`` holds further multipliers, by the value that a use makes.
    ``tensors`` are the names that the parameter has in a model, one for each copy; its own name where there are none.
    """

    name: str
    multiplier: float
    init: str
    init_std: float | str
    lr: float | None
    eps: float | None
    weight_decay: float | None
    optimizer: str
    tied: tuple[tuple[str, float], ...] = ()
    tensors: tuple[str, ...] = ()


@dataclass(frozen=True)
class Numbers(Tabular):
    """A scaling table at concrete sizes, to be written to a file and read back without a program.

    The file says all that a training script needs, as plain numbers by parameter: a script can read it with ``json``
    or ``tomllib`` alone.
    """

    program: str
    sizes: tuple[tuple[str, float], ...]
    base: tuple[tuple[str, float], ...]
    parameters: tuple[ParameterNumbers, ...]
    baseless: tuple[str, ...] = ()
    """Large dimensions that count from 1, since no base was given."""

    def __getitem__(self, name: str) -> ParameterNumbers:
        """One parameter's numbers; raises KeyError with the known names."""
        for row in self.parameters:
            if row.name == name:
                return row
        raise KeyError(f"no parameter {name!r}; there are: {', '.join(row.name for row in self.parameters)}")

    def groups(self, parameters: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Parameter groups as optimizers of PyTorch take them, of a model's parameters by name.

        Rows with equal numbers share a group; what is frozen is left out. Raises ScalingError for a parameter that only
        one side has.
        """
        left = dict(parameters)
        groups: dict[tuple[tuple[str, float], ...], list[Any]] = {}
        for row in self.parameters:
            for name in row.tensors or (row.name,):
                if name not in left:
                    raise ScalingError(f"the model has no parameter {name!r}; are the numbers those of its size?")
                parameter = left.pop(name)
                options = {"lr": row.lr, "eps": row.eps, "weight_decay": row.weight_decay}
                if row.lr is not None and getattr(parameter, "requires_grad", True):
                    key = tuple((option, value) for option, value in options.items() if value is not None)
                    groups.setdefault(key, []).append(parameter)
        idle = [name for name, parameter in left.items() if getattr(parameter, "requires_grad", True)]
        if idle:
            raise ScalingError(f"there are no numbers for the model's parameter {idle[0]!r}; freeze or remove it")
        return [{"params": params, **dict(key)} for key, params in groups.items()]

    def to_json(self) -> dict[str, Any]:
        """A plain JSON object with ``"schema": "ntksym.numbers/1"``; ``from_json`` inverts it."""
        parameters = {row.name: _row(row) for row in self.parameters}
        head = {"schema": SCHEMA, "program": self.program, "sizes": dict(self.sizes), "base": dict(self.base)}
        return {**head, **({"baseless": list(self.baseless)} if self.baseless else {}), "parameters": parameters}

    def to_toml(self) -> str:
        """The same as a TOML document, one table for each parameter; ``from_json(tomllib.loads(...))`` inverts it."""
        data = self.to_json()
        parameters = data.pop("parameters")
        head = "\n".join(f"{key} = {_toml(value)}" for key, value in data.items())
        tables = ("\n".join(_table(name, row)) for name, row in parameters.items())
        return "\n\n".join((head, *tables)) + "\n"

    @staticmethod
    def from_json(data: Any) -> Numbers:
        """The numbers that ``to_json`` or ``to_toml`` wrote; raises ScalingError for anything else."""
        schema = data.get("schema") if isinstance(data, Mapping) else None
        if schema != SCHEMA:
            raise ScalingError(f"these are no numbers of a table: the schema is {schema!r}, expected {SCHEMA!r}")
        try:
            rows = tuple(_from_row(name, row) for name, row in data["parameters"].items())
            sizes, base = (tuple((name, float(size)) for name, size in data[key].items()) for key in ("sizes", "base"))
            return Numbers(str(data["program"]), sizes, base, rows, tuple(data.get("baseless", ())))
        except KeyError as error:
            raise ScalingError(f"these numbers are not complete: they lack {error}") from None
        except (TypeError, ValueError, AttributeError) as error:
            raise ScalingError(f"these numbers cannot be read: {error}") from None

    def to_table(self) -> Table:
        """The numbers as a table for any renderer."""
        rows = [
            tuple(_cell(v) for v in (p.name, p.multiplier, p.init_std, p.lr, p.eps, p.weight_decay))
            for p in self.parameters
        ]
        notes = tuple(
            f"{p.name}: multiply its use in {at} by {number:.6g}" for p in self.parameters for at, number in p.tied
        )
        if self.baseless:
            names = ", ".join(self.baseless)
            notes += (f"no base is given for {names}: the rates are taken as tuned at {names} = 1",)
        title = f"{self.program} at {_sizes(self.sizes)}"
        title += f", base {_sizes(self.base)}" if self.base else ""
        columns = ("parameter", "multiplier", "init std", "lr", "eps", "weight decay")
        return Table(title, tuple(Cell(c) for c in columns), tuple(rows), notes)


def _row(row: ParameterNumbers) -> dict[str, Any]:
    """What a file says of one parameter; what there is not is left out."""
    columns = ("multiplier", "init", "init_std", "lr", "eps", "weight_decay", "optimizer")
    out = {column: value for column in columns if (value := getattr(row, column)) is not None}
    if row.tied:
        out["tied"] = [{"at": at, "multiplier": by} for at, by in row.tied]
    if row.tensors:
        out["tensors"] = list(row.tensors)
    return out


def _from_row(name: str, row: Mapping[str, Any]) -> ParameterNumbers:
    def number(column: str) -> float | None:
        return float(row[column]) if column in row else None

    std = row["init_std"]
    return ParameterNumbers(
        name,
        float(row["multiplier"]),
        str(row["init"]),
        std if isinstance(std, str) else float(std),
        number("lr"),
        number("eps"),
        number("weight_decay"),
        str(row["optimizer"]),
        tuple((str(use["at"]), float(use["multiplier"])) for use in row.get("tied", ())),
        tuple(row.get("tensors", ())),
    )


def _table(name: str, row: Mapping[str, Any]) -> Iterator[str]:
    yield f"[parameters.{_key(name)}]"
    yield from (f"{key} = {_toml(value)}" for key, value in row.items())


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else _toml(name)


def _toml(value: Any) -> str:
    """A value in TOML; its basic strings are those of JSON."""
    if isinstance(value, Mapping):
        inner = ", ".join(f"{_key(key)} = {_toml(item)}" for key, item in value.items())
        return f"{{{inner}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    return json.dumps(value, ensure_ascii=False)


def _cell(value: float | str | None) -> Cell:
    if value is None:
        return Cell("")
    return Cell(value if isinstance(value, str) else f"{value:.6g}")


def _sizes(sizes: tuple[tuple[str, float], ...]) -> str:
    return ", ".join(f"{name} = {value:g}" for name, value in sizes)
