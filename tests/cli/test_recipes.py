"""``ntksym scaling --check``: recipes that are right, wrong, or no recipes."""

import json
from pathlib import Path

import pytest

from tests.cli.helpers import Run, Write, refused

GOOD = """
    optimizer = "adam"
    large = ["n"]
    [parameters."*.b"]
    lr = {n = "0"}
    [parameters."layer.*.w"]
    init_std = {n = "-1/2"}
    lr = {n = "-1"}
"""


def test_a_good_recipe(run: Run, write: Write) -> None:
    write("recipe.toml", GOOD)
    code, out, err = run("scaling", "mlp", "--check", "recipe.toml")
    assert (code, err) == (0, "")
    assert out.startswith("mlp: the recipe agrees with the derivation\n")


def test_a_bad_recipe(run: Run, write: Write) -> None:
    write("recipe.toml", GOOD.replace('lr = {n = "0"}', 'lr = {n = "1"}'))
    code, out, err = run("scaling", "mlp", "--check", "recipe.toml")
    assert (code, err) == (1, "")
    assert "input.b  lr: found n, expected 1, too large by n: " in out
    code, out, _ = run("scaling", "mlp", "--check", "recipe.toml", "--format", "json")
    assert code == 1
    assert json.loads(out)["problems"][0]["parameter"] == "input.b"
    assert run("scaling", "mlp", "--check", "recipe.toml", "--format", "markdown", "-o", "report.md")[:2] == (1, "")
    assert "| input.b | lr | $n$ | $1$ | $n$ |" in Path("report.md").read_text(encoding="utf-8")


def test_the_command_line_completes_a_recipe(run: Run, write: Write) -> None:
    write("recipe.toml", GOOD.replace('optimizer = "adam"', ""))
    assert run("scaling", "mlp", "--check", "recipe.toml", "--optimizer", "sgd")[0] == 1
    assert run("scaling", "mlp", "--check", "recipe.toml", "--optimizer", "adamw", "--depth", "5")[0] == 0


def test_a_recipe_with_an_optimizer_for_each_pattern(run: Run, write: Write) -> None:
    for text in ('"*.b=adam,*=adamw"', '{"*.b" = "adam", "*" = "adamw"}'):
        write("recipe.toml", GOOD.replace('"adam"', text))
        assert run("scaling", "mlp", "--check", "recipe.toml")[0] == 0


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("large =", "large ==", "recipe.toml is not TOML: "),
        ("large", "larg", "recipe.toml: there is no key 'larg'; did you mean large?"),
        ('["n"]', '["m"]', "recipe.toml: there is no dimension 'm'"),
        ('["n"]', '"n"', "large is not a list"),
        ('["n"]', "[1]", "large = 1 is not a text"),
        ('"adam"', '"adom"', "recipe.toml: there is no optimizer 'adom'; did you mean adam?"),
        ('"adam"', "3", "optimizer = 3 is not a text"),
        ('"adam"', '"adam"\nalignment = "ful"', "there is no alignment 'ful'; did you mean full?"),
        ('"adam"', '"adam"\nparametrization = "mop"', "there is no parametrization 'mop'; did you mean"),
        ("init_std", "init_sdt", "there is no entry of layer.*.w named 'init_sdt'; did you mean init_std?"),
        ('{n = "0"}', '{m = "0"}', "there is no dimension in lr of *.b named 'm'"),
        ('{n = "0"}', '{n = "x"}', "'x'"),
        ('{n = "0"}', '{n = "1/0"}', "'1/0'"),
        ('{n = "0"}', "{n = -0.5}", "-0.5"),
        ('{n = "0"}', '"0"', "lr"),
        ('{n = "0"}', '{d_in = "1"}', "d_in"),
        ("[parameters.", "[parameter.", "there is no key 'parameter'; did you mean parameters?"),
    ],
)
def test_a_recipe_that_is_none(run: Run, write: Write, old: str, new: str, says: str) -> None:
    write("recipe.toml", GOOD.replace(old, new))
    assert says in refused(run("scaling", "mlp", "--check", "recipe.toml"))


def test_a_recipe_that_is_empty_or_missing(run: Run, write: Write) -> None:
    assert refused(run("scaling", "mlp", "--check", "none.toml")).startswith("cannot read none.toml: ")
    write("recipe.toml", 'optimizer = "adam"\n')
    assert "recipe.toml: it has no entries" in refused(run("scaling", "mlp", "--check", "recipe.toml"))
    write("recipe.toml", "parameters = {w = 3}\n")
    assert "the entry for w is not a table" in refused(run("scaling", "mlp", "--check", "recipe.toml"))
    Path("recipe.toml").write_bytes(b"\xff\xfe")
    assert "recipe.toml is not TOML" in refused(run("scaling", "mlp", "--check", "recipe.toml"))


def test_a_recipe_and_the_command_line_must_agree(run: Run, write: Write) -> None:
    write("recipe.toml", GOOD)
    assert run("scaling", "mlp", "--check", "recipe.toml", "--optimizer", "adam")[0] == 0
    line = refused(run("scaling", "mlp", "--check", "recipe.toml", "--optimizer", "sgd"))
    assert line == "recipe.toml says optimizer = 'adam', the command line 'sgd'; leave one out"
    assert "do not go together" in refused(run("scaling", "mlp", "--check", "recipe.toml", "--at", "n=3"))


OWN = """
base = "sp"

[parameters."readout.w"]
multiplier = { n = "-1/2" }
init_std = { n = "-1/2" }
"""


def test_a_parametrization_of_ones_own(run: Run, write: Write) -> None:
    """A perceptron with sp's inner weights and mup's readout, split in two."""
    write("mine.toml", OWN)
    code, out, _ = run("scaling", "mlp", "--parametrization", "mine.toml", "--optimizer", "sgd", "--format", "json")
    table = json.loads(out)
    rows = {row["name"]: row for row in table["parameters"]}
    assert (code, table["parametrization"], table["verdict"]["regime"]) == (0, "mine", "feature learning")
    assert rows["readout.w"]["multiplier"] == rows["readout.w"]["init_std"] == {"n": "-1/2"}
    assert rows["readout.w"]["lr"] == {"n": "0"}
    assert rows["layer.hidden.w"]["init_std"] == {"n": "-1/2"}


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("sp", "spp", "did you mean sp?"),
        ("base", "bass", "did you mean base?"),
        ("init_std", "lr", "fixes multiplier and init_std, not 'lr'"),
        ('init_std = { n = "-1/2" }', "init_std = 1", "not a table of exponents"),
        ('"-1/2"', '"half"', "exact rational"),
        ("{ n =", "{ width =", "width"),
        ("readout.w", "output.w", "no parameter of mlp is named 'output.w'"),
    ],
)
def test_a_parametrization_with_a_slip(run: Run, write: Write, old: str, new: str, said: str) -> None:
    write("mine.toml", OWN.replace(old, new, 1))
    assert said in refused(run("scaling", "mlp", "--parametrization", "mine.toml"))
