"""The command ``validate``: what it prints, writes and refuses. Networks are as small as they can be."""

import json
from pathlib import Path

import jsonschema
import pytest

from ntksym.cli import validate as command
from ntksym.validation import Validation
from tests.cli.helpers import Run, Write, refused

pytest.importorskip("jax", reason='needs the extra "networks"')

SCHEMA = Path(__file__).parents[1] / "schemas" / "validation.schema.json"
NET = """
    import ntksym as ns

    n, L = ns.dims("n L")

    @ns.program
    def net(x: ns.Vector("d"), *, phi=ns.tanh):
        return ns.dense(phi(ns.dense(x, n, name="hidden", bias=False)), 1, name="readout", bias=False)
"""
SMALL = ("validate", "net.py", "--at", "d=3", "--widths", "8,16,32", "--samples", "64", "--steps", "1")


def test_slopes_are_held_against_networks(run: Run, write: Write) -> None:
    """One run: a table, and beside it a figure."""
    write("net.py", NET)
    code, out, err = run(*SMALL, "--optimizer", "sgd", "--plot", "figure.png", "--output", "out.json")
    assert (code, out, err) == (0, "", "")
    data = json.loads(Path("out.json").read_text(encoding="utf-8"))
    jsonschema.validate(data, json.loads(SCHEMA.read_text(encoding="utf-8")))
    record = Validation.from_json(data)
    assert (record.program, record.widths, record.samples, record.dim) == ("net", (8, 16, 32), 64, "n")
    assert record.ok, str(record)
    assert {check.prediction.statistic for check in record.checks} == {"training", "ntk"}
    assert Path("figure.png").read_bytes().startswith(b"\x89PNG")


def test_analyses_may_be_chosen_and_those_that_do_not_apply_are_said(run: Run) -> None:
    words = ("validate", "lora", "--at", "d_in=3", "--widths", "8,16,32", "--samples", "32", "--steps", "1")
    code, out, err = run(*words)
    assert code == 0
    assert "all 21 predictions agree" in out
    assert err.startswith("ntksym: kernel: not held against networks: ")
    assert err.count("\n") == 1
    assert "v10: size at the start" in out
    assert "lora.py:" in refused(run(*words, "--analyses", "kernel"))
    assert "no analysis 'kernels'; did you mean kernel?" in refused(run(*words, "--analyses", "kernels"))


def test_a_wrong_prediction_gives_the_exit_code_1(run: Run, write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """The table of one parametrization, held against networks of another: caught."""
    write("net.py", NET)
    monkeypatch.setattr(command, "validate", lambda *a, **k: _wrong())
    code, out, err = run(*SMALL)
    assert (code, err) == (1, "")
    assert "1 disagrees" in out


def _wrong() -> Validation:
    data = {
        "schema": "ntksym.validation/1", "program": "net", "digest": "0" * 64, "dim": "n", "widths": [8, 16, 32],
        "sizes": {"d": 3}, "samples": 64, "batches": 32, "seed": 0, "alpha": 0.001, "power": 0.9, "limit": 4.0,
        "least": 0.0005, "rejected": [],
        "checks": [{
            "quantity": "v1: size at the start", "statistic": "training", "arguments": {}, "expected": 0.0,
            "uncertainty": 0.05, "evidence": {"kind": "exact", "order": None, "nodes": None, "bound": None, "note": ""},
            "law": {"powers": ["-1"], "term": 0, "growth": True}, "measured": 1.0, "error": 0.01, "t": 95.0, "p": None,
            "caught": 0.1, "verdict": "disagrees", "coefficients": [1.0, 0.0, 0.0],
            "points": [{"width": w, "value": 1.0, "error": 0.01} for w in (8, 16, 32)],
        }],
    }  # fmt: skip
    return Validation.from_json(data)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("validate",), "name an architecture"),
        (("validate", "mpl"), "no architecture 'mpl' in the zoo; did you mean mlp?"),
        (("validate", "mlp", "--samples", "9", "--seconds", "1"), "--samples and --seconds do not go together"),
        (("validate", "mlp", "--widths", "64"), "is not a growing list"),
        (("validate", "mlp", "--widths", "8,16"), "2 widths are too few for a slope, which takes 3; add some"),
        (("validate", "mlp", "--plot", "a.gif"), "does not end in .png"),
        (("validate", "mlp", "--optimizer", "shampoo"), "no optimizer 'shampoo'; known: sgd"),
        (("validate", "mlp", "--parametrization", "mu"), "no parametrization 'mu'; did you mean mup?"),
        (("validate", "mlp", "--alpha", "2"), "--alpha 2 is not a rate between 0 and 1"),
        (("validate", "mlp", "--dim", "L"), "mlp has no dimension 'L' of its own; it has: d_in, n"),
        (("validate", "mlp", "--at", "n=3"), "n is the dimension that grows"),
        (("validate", "mlp", "--at", "m=3"), "no dimension 'm'"),
        (("validate", "rnn"), "give a size for"),
        (("validate", "mlp", "--format", "png"), "no format 'png'"),
        (("validate", "mlp", "--memory", "much"), "--memory 'much' is not an amount"),
        (("validate", "mlp", "--steps", "0"), "--steps"),
        (("validate", "mlp", "--set", "width=3"), "mlp has no setting 'width'"),
    ],
)
def test_bad_input_is_one_line(run: Run, words: tuple[str, ...], message: str) -> None:
    assert message in refused(run(*words))
