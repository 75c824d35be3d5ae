"""The command ``ntksym coordcheck``: exit codes, forms, the figure, one line for every slip."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.helpers import Run, Write, refused

pytest.importorskip("jax", reason='needs the extra "networks"')
pytest.importorskip("optax", reason='needs the extra "networks"')
pytest.importorskip("sklearn", reason='needs the extra "sklearn"')

SMALL = ("--set", "bias=false", "--set", "d_out=10", "--widths", "32..128", "--samples", "48", "--steps", "1")
PNG = b"\x89PNG"


def test_a_check_of_the_derived_table(run: Run, tmp_path: Path) -> None:
    code, out, err = run("coordcheck", "mlp", *SMALL, "--lr", "0.05", "-o", "check.json", "--plot", "check.png")
    assert (out, err) == ("", "")
    data = json.loads((tmp_path / "check.json").read_text(encoding="utf-8"))
    assert code == 0
    assert data["ok"]
    assert data["widths"] == [32, 64, 128]
    assert (tmp_path / "check.png").read_bytes().startswith(PNG)


def test_a_recipe_that_blows_up_has_exit_code_one(run: Run, write: Write) -> None:
    write("recipe.toml", '[parameters."layer.hidden.w"]\nlr = {}\n')
    code, out, _ = run("coordcheck", "mlp", *SMALL, "--lr", "0.05", "--recipe", "recipe.toml")
    assert code == 1
    assert "a recipe's entries, adam" in out
    assert "violated at step 1" in out


def test_a_sweep_of_rates(run: Run, tmp_path: Path) -> None:
    code, out, _ = run(
        "coordcheck", "mlp", "--transfer", "--widths", "8,16", "--samples", "2", "--steps", "4", "--plot", "sweep.svg"
    )
    assert code == 0
    assert "mlp: the best learning rate as n grows, adam" in out
    assert "<svg" in (tmp_path / "sweep.svg").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "name an architecture"),
        (("mlp", "--transfer", "--lr", "3"), "--lr and --transfer do not go together"),
        (("mlp", "--transfer", "--parametrization", "sp"), "--parametrization and --transfer do not go together"),
        (("mlp", "--widths", "64"), "--widths '64' is not a growing list"),
        (("mlp", "--optimizer", "lamb"), "there is no optimizer 'lamb'"),
        (("mlp", "--parametrization", "mupp"), "there is no parametrization 'mupp'; did you mean mup?"),
        (("mlp", "--dim", "k"), "there is no dimension 'k'"),
        (("mlp", "--dim", "d_in"), "d_in is not large in this table"),
        (("mlp", "--at", "n=3"), "n is what grows"),
        (("mlp", "--lr", "-1"), "--lr = '-1' is not a positive number"),
        (("mlp", "--plot", "check.gif"), "does not end in .png, .svg, .pdf"),
        (("mlp", "--recipe", "no.toml"), "cannot read no.toml"),
        (("mlp", "--samples", "9", "--seconds", "9"), "--samples and --seconds do not go together"),
    ],
)
def test_a_slip_is_one_line(run: Run, words: tuple[str, ...], message: str) -> None:
    assert message in refused(run("coordcheck", *words))
