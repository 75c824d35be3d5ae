"""Scaling tables as JSON and back: ``from_json(to_json(table)) == table``."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from ntksym.errors import ScalingError
from ntksym.scaling.growth import Growth
from ntksym.scaling.table import (
    COLUMNS,
    SCHEMA,
    Moves,
    ParameterScaling,
    ScalingTable,
    Tied,
    Verdict,
    readers,
    renderers,
)

Powers = Mapping[str, str]


def to_json(table: ScalingTable) -> dict[str, Any]:
    """A plain JSON object: exponents are rationals as text, one for every large dimension."""
    return {
        "schema": SCHEMA,
        "program": table.program,
        "digest": table.digest,
        "large": list(table.large),
        "optimizer": table.optimizer,
        "parametrization": table.parametrization,
        "alignment": table.alignment,
        "verdict": verdict_json(table.verdict),
        "undetermined": list(table.undetermined),
        "parameters": [_row_json(row) for row in table.parameters],
    }


def growth_json(growth: Growth | None) -> dict[str, Any] | None:
    """Exponents by dimension; a maximum of minima as its text and, under "terms", its groups of monomials."""
    if growth is None:
        return None
    if growth.linear is not None:
        return {name: str(power) for name, power in growth.linear.items()}
    groups = [[_powers_json(growth.names, form) for form in group] for group in growth.terms]
    return {"tropical": str(growth), "terms": groups}


def _powers_json(names: tuple[str, ...], form: tuple[Fraction, ...]) -> dict[str, str]:
    return {name: str(power) for name, power in zip(names, form, strict=True)}


def verdict_json(verdict: Verdict) -> dict[str, Any]:
    return {
        "stable": verdict.stable,
        "faithful": verdict.faithful,
        "regime": verdict.regime,
        "r": None if verdict.r is None else {name: str(power) for name, power in verdict.r.items()},
        "features": growth_json(verdict.features),
        "blows_up": verdict.blows_up,
        "lagging": [{"value": move.value, "growth": growth_json(move.growth)} for move in verdict.lagging],
        "notes": list(verdict.notes),
    }


def _row_json(row: ParameterScaling) -> dict[str, Any]:
    return {
        "name": row.name,
        "shape": list(row.shape),
        "init": row.init,
        "trained": row.trained,
        "optimizer": row.optimizer,
        **{column: growth_json(row.column(column)) for column in COLUMNS},
        "tied": [{"at": tie.at, "multiplier": growth_json(tie.multiplier)} for tie in row.tied],
        "reason": list(row.reason),
    }


def from_json(data: Any) -> ScalingTable:
    """The table that ``to_json`` wrote; raises ScalingError for anything else."""
    schema = data.get("schema") if isinstance(data, Mapping) else None
    if schema != SCHEMA:
        raise ScalingError(f"this is no scaling table: its schema is {schema!r}, expected {SCHEMA!r}")
    try:
        return _Reader(tuple(data["large"])).table(data)
    except KeyError as error:
        raise ScalingError(f"this scaling table is not complete: it lacks {error}") from None
    except (TypeError, ValueError, AttributeError, ZeroDivisionError) as error:
        raise ScalingError(f"this scaling table cannot be read: {error}") from None


class _Reader:
    """Reads one table, whose large dimensions give every growth its order of exponents."""

    def __init__(self, large: tuple[str, ...]) -> None:
        self.large = large

    def table(self, data: Mapping[str, Any]) -> ScalingTable:
        return ScalingTable(
            data["program"],
            data["digest"],
            self.large,
            data["optimizer"],
            data["parametrization"],
            data["alignment"],
            tuple(self.row(item) for item in data["parameters"]),
            self.verdict(data["verdict"]),
            tuple(data["undetermined"]),
        )

    def row(self, item: Mapping[str, Any]) -> ParameterScaling:
        return ParameterScaling(
            item["name"],
            tuple(item["shape"]),
            item["init"],
            self.growth(item["multiplier"]),
            self.growth(item["init_std"]),
            self.optional(item["lr"]),
            self.optional(item["eps"]),
            self.optional(item["weight_decay"]),
            item["optimizer"],
            tuple(item["reason"]),
            tuple(Tied(tie["at"], self.growth(tie["multiplier"])) for tie in item["tied"]),
            bool(item["trained"]),
        )

    def verdict(self, item: Mapping[str, Any]) -> Verdict:
        return Verdict(
            item["stable"],
            item["faithful"],
            item["regime"],
            self.optional(item["features"]),
            item["blows_up"],
            tuple(Moves(move["value"], self.growth(move["growth"])) for move in item["lagging"]),
            tuple(item["notes"]),
        )

    def growth(self, item: Mapping[str, Any]) -> Growth:
        # A dimension may be named "terms", too; its exponent is a text, never a list.
        groups = item.get("terms")
        if not isinstance(groups, list):
            groups = [[item]]
        return Growth(self.large, tuple(tuple(self.powers(form) for form in group) for group in groups))

    def powers(self, item: Powers) -> tuple[Fraction, ...]:
        if set(item) != set(self.large):
            raise ValueError(f"exponents of {', '.join(item) or 'nothing'} where {', '.join(self.large)} are large")
        return tuple(Fraction(item[name]) for name in self.large)

    def optional(self, item: Mapping[str, Any] | None) -> Growth | None:
        return None if item is None else self.growth(item)


renderers["json"] = to_json
readers["json"] = from_json
