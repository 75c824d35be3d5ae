"""Scaling tables in every form: JSON that is read back exactly, columns, zero inits, frozen and tied parameters."""

import json
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import jsonschema
import pytest

from ntksym import zoo
from ntksym.errors import NtksymError, ScalingError
from ntksym.language import Vector, dense, dims, program
from ntksym.scaling import Growth, ScalingTable, check_recipe, scaling_table
from ntksym.scaling import rendering as rendering_module
from ntksym.scaling.rendering_recipe import recipe_json, recipe_table, recipe_text
from ntksym.scaling.serial import growth_json

SCHEMAS = Path(__file__).parents[1] / "schemas"
LATEX = shutil.which("pdflatex") or shutil.which("tectonic")


def validate(data: Any, schema: str) -> None:
    jsonschema.validate(data, json.loads((SCHEMAS / f"{schema}.schema.json").read_text(encoding="utf-8")))


@cache
def derived(name: str, optimizer: str = "adam", **settings: Any) -> ScalingTable:
    return scaling_table(zoo.load(name)(**settings), optimizer=optimizer)


@cache
def tropical() -> ScalingTable:
    """A table with minima and maxima in it."""
    return scaling_table(zoo.load("moe"), large=["n", "E"])


def edited(table: ScalingTable, **changes: Any) -> ScalingTable:
    """The table with its first row changed."""
    return replace(table, parameters=(replace(table.parameters[0], **changes), *table.parameters[1:]))


def cells(table: ScalingTable) -> dict[str, dict[str, str]]:
    shown = table.to_table()
    heads = [cell.text for cell in shown.columns]
    return {row[0].text: dict(zip(heads[1:], (cell.text for cell in row[1:]), strict=True)) for row in shown.rows}


# --- JSON --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", zoo.names)
def test_json_is_read_back_exactly(name: str) -> None:
    table = derived(name)
    data = json.loads(json.dumps(table.to_json(), sort_keys=True))
    validate(data, "scaling_table")
    assert ScalingTable.from_json(data) == table


@pytest.mark.parametrize("optimizer", ["sgd", "muon", "adamw"])
@pytest.mark.parametrize("parametrization", ["sp", "ntp"])
def test_json_of_other_optimizers_is_read_back(optimizer: str, parametrization: str) -> None:
    table = scaling_table(zoo.load("mlp"), optimizer=optimizer, parametrization=parametrization)
    validate(table.to_json(), "scaling_table")
    assert ScalingTable.from_json(table.to_json()) == table


def test_json_holds_every_large_dimension() -> None:
    row = derived("resnet").to_json()["parameters"][0]
    assert row["name"] == "embed.w"
    assert row["multiplier"] == {"n": "0", "L": "0"}
    assert row["eps"] == {"n": "-1", "L": "0"}


def test_json_of_maxima_keeps_their_terms() -> None:
    table = tropical()
    data = json.loads(json.dumps(table.to_json(), sort_keys=True))
    validate(data, "scaling_table")
    router = next(row for row in data["parameters"] if row["name"] == "block.moe.router.w")
    assert router["init_std"] == {
        "tropical": "min(n^-1*E^(1/2), n^(-1/2))",
        "terms": [[{"n": "-1", "E": "1/2"}, {"n": "-1/2", "E": "0"}]],
    }
    assert ScalingTable.from_json(data) == table


def test_json_of_zero_is_read_back() -> None:
    table = edited(derived("mlp"), lr=Growth(("n",), ()))
    data = table.to_json()
    assert data["parameters"][0]["lr"] == {"tropical": "0", "terms": []}
    validate(data, "scaling_table")
    assert ScalingTable.from_json(data) == table


def test_a_dimension_may_have_the_name_of_a_key() -> None:
    growth = Growth(("tropical", "terms"), (((Fraction(1, 2), Fraction(-1)),),))
    assert growth_json(growth) == {"tropical": "1/2", "terms": "-1"}
    table = replace(derived("mlp"), large=("tropical", "terms"), parameters=())
    verdict = replace(table.verdict, features=growth, lagging=())
    table = replace(table, verdict=verdict)
    assert ScalingTable.from_json(table.to_json()) == table


def test_json_of_an_unstable_table() -> None:
    table = scaling_table(zoo.load("mlp"), parametrization="mfp", optimizer="adam", alignment="none")
    broken = replace(
        table.verdict, stable=False, regime="unstable", features=None, blows_up="v1 moves like n at step 1"
    )
    table = replace(table, verdict=broken)
    validate(table.to_json(), "scaling_table")
    assert table.to_json()["verdict"]["r"] is None
    assert ScalingTable.from_json(table.to_json()) == table
    assert "blows up: v1 moves like n at step 1" in str(table)


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda data: data.update(schema="ntksym.program/1"), "its schema is 'ntksym.program/1'"),
        (lambda data: data.pop("digest"), "lacks 'digest'"),
        (lambda data: data["parameters"][0].pop("lr"), "lacks 'lr'"),
        (lambda data: data["parameters"][0]["multiplier"].update(n="x"), "cannot be read"),
        (lambda data: data["parameters"][0]["multiplier"].update(n="1/0"), "cannot be read"),
        (lambda data: data["parameters"][0]["multiplier"].update(m="1"), "exponents of n, m where n are large"),
        (lambda data: data["parameters"][0].update(multiplier=3), "cannot be read"),
        (lambda data: data.update(parameters=None), "cannot be read"),
    ],
)
def test_json_that_is_no_table_is_refused_in_one_line(spoil: Callable[[Any], Any], says: str) -> None:
    data = derived("mlp").to_json()
    spoil(data)
    with pytest.raises(ScalingError, match=says) as caught:
        ScalingTable.from_json(data)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("data", [None, [], "text", 3, {}])
def test_other_data_is_refused(data: Any) -> None:
    with pytest.raises(ScalingError, match="this is no scaling table"):
        ScalingTable.from_json(data)


# --- the printed table ---------------------------------------------------------------------------------------


def test_columns() -> None:
    heads = [cell.text for cell in derived("mlp").to_table().columns]
    assert heads == ["parameter", "shape", "multiplier", "init std", "learning rate", "eps", "weight decay"]


def test_a_column_without_entries_is_left_out() -> None:
    heads = [cell.text for cell in derived("mlp", "sgd").to_table().columns]
    assert heads == ["parameter", "shape", "multiplier", "init std", "learning rate", "weight decay"]


def test_a_mixed_recipe_says_which_optimizer() -> None:
    table = scaling_table(zoo.load("mlp"), optimizer={"*.b": "sgd", "*": "muon"})
    assert cells(table)["input.b"]["optimizer"] == "sgd"
    assert cells(table)["input.w"]["optimizer"] == "muon"


def test_zero_and_one_inits_are_shown_as_such() -> None:
    table = derived("transformer", bias=True, affine=True)
    assert cells(table)["norm.g"]["init std"] == "ones"
    assert cells(table)["norm.b"]["init std"] == "zeros"
    assert cells(edited(table, init="1/2"))["embed.w"]["init std"] == "constant 1/2"


def test_frozen_parameters_are_shown_as_such() -> None:
    frozen = cells(derived("lora"))["first.w"]
    assert (frozen["learning rate"], frozen["eps"]) == ("frozen", "-")


def test_tied_parameters_have_a_row_for_each_further_multiplier() -> None:
    table = derived("transformer", tied=True)
    (tie,) = table["embed.w"].tied
    row = cells(table)[f"embed.w in {tie.at}"]
    assert row["multiplier"] == "n^-1"
    assert {text for head, text in row.items() if head != "multiplier"} == {""}


def test_the_verdict_stands_below() -> None:
    assert "verdict: stable, faithful, feature learning" in derived("mlp").to_table().notes
    lazy = scaling_table(zoo.load("mlp"), parametrization="ntp", optimizer="sgd")
    assert any("kernel regime (inner values move like n^(-1/2))" in note for note in lazy.to_table().notes)
    assert any(note.startswith("not determined by counting powers: ") for note in lazy.to_table().notes)


def test_many_lagging_values_are_counted() -> None:
    table = derived("dit")
    moves = table.verdict.lagging[:1] * 20
    verdict = replace(table.verdict, lagging=moves)
    assert any("and 12 more" in note for note in replace(table, verdict=verdict).to_table().notes)


@pytest.mark.parametrize("name", zoo.names)
def test_every_form_of_every_architecture(name: str) -> None:
    table = derived(name)
    rows = len(table.parameters) + sum(len(row.tied) for row in table.parameters)
    assert str(table) == table.to_table().to_text()
    assert len(table.to_csv().splitlines()) == rows + 1
    assert sum(line.startswith("| ") for line in table.to_markdown().splitlines()) == rows + 2
    assert table.to_latex().count(r"\\") == rows + 1
    ElementTree.fromstring(table.to_html())
    assert (table._repr_html_(), table._repr_latex_()) == (table.to_html(), table.to_latex())
    assert table._repr_markdown_() == table.to_markdown()


@pytest.mark.skipif(LATEX is None, reason="neither pdflatex nor tectonic is installed")
@pytest.mark.parametrize("make", [tropical, lambda: derived("transformer", tied=True), lambda: derived("dit")])
def test_latex_compiles(make: Callable[[], ScalingTable], tmp_path: Path) -> None:
    assert LATEX is not None
    (tmp_path / "it.tex").write_text(make().to_table().to_latex_document(), encoding="utf-8")
    options = ["-interaction=nonstopmode", "-halt-on-error"] if LATEX.endswith("pdflatex") else []
    done = subprocess.run(
        [LATEX, *options, "it.tex"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout[-2000:]
    assert "Overfull" not in done.stdout


def test_user_names_are_escaped() -> None:
    table = edited(derived("mlp"), name="a|b_c")
    assert "a\\|b_c" in table.to_markdown()
    assert r"a|b\_c".replace("|", r"\textbar{}") in table.to_latex()
    assert "<td>a|b_c</td>" in table.to_html()
    assert edited(table, name="<x>").to_html().count("&lt;x&gt;") == 1


# --- reasons and data frames ---------------------------------------------------------------------------------


def test_explain_gives_every_reason() -> None:
    table = derived("transformer", tied=True)
    text = table.explain()
    flat = " ".join(text.split())
    for row in table.parameters:
        assert f"{row.name} (" in flat
        for reason in row.reason:
            step, _, why = reason.partition(": ")
            assert " ".join(f"{step}: {why}".split()) in flat
    assert max(map(len, text.splitlines())) <= rendering_module.WIDTH


def test_explain_one_parameter_or_a_pattern() -> None:
    table = derived("mlp")
    assert table.explain("readout.w").count("learning rate") == 1
    assert table.explain("*.b").count("learning rate") == 3
    with pytest.raises(ScalingError, match=r"mlp has no parameter 'out.w'; it has: input.w, "):
        table.explain("out.w")


def test_dataframe() -> None:
    frame = derived("lora").to_dataframe()
    assert list(frame.columns) == [
        "shape", "optimizer", "init", "multiplier", "init_std", "lr", "eps", "weight_decay", "tied",
    ]  # fmt: skip
    assert frame.index.name == "parameter"
    assert frame.loc["first.a", "lr"] == "n^-1"
    assert frame.loc["first.w", "lr"] is None


def test_dataframe_without_pandas_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pandas", None)
    with pytest.raises(NtksymError, match="needs pandas, which is not installed"):
        derived("mlp").to_dataframe()


# --- recipes -------------------------------------------------------------------------------------------------

RECIPE = {
    "optimizer": "adam",
    "parameters": {
        "input.w": {"lr": {"n": "1"}},
        "layer.*.w": {"init_std": {"n": "-1/2"}, "lr": {"n": "-1"}},
        "readout.w": {"init_std": {"n": "-1"}, "lr": {"n": "-2"}},
        "missing.*": {"lr": {"n": "-1"}},
    },
}


def test_a_recipe_report_has_a_line_for_each_problem() -> None:
    lines = recipe_text(check_recipe(zoo.load("mlp"), RECIPE)).splitlines()
    assert lines[0] == "mlp: 2 wrong entries and 1 pattern without a parameter"
    assert lines[1].startswith("input.w  lr: found n, expected 1, too large by n: ")
    assert lines[2].startswith("readout.w  lr: found n^-2, expected n^-1, too small by n: ")
    assert lines[3] == "no parameter is named missing.*"
    assert lines[4].startswith("verdict: ")


def test_a_right_recipe_says_so() -> None:
    report = check_recipe(zoo.load("mlp"), {"parameters": {"input.w": {"lr": {"n": "0"}}}})
    assert recipe_text(report).splitlines()[0] == "mlp: the recipe agrees with the derivation"
    assert recipe_table(report).rows == ()


def test_a_recipe_report_as_table_and_json() -> None:
    report = check_recipe(zoo.load("mlp"), RECIPE)
    assert [row[0].text for row in recipe_table(report).rows] == ["input.w", "readout.w"]
    data = json.loads(json.dumps(recipe_json(report)))
    validate(data, "recipe_report")
    assert data["problems"][0]["off"] == {"n": "1"}
    assert data["ok"] is False


def test_an_entry_that_is_off_in_mixed_directions() -> None:
    n, m = dims("n m")  # type: ignore[misc]

    @program
    def net(x: Vector("d")):  # type: ignore[no-untyped-def, name-defined, valid-type]
        return dense(dense(dense(x, n, name="a"), m, name="b"), 1, name="c")

    report = check_recipe(net, {"parameters": {"b.w": {"lr": {"n": "-2", "m": "1"}}}})
    assert "off by n^-1*m" in recipe_text(report)
