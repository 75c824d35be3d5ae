"""The command ``ntksym drift``: forms, the figure, exit codes, one line for every slip."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ntksym.validation.drift_record import Drift
from tests.cli.helpers import Run, refused

pytest.importorskip("jax", reason='needs the extra "networks"')
pytest.importorskip("optax", reason='needs the extra "networks"')
pytest.importorskip("sklearn", reason='needs the extra "sklearn"')

SMALL = ("--depth", "1", "--phi", "tanh", "--widths", "16,32", "--samples", "4", "--steps", "2")


def test_a_drift_in_a_file_and_as_a_figure(run: Run, tmp_path: Path) -> None:
    code, out, err = run("drift", "mlp", *SMALL, "--alpha", "1,10", "-o", "drift.json", "--plot", "drift.png")
    assert (out, err) == ("", "")
    record = Drift.from_json(json.loads((tmp_path / "drift.json").read_text(encoding="utf-8")))
    assert record.alphas == (1.0, 10.0)
    assert record.widths == (16, 32)
    assert code == (0 if record.ok else 1)
    assert (tmp_path / "drift.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--alpha", "0"), "--alpha = '0' is not a positive number"),
        (("--alpha", "1,1"), "are not different positive numbers"),
        (("--steps", "2.5"), "--steps '2.5' is not a whole number"),
        (("--dim", "m"), "there is no dimension 'm'"),
        (("--parametrization", "mu"), "there is no parametrization 'mu'"),
        (("--plot", "a.txt"), "does not end in .png"),
        (("--at", "n"), "is not a list such as name=value"),
        (("--samples", "4", "--seconds", "1"), "do not go together"),
        (("--set", "d_out=0"), ""),
    ],
)
def test_a_slip_is_one_line(run: Run, words: tuple[str, ...], message: str) -> None:
    assert message in refused(run("drift", "mlp", *words))
