"""Kernel recursions as JSON: what is read back is the same record, and nothing but mathematics is read."""

import copy
import json
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from ntksym import zoo
from ntksym.errors import KernelError
from ntksym.kernels import KernelRecursion
from ntksym.kernels.serial_math import read, written
from tests.kernels.recursions import REFUSED, recursion

NAMES = [name for name in zoo.names if name not in REFUSED]
SCHEMA = Path(__file__).parents[1] / "schemas" / "kernel_recursion.schema.json"


@pytest.mark.parametrize("name", NAMES)
def test_json_reads_back(name):
    found = recursion(name)
    text = json.dumps(found.to_json(), allow_nan=False)
    jsonschema.validate(json.loads(text), json.loads(SCHEMA.read_text(encoding="utf-8")))
    assert "|" not in text
    back = KernelRecursion.from_json(json.loads(text))
    assert back == found


def test_numbers_of_what_was_read_back():
    found = recursion("resnet")
    back = KernelRecursion.from_json(json.loads(json.dumps(found.to_json())))
    x = np.random.default_rng(0).standard_normal((2, 4))
    first, second = (each.evaluate(x, digits=20, sigma_w=1.2, L=3) for each in (found, back))
    assert (first.nngp == second.nngp).all()
    assert (first.ntk == second.ntk).all()
    assert back.to_latex() == found.to_latex()
    assert back.to_text() == found.to_text()


def test_a_derivative_reads_back():
    found = recursion("mlp").derivative("sigma_w")
    assert KernelRecursion.from_json(json.loads(json.dumps(found.to_json()))) == found


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('true')",
        "(1).__class__",
        "x if x else y",
        "lambda: 1",
        "[1, 2]",
        "eval('1')",
        "K1[0]",
        "K1[1, 3]",
        "2**(2**100)",
        "Unevaluated('import os', p, 0)",
        "Unevaluated(1, p, 0)",
        "sqrt(",
        "'text'",
        "f'{x}'",
    ],
)
def test_only_mathematics_is_read(text):
    with pytest.raises(KernelError):
        read(text, {})


@pytest.mark.parametrize(
    "text",
    [
        "sigma_w**2*K3[1, 2] + m1[1]*m1[2] - 1/sqrt(K3[1, 1])",
        "Piecewise((p, p > 0), (0, True))",
        "same['T', 1, 2]*(pi + exp(-p/2))**(3/2)",
        "BivariateNormal(p, q, r/2) + NormalCDF(p)",
    ],
)
def test_texts_stay_as_they_are(text):
    found = read(text, {"sigma_w": "nonnegative"})
    assert read(written(found), {"sigma_w": "nonnegative"}) == found


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: data.update(schema="ntksym.program/1"), "this is no kernel recursion"),
        (lambda data: data.pop("lines"), "it lacks 'lines'"),
        (lambda data: data["lines"][0].update(record="Os"), "has no 'Os'"),
        (lambda data: data["lines"][0].pop("meaning"), "cannot be read"),
        (lambda data: data["lines"][-1].update(expression={"math": "open('x')"}), "unknown function open"),
        (lambda data: data["program"].update(schema=""), "not a program"),
        (lambda data: data.update(lines=[1]), "not a line"),
        (lambda data: data["symbols"].update(sigma_w="magic"), "assumption 'magic'"),
    ],
)
def test_what_is_no_recursion_is_refused(change, message):
    data = copy.deepcopy(recursion("mlp").to_json())
    change(data)
    with pytest.raises(KernelError, match=message):
        KernelRecursion.from_json(data)


@pytest.mark.parametrize("data", [None, 3, [], "text", {}])
def test_other_things_are_refused(data):
    with pytest.raises(KernelError, match="this is no kernel recursion"):
        KernelRecursion.from_json(data)
