"""``ntksym spectrum``: forms, files, the figure, and one line for every slip."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from jsonschema import validate

from tests.cli.helpers import Run, refused

SCHEMAS = Path(__file__).parents[1] / "schemas"
RELU = ("mlp", "--depth", "1")


def test_exact_eigenvalues_and_their_law(run: Run) -> None:
    code, out, err = run("spectrum", *RELU)
    assert (code, err) == (0, "")
    assert "5/128" in out
    assert "at large k, even degrees: 1/(2*pi) k^-3" in out


def test_json_and_a_figure_of_a_circle(run: Run, tmp_path: Path) -> None:
    words = ("--sphere", "2", "--degrees", "4", "-o", "s.json", "--plot", "s.png")
    assert run("spectrum", *RELU, *words) == (0, "", "")
    found = json.loads((tmp_path / "s.json").read_text(encoding="utf-8"))
    validate(found, json.loads((SCHEMAS / "spectrum.schema.json").read_text(encoding="utf-8")))
    assert found["exact"][:2] == ["3/pi**2", "1/4"]
    assert (tmp_path / "s.png").read_bytes().startswith(b"\x89PNG")


def test_digits_of_a_kernel_without_exact_eigenvalues(run: Run) -> None:
    code, out, _ = run("spectrum", *RELU, "--sigma-b", "1", "--degrees", "1", "--digits", "25", "--format", "csv")
    assert code == 0
    # the average of the kernel over the sphere
    assert "2.000000000000000000000000" in out


@pytest.mark.parametrize("form", ["markdown", "latex", "html"])
def test_forms_of_gaussian_inputs(run: Run, form: str) -> None:
    code, out, err = run("spectrum", *RELU, "--gaussian", "--get", "nngp", "--format", form)
    assert (code, err) == (0, "")
    assert "eigenvalue" in out or "lambda" in out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--sphere", "1"), "--sphere"),
        (("--sphere", "3", "--gaussian"), "do not go together"),
        (("--data", "x.csv", "--gaussian"), "do not go together"),
        (("--data", "x.csv", "--plot", "a.png"), "--plot draws eigenvalues against degrees"),
        (("--data", "nowhere.csv"), "cannot read nowhere.csv"),
        (("--get", "nkt"), "there is no kernel 'nkt'; did you mean"),
        (("--degrees", "-1"), "--degrees"),
        (("--plot", "a.txt"), "does not end in .png"),
        (("--phi", "tanh", "--gaussian"), "has no closed form"),
    ],
)
def test_slips(run: Run, words: tuple[str, ...], message: str) -> None:
    assert message in refused(run("spectrum", *RELU, *words))
