"""``ntksym finite``: 1/n terms of the kernels, how wide is wide enough, and what it says to slips."""

import json
from pathlib import Path

import numpy as np
import pytest
from jsonschema import validate

import ntksym as ns
from tests.cli.helpers import Run, refused

SCHEMA = json.loads((Path(__file__).parents[1] / "schemas" / "finite_values.schema.json").read_text(encoding="utf-8"))


def test_kernels_and_their_fluctuations_are_those_of_the_record(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("1,2,3\n0,1,1\n", encoding="utf-8")
    options = ("--inputs", str(path), "--widths", "32,64", "--phi", "tanh", "--sigma-w", "1.5")
    code, out, err = run("finite", "mlp", *options, "--format", "json")
    assert (code, err) == (0, "")
    found = json.loads(out)
    validate(found, SCHEMA)
    record = ns.finite_width(ns.zoo.load("mlp")(phi=ns.tanh))
    values = record.evaluate(np.array([[1.0, 2.0, 3.0], [0.0, 1.0, 1.0]]), sigma_w=1.5)
    np.testing.assert_allclose(found["ntk"], values.ntk, rtol=1e-12)
    for name, tensor in values.tensors.items():
        np.testing.assert_allclose(found["tensors"][name], tensor, rtol=1e-12)
    _, table, _ = run("finite", "mlp", *options, "--format", "csv")
    rows = [line.split(",") for line in table.splitlines()]
    assert [row[0] for row in rows[1:]] == ["32"] * 3 + ["64"] * 3 + ["∞"] * 3
    assert float(rows[1][3]) == pytest.approx(values.nngp[-1][0, 0] + values.at("G1", 32.0)[0, 0], rel=1e-5)


def test_without_inputs_one_of_unit_length_is_taken(run: Run) -> None:
    code, out, _ = run("finite", "mlp", "--depth", "1", "--set", "n=10", "--tolerance", "0.5")
    assert code == 0
    # K = 1/2 of the second layer, V = 5/4 - 1/4 times 4 K^2 per n: 3 V / (n K^2) = 1.5
    assert out.splitlines()[4].split() == ["10", "0", "0", "0.5", "1", out.splitlines()[4].split()[5], "1.5"]
    assert "to be within 0.5:" in out


@pytest.mark.parametrize("form", ["text", "markdown", "latex", "html"])
def test_every_form(run: Run, form: str) -> None:
    code, out, err = run("finite", "resnet", "--set", "L=2", "--format", form)
    assert (code, err) == (0, "")
    assert "resnet" in out


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("mlp", "--widths", "64,x"), "x is no width"),
        (("mlp", "--widths", "0"), "0 is no width"),
        (("mlp", "--widths", "64,,"), "nothing is no width"),
        (("mlp", "--set", "n=8", "--widths", "64"), "all widths are set"),
        (("mlp", "--tolerance", "0"), "no positive number"),
        (("mlp", "--inputs", "missing.csv"), "cannot read missing.csv"),
        (("resnet",), "dimension L"),
        (("transformer",), "has positions"),
        (("rnn",), "shared along time"),
        (("resnet", "--set", "L=2", "--set", "normalise=true"), "1/n terms are not derived"),
        (("cnn",), "made of several positions"),
    ],
)
def test_slips_and_programs_without_terms_are_one_line(run: Run, words: tuple[str, ...], says: str) -> None:
    assert says in refused(run("finite", *words))
