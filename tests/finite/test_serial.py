"""Records of 1/n terms as JSON and back."""

import json
from pathlib import Path

import numpy as np
import pytest
from jsonschema import validate

import ntksym as ns
from ntksym.errors import FiniteWidthError
from ntksym.finite import FiniteValues, FiniteWidth
from ntksym.zoo import load

SCHEMAS = Path(__file__).parents[1] / "schemas"
X = np.array([[0.7, -0.4, 0.8], [-0.3, 0.9, 0.6]])


def schema(name):
    return json.loads((SCHEMAS / f"{name}.schema.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def record():
    return ns.finite_width(load("resnet")(phi=ns.tanh), rates={"embed.w": 2, "embed.b": "rate"}, sizes={"L": 2})


@pytest.fixture(scope="module")
def values(record):
    return record.evaluate(X, tensors=("V", "F"), rate=0.5)


def test_a_record_comes_back_as_it_was(record, values):
    data = json.loads(json.dumps(record.to_json()))
    validate(data, schema("finite_width"))
    back = FiniteWidth.from_json(data)
    assert back == record
    np.testing.assert_array_equal(back.evaluate(X, tensors=("V", "F"), rate=0.5).tensors["F"], values.tensors["F"])


def test_numbers_come_back_as_they_were(values):
    data = json.loads(json.dumps(values.to_json()))
    validate(data, schema("finite_values"))
    back = FiniteValues.from_json(data)
    assert back.to_json() == data
    np.testing.assert_array_equal(back.at("V", 64), values.at("V", 64))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": "ntksym.drift/1"}, "schema is 'ntksym.drift/1'"),
        ({"sizes": {"L": "two"}}, "cannot be read"),
        ({"rates": {"embed.w": "__import__('os')"}}, "cannot be read"),
        ({"program": 3}, "cannot be read"),
        ({"rates": None}, "cannot be read"),
    ],
)
def test_what_is_no_record_is_refused(record, change, message):
    with pytest.raises(FiniteWidthError, match=message):
        FiniteWidth.from_json({**record.to_json(), **change})


@pytest.mark.parametrize(
    ("change", "message"),
    [({"schema": None}, "schema is None"), ({"nngp": "x"}, "cannot be read"), ({"tensors": 3}, "cannot be read")],
)
def test_what_are_no_numbers_is_refused(values, change, message):
    with pytest.raises(FiniteWidthError, match=message):
        FiniteValues.from_json({**values.to_json(), **change})


@pytest.mark.parametrize(("kind", "name"), [(FiniteWidth, "program"), (FiniteValues, "tensors")])
def test_what_is_missing_is_named(record, values, kind, name):
    data = (record if kind is FiniteWidth else values).to_json()
    del data[name]
    with pytest.raises(FiniteWidthError, match=f"lack.* '{name}'"):
        kind.from_json(data)
