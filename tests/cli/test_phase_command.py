"""``ntksym phase``: the edge in one line, points, every form, and what it says to slips."""

import json
from pathlib import Path

import pytest
from jsonschema import validate
from mpmath import mp, mpf

from tests.cli.helpers import Run, refused

SCHEMAS = Path(__file__).parents[1] / "schemas"


def schema(name: str) -> dict[str, object]:
    found: dict[str, object] = json.loads((SCHEMAS / f"{name}.schema.json").read_text(encoding="utf-8"))
    return found


def test_the_edge_is_answered_in_one_line_with_residuals(run: Run) -> None:
    code, out, err = run("phase", "--phi", "tanh", "--sigma-b", "0.2236", "--edge")
    assert (code, err) == (0, "")
    assert out.count("\n") == 1
    assert out.startswith("tanh: sigma_w = 1.32700320747 at sigma_b = 0.2236 (q* = 0.570031074348, stable;")
    assert "residuals of q* and chi_1:" in out


def test_json_of_an_edge_holds_as_many_digits_as_were_asked_for(run: Run) -> None:
    options = ("--sigma-b", "sqrt(0.05)", "--edge", "--digits", "30", "--format", "json")
    code, out, _ = run("phase", "--phi", "erf", *options)
    assert code == 0
    found = json.loads(out)
    validate(found, schema("edge_of_chaos"))
    with mp.workdps(50):  # erf: sigma_w^2 = pi/4 sqrt(4 q + 1), and 2/pi asin(2 q / (2 q + 1)) for the square
        q, w = mpf(found["q_star"]), mpf(found["sigma_w"])
        assert abs(w**2 - mp.pi / 4 * mp.sqrt(4 * q + 1)) < mpf(10) ** -28
        assert abs(w**2 * 2 / mp.pi * mp.asin(2 * q / (2 * q + 1)) + mpf("0.05") - q) < mpf(10) ** -28
    assert len(found["sigma_w"].replace(".", "")) == 30


@pytest.mark.parametrize(
    ("form", "part"), [("text", "chaotic"), ("markdown", "|"), ("latex", r"\end{document}"), ("csv", ",")]
)
def test_points_come_in_every_form(run: Run, form: str, part: str) -> None:
    code, out, err = run("phase", "mlp", "--phi", "erf", "--sigma-w", "2", "--format", form)
    assert (code, err) == (0, "")
    assert part in out


def test_json_of_a_point(run: Run) -> None:
    code, out, _ = run("phase", "--phi", "relu", "--sigma-w", "1", "--sigma-b", "0.5", "--format", "json")
    assert code == 0
    found = json.loads(out)
    validate(found, schema("phase_report"))
    assert found["phase"] == "ordered"
    assert (found["q_star"], found["chi_1"], found["chi_parallel"], found["chi_perp"]) == ("0.5", "0.5", "0.5", "0.5")
    assert found["c_star"] == "1.0"


def test_no_edge_is_an_answer(run: Run) -> None:
    code, out, err = run("phase", "--phi", "softplus", "--edge")
    assert (code, err) == (0, "")
    assert out.startswith("softplus: no edge of chaos at sigma_b = 0: wherever chi_1 = 1, one copy of the block adds")


def test_a_depth_is_a_number_of_copies_and_an_architecture_is_asked_for_it(run: Run) -> None:
    assert refused(run("phase", "resnet")) == "a number is needed for L, as in L=1"
    code, out, _ = run("phase", "resnet", "--set", "L=10", "--edge")
    assert code == 0
    assert "differences grow at any weights" in out


@pytest.mark.parametrize(
    ("name", "start"), [("d.png", b"\x89PNG"), ("d.svg", b"<?xml"), ("d.html", b"<!DOCTYPE html>")]
)
def test_a_diagram_is_drawn_beside_the_answer(run: Run, tmp_path: Path, name: str, start: bytes) -> None:
    file = tmp_path / name
    code, out, err = run("phase", "--phi", "erf", "--sigma-b", "0.1", "--edge", "--diagram", str(file))
    assert (code, err) == (0, "")
    assert out.startswith("erf: sigma_w = ")
    assert file.read_bytes().startswith(start)
    assert list(tmp_path.iterdir()) == [file]


def test_a_diagram_reaches_beyond_the_weights(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "d.svg"
    code, _, _ = run("phase", "--phi", "erf", "--sigma-w", "11", "--sigma-b", "6", "--diagram", str(file))
    assert code == 0
    drawn = file.read_text(encoding="utf-8")
    assert "<!-- 20.0 -->" in drawn
    assert "<!-- 12 -->" in drawn


def test_nothing_is_drawn_where_there_is_no_answer(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "d.png"
    refused(run("phase", "resnet", "--diagram", str(file)))
    refused(run("phase", "mlp", "--diagram", str(tmp_path / "d.gif")))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (("--phi", "tanh", "--diagram", "d.gif"), "does not end in .png, .svg, .pdf, .html"),
        (("--phi", "tanh", "--sigma-w", "0.5", "--diagram", "no/folder/d.png"), "cannot write no/folder/d.png"),
        (("--edge",), "name an architecture, as for ntksym kernel, or an activation: --phi tanh"),
        (("--phi", "tanh", "--edge", "--sigma-w", "1"), "--edge finds sigma_w; leave --sigma-w out"),
        (("--phi", "tanh", "--sigma-b", "-1"), "sigma_b = '-1' is not a number that is zero or greater"),
        (("--phi", "tanh", "--sigma-b", "__import__('os')"), "sigma_b = "),
        (("--phi", "tanh", "--set", "L=3"), "--set is for an architecture; --phi alone has no settings"),
        (("--phi", "tanhh"), "no activation is named 'tanhh'"),
        (("transformer", "--edge"), "this mixes positions"),
        (("mlp", "--depth", "1"), "mlp repeats nothing"),
    ],
)
def test_slips_are_named_in_one_line(run: Run, words: tuple[str, ...], what: str) -> None:
    assert what in refused(run("phase", *words))
