"""Records of training: their tables, and their JSON both ways against its schema."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from jsonschema import validate

import ntksym as ns
from ntksym.dynamics.course import Course
from ntksym.dynamics.dmft import DynamicalMeanField
from ntksym.dynamics.kernel_change import KernelChange
from ntksym.dynamics.mean_field import MeanField
from ntksym.dynamics.sequence import SequenceModel
from ntksym.dynamics.softmax import SoftmaxDynamics
from ntksym.dynamics.taylor import TaylorDynamics
from ntksym.dynamics.wide_limit import WideLimit
from ntksym.errors import DynamicsError

SCHEMAS = Path(__file__).parents[1] / "schemas"
RNG = np.random.default_rng(0)


def some(*shape: int) -> Any:
    return RNG.random(shape)


SLOTS = {"input.w": (slice(0, 2), (2,)), "readout.w": (slice(2, 3), (1,))}
RECORDS: tuple[Course, ...] = (
    WideLimit("mlp", "mup", some(4, 2, 1), some(3), some(4, 3, 3), SLOTS, True),
    MeanField("mlp", some(2), some(2, 2, 1), some(2), some(2, 2, 1), some(2, 3, 3), None, SLOTS),
    MeanField("mlp", some(2), some(2, 2, 1), some(2), some(2, 2, 1), some(2, 3, 3), some(2, 8, 3), SLOTS),
    DynamicalMeanField("mlp", some(4, 2), some(3), some(2, 4, 2, 4, 2), some(2, 4, 2, 4, 2)),
    KernelChange("mlp", some(2), np.eye(2), some(2, 2, 2), some(2, 2, 2, 2), some(2, 2, 2, 2)),
    SoftmaxDynamics(some(2), np.array([0, 1, 1]), some(2, 3, 2), some(2, 1, 2)),
    SequenceModel(some(30), some(30, 2), some(30, 2), some(30, 2)),
    TaylorDynamics(some(4, 2, 1), {1: some(4, 2, 1), 2: some(4, 2, 1)}, some(3), {1: some(3), 2: some(3)}),
)
every_record = pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.schema)


def test_every_kind_of_course_is_here() -> None:
    assert {type(record) for record in RECORDS} == set(Course.__subclasses__())


@every_record
def test_json_follows_its_schema_and_comes_back(record: Course) -> None:
    data = json.loads(json.dumps(record.to_json(), allow_nan=False))
    validate(data, json.loads((SCHEMAS / f"{record.schema}.schema.json").read_text(encoding="utf-8")))
    again = type(record).from_json(data)
    for field in fields(record):  # type: ignore[arg-type]
        before, after = getattr(record, field.name), getattr(again, field.name)
        np.testing.assert_equal(after, before)
    assert str(again) == str(record)


@every_record
def test_what_is_no_such_record_is_refused(record: Course) -> None:
    data = record.to_json()
    (first, *_) = (name for name in data if name != "schema")
    wrong = (None, {}, {**data, "schema": "ntksym.program/1"}, {k: v for k, v in data.items() if k != first})
    array = next(name for name, value in data.items() if isinstance(value, list))
    for other in (*wrong, {**data, array: [["x"], 1]}, {**data, array: "many"}):
        with pytest.raises(DynamicsError, match=type(record).__name__):
            type(record).from_json(other)


def test_a_table_has_the_first_and_the_last_moment_and_few_between() -> None:
    model = ns.sequence_model([1.0], [0.1], np.linspace(0, 3, 100))
    rows = model.to_table().rows
    assert len(rows) == 12
    assert [rows[i][0].text for i in (0, -1)] == ["0", "3"]
    assert rows[-1][2].text == f"{model.adaptive[-1, 0]:.6g}"
