"""Validations as JSON and back: ``from_json(to_json(record)) == record``."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import asdict
from fractions import Fraction
from typing import Any

from ntksym.errors import ValidationError
from ntksym.records.evidence import Evidence
from ntksym.records.predictions import Law, Prediction
from ntksym.validation.record import SCHEMA, VERDICTS, Check, Point, Rejected, Validation, readers, renderers

PLAIN = ("program", "digest", "dim", "samples", "batches", "seed", "alpha", "power", "limit", "least")


def to_json(record: Validation) -> dict[str, Any]:
    """A plain JSON object; numbers that could not be measured are null."""
    return {
        "schema": SCHEMA,
        "ok": record.ok,
        **{name: getattr(record, name) for name in PLAIN},
        "widths": list(record.widths),
        "sizes": dict(record.sizes),
        "checks": [_check_json(check) for check in record.checks],
        "rejected": [asdict(lost) for lost in record.rejected],
    }


def _check_json(check: Check) -> dict[str, Any]:
    return {
        **prediction_json(check.prediction),
        "measured": check.measured,
        "error": check.error,
        "t": check.t,
        "p": check.p,
        "caught": check.caught,
        "verdict": check.verdict,
        "coefficients": list(check.coefficients),
        "points": [asdict(point) for point in check.points],
    }


def prediction_json(prediction: Prediction) -> dict[str, Any]:
    law = prediction.law
    return {
        "quantity": prediction.quantity,
        "statistic": prediction.statistic,
        "arguments": {name: _listed(value) for name, value in prediction.arguments},
        "expected": prediction.expected,
        "uncertainty": prediction.uncertainty,
        "evidence": asdict(prediction.evidence),
        "law": {"powers": [str(power) for power in law.powers], "term": law.term, "growth": law.growth},
    }


def _listed(value: Any) -> Any:
    return [_listed(item) for item in value] if isinstance(value, tuple) else value


def _frozen(value: Any) -> Hashable:
    return tuple(_frozen(item) for item in value) if isinstance(value, list) else value


def from_json(data: Any) -> Validation:
    """The record that ``to_json`` wrote; raises ValidationError for anything else."""
    schema = data.get("schema") if isinstance(data, Mapping) else None
    if schema != SCHEMA:
        raise ValidationError(f"this is no validation: its schema is {schema!r}, expected {SCHEMA!r}")
    try:
        return Validation(
            **{name: data[name] for name in PLAIN},
            widths=tuple(data["widths"]),
            sizes=tuple(data["sizes"].items()),
            checks=tuple(_check(item) for item in data["checks"]),
            rejected=tuple(Rejected(**item) for item in data["rejected"]),
        )
    except KeyError as error:
        raise ValidationError(f"this validation is not complete: it lacks {error}") from None
    except (TypeError, ValueError, AttributeError, ZeroDivisionError) as error:
        raise ValidationError(f"this validation cannot be read: {error}") from None


def _check(item: Mapping[str, Any]) -> Check:
    law = item["law"]
    if item["verdict"] not in VERDICTS:
        raise ValueError(f"there is no verdict {item['verdict']!r}")
    prediction = Prediction(
        item["quantity"],
        item["statistic"],
        tuple((name, _frozen(value)) for name, value in item["arguments"].items()),
        item["expected"],
        Law(tuple(map(Fraction, law["powers"])), law["term"], law["growth"]),
        item["uncertainty"],
        Evidence(**item["evidence"]),
    )
    return Check(
        prediction,
        tuple(Point(**point) for point in item["points"]),
        tuple(item["coefficients"]),
        **{name: item[name] for name in ("measured", "error", "t", "p", "caught", "verdict")},
    )


renderers["json"] = to_json
readers["json"] = from_json
