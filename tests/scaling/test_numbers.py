"""Numbers at concrete sizes as files, and back without a program."""

import json
import tomllib
from pathlib import Path
from types import SimpleNamespace

import jsonschema
import pytest

import ntksym as ns
from ntksym.errors import ScalingError
from ntksym.scaling import Numbers, scaling_table

SCHEMA = json.loads((Path(__file__).parents[1] / "schemas" / "numbers.schema.json").read_text(encoding="utf-8"))


@ns.program
def odd(x: ns.Vector("d_in")):
    """Names that need quotes, a frozen matrix, a gain, a branch that starts at zero, a fan-in without a number."""
    n = ns.dim("n")
    h = ns.dense(x, n, name="first", trainable=False)
    h = h + ns.dense(ns.layernorm(h, name="norm-1"), n, name="branch", init="zeros")
    return ns.dense(h, ns.fixed("d_out"), name="out")


TABLES = {
    "odd": lambda: scaling_table(odd).at(n=1024, base={"n": 64}, lr=3e-3),
    "without a base": lambda: scaling_table(ns.zoo.load("mlp"), optimizer="sgd").at(n=1024),
    "tied": lambda: scaling_table(ns.zoo.load("transformer")(tied=True), optimizer={"*": "muon"}).at(
        n=1024, L=7, base={"n": 64, "L": 3}
    ),
}


@pytest.fixture(params=TABLES)
def numbers(request):
    return TABLES[request.param]()


def test_files_say_all_and_are_read_back(numbers):
    data = numbers.to_json()
    jsonschema.validate(data, SCHEMA)
    assert tomllib.loads(numbers.to_toml()) == data
    assert Numbers.from_json(json.loads(json.dumps(data))) == numbers
    assert Numbers.from_json(tomllib.loads(numbers.to_toml())) == numbers


def test_a_file_says_how_parameters_start_and_what_there_is_not():
    rows = TABLES["odd"]().to_json()["parameters"]
    assert {name: row["init"] for name, row in rows.items()} == {
        "first.w": "normal",
        "first.b": "zeros",
        "norm-1.g": "ones",
        "norm-1.b": "zeros",
        "branch.w": "zeros",
        "branch.b": "zeros",
        "out.w": "normal",
        "out.b": "zeros",
    }
    assert not {"lr", "eps", "weight_decay"} & set(rows["first.w"])
    assert rows["first.w"]["init_std"] == "1/sqrt(d_in)"  # of a size that nobody gave


def test_groups_of_plain_parameters():
    numbers = TABLES["odd"]()
    parameters = {row.name: SimpleNamespace(name=row.name) for row in numbers.parameters}
    groups = numbers.groups(parameters)
    found = {p.name: group["lr"] for group in groups for p in group["params"]}
    assert found == {row.name: row.lr for row in numbers.parameters if row.lr is not None}
    assert "first.w" not in found
    settings = [tuple(v for k, v in group.items() if k != "params") for group in groups]
    assert len(set(settings)) == len(settings)
    with pytest.raises(ScalingError, match=r"the model has no parameter 'first.w'"):
        numbers.groups({})
    with pytest.raises(ScalingError, match="no numbers for the model's parameter 'extra'"):
        numbers.groups({**parameters, "extra": SimpleNamespace()})


def test_what_is_no_file_of_numbers_is_refused():
    data = TABLES["odd"]().to_json()
    for bad, says in (
        ([], "no numbers of a table: the schema is None"),
        ({**data, "schema": "ntksym.scaling_table/1"}, "expected 'ntksym.numbers/1'"),
        ({key: value for key, value in data.items() if key != "base"}, "not complete: they lack 'base'"),
        ({**data, "parameters": {"w": {"multiplier": "much"}}}, "not complete: they lack 'init_std'"),
        ({**data, "sizes": {"n": "wide"}}, "cannot be read: could not convert"),
    ):
        with pytest.raises(ScalingError, match=says) as error:
            Numbers.from_json(bad)
        assert "\n" not in str(error.value)
