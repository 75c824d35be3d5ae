"""``ntksym train``: networks over the theory, from digits or a file, and one line for every slip."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from jsonschema import validate

from tests.cli.helpers import Run, refused

pytest.importorskip("jax", reason='needs the extra "networks"')

SCHEMAS = Path(__file__).parents[1] / "schemas"
TINY = ("mlp", "--depth", "1", "--phi", "erf", "--steps", "3", "--widths", "8,32", "--samples", "2")
TABLE = "\n".join(f"{x},{y},{x * y}" for x in (-1.0, 0.5, 1.0) for y in (-0.7, 0.4)) + "\n"


def test_a_file_of_examples(run: Run, tmp_path: Path) -> None:
    (tmp_path / "xy.csv").write_text(TABLE, encoding="utf-8")
    words = ("--data", "xy.csv", "--inputs", "4", "--momentum", "0.9", "-o", "t.json", "--plot", "t.svg")
    assert run("train", *TINY, *words) == (0, "", "")
    found = json.loads((tmp_path / "t.json").read_text(encoding="utf-8"))
    validate(found, json.loads((SCHEMAS / "training_curves.schema.json").read_text(encoding="utf-8")))
    assert found["times"][-1] == 3
    assert (tmp_path / "t.svg").read_bytes().startswith(b"<?xml")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--data", "nowhere.csv"), "cannot read nowhere.csv"),
        (("--data", "xy.csv", "--inputs", "6"), "holds 6 examples, and one at least is for tests"),
        (("--data", "xy.csv", "--inputs", "2", "--lr", "fast"), "--lr = 'fast' is not a positive number"),
        (("--data", "xy.csv", "--inputs", "2", "--momentum", "1"), "momentum=1.0 must be at least 0 and below 1"),
        (("--data", "one.csv", "--inputs", "2"), "found one number in a line"),
        (("--samples", "1"), "--samples"),
        (("--plot", "t.txt"), "does not end in .png"),
        (("--widths", "8"), "--widths '8' is not a growing list"),
    ],
)
def test_slips(run: Run, tmp_path: Path, words: tuple[str, ...], message: str) -> None:
    (tmp_path / "xy.csv").write_text(TABLE, encoding="utf-8")
    (tmp_path / "one.csv").write_text("1\n2\n3\n", encoding="utf-8")

    assert message in refused(run("train", *TINY, *words))
