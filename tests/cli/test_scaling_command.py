"""``ntksym scaling`` as a person types it: every form and every option."""

import csv
import io
import json
import tomllib
from html.parser import HTMLParser
from pathlib import Path

import pytest

from ntksym import zoo
from ntksym.language import activation
from ntksym.scaling import Numbers, ScalingTable, scaling_table
from tests.cli.helpers import Run


@pytest.mark.parametrize("name", zoo.names)
def test_every_architecture_of_the_zoo(run: Run, name: str) -> None:
    code, out, err = run("scaling", name)
    assert (code, err) == (0, "")
    assert out == f"{scaling_table(zoo.load(name))}\n"


def test_options_reach_the_derivation(run: Run) -> None:
    code, out, _ = run(
        "scaling", "resnet", "--optimizer", "sgd", "--parametrization", "ntp", "--alignment", "full", "--large", "n",
    )  # fmt: skip
    expected = scaling_table(zoo.load("resnet"), optimizer="sgd", parametrization="ntp", alignment="full", large=["n"])
    assert (code, out) == (0, f"{expected}\n")


def test_form(run: Run) -> None:
    _, out, _ = run("scaling", "mlp", "--form", "unit", "--format", "json")
    assert ScalingTable.from_json(json.loads(out)) == scaling_table(zoo.load("mlp"), form="unit")


def test_an_optimizer_for_each_pattern(run: Run) -> None:
    _, out, err = run("scaling", "mlp", "--optimizer", "*.b=adamw,*=muon", "--format", "json")
    expected = scaling_table(zoo.load("mlp"), optimizer={"*.b": "adamw", "*": "muon"})
    assert (ScalingTable.from_json(json.loads(out)), err) == (expected, "")


def test_a_pattern_without_a_parameter_is_noted(run: Run) -> None:
    code, out, err = run("scaling", "mlp", "--optimizer", "embd.*=sgd,*=adam")
    assert code == 0
    assert out
    assert err == "ntksym: note: --optimizer: no parameter of mlp is named embd.*\n"


def test_phi_and_depth_are_short_for_settings(run: Run) -> None:
    short = run("scaling", "mlp", "--phi", "tanh", "--depth", "4", "--format", "json")
    assert short == run("scaling", "mlp", "--set", "phi=tanh", "--set", "depth=4", "--format", "json")
    assert json.loads(short[1])["digest"] == zoo.load("mlp")(phi=activation("tanh"), depth=4).digest


@pytest.mark.parametrize("value", ["z*erf(z)", "leaky_relu(0.1)", "silu"])
def test_phi_takes_any_mathematics(run: Run, value: str) -> None:
    assert run("scaling", "mlp", "--phi", value)[0] == 0


def test_markdown(run: Run) -> None:
    _, out, _ = run("scaling", "mlp", "--format", "markdown")
    assert "| readout.w | $1 \\times n$ | $1$ | $n^{-1}$ | $n^{-1}$ | $1$ | $n$ |" in out.splitlines()


def test_latex_is_a_document(run: Run) -> None:
    _, out, _ = run("scaling", "mlp", "--format", "latex")
    assert out.startswith(r"\documentclass{article}")
    assert out.endswith("\\end{document}\n")


def test_csv(run: Run) -> None:
    _, out, _ = run("scaling", "mlp", "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert [row["learning rate"] for row in rows] == ["1", "1", "n^-1", "1", "n^-1", "1"]


def test_json(run: Run) -> None:
    _, out, _ = run("scaling", "transformer", "--format", "json")
    assert ScalingTable.from_json(json.loads(out)) == scaling_table(zoo.load("transformer"))


def test_html(run: Run) -> None:
    _, out, _ = run("scaling", "mlp", "--format", "html")
    HTMLParser().feed(out)
    assert out.startswith("<!DOCTYPE html>")


def test_explain(run: Run) -> None:
    table = scaling_table(zoo.load("mlp"))
    assert run("scaling", "mlp", "--explain", "readout.w")[1] == f"{table.explain('readout.w')}\n"
    assert run("scaling", "mlp", "--explain=*.b")[1] == f"{table.explain('*.b')}\n"


def test_explain_without_a_name_explains_all(run: Run) -> None:
    everything = f"{scaling_table(zoo.load('mlp')).explain()}\n"
    assert run("scaling", "mlp", "--explain")[1] == everything
    assert run("scaling", "--explain", "mlp")[1] == everything
    assert run("scaling", "mlp", "--explain", "--optimizer", "adam")[1] == everything


def test_numbers(run: Run) -> None:
    code, out, _ = run("scaling", "mlp", "--at", "n=1024", "--base", "n=256", "--lr", "3e-3", "--format", "csv")
    expected = scaling_table(zoo.load("mlp")).at(n=1024, base={"n": 256}, lr=3e-3).to_table()
    assert (code, out) == (0, expected.to_csv())


def test_numbers_as_text_and_in_files(run: Run, tmp_path: Path) -> None:
    expected = scaling_table(zoo.load("resnet")).at(n=4096, L=12)
    asked = ("scaling", "resnet", "--at", "n=4096,L=12")
    assert run(*asked)[1] == f"{expected}\n"
    assert Numbers.from_json(json.loads(run(*asked, "--format", "json")[1])) == expected
    path = tmp_path / "numbers.toml"
    assert run(*asked, "-o", str(path)) == (0, "", "")
    assert Numbers.from_json(tomllib.loads(path.read_text(encoding="utf-8"))) == expected
    code, out, err = run("scaling", "resnet", "--format", "toml")  # there are no numbers without sizes
    assert (code, out) == (2, "")
    assert "toml" in err


def test_help_and_version(run: Run) -> None:
    assert run("--version")[1].startswith("ntksym ")
    assert "scaling" in run("--help")[1]
    assert run()[:2] == run("--help")[:2]
    code, out, err = run("scaling", "--help")
    assert (code, err) == (0, "")
    for word in ("transformer", "adamw", "table9", "tensor_programs", "--explain", "file.py:function"):
        assert word in out
