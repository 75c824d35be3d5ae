"""The command that executes derivations."""

from pathlib import Path

import pytest

from ntksym.cli import derive
from ntksym.errors import NtksymError
from ntksym.records.derivation import Derivation, Step
from ntksym.reporting.derivations import entries
from tests.cli.helpers import Run, refused


def failing() -> str:
    raise NtksymError("one is not two")


def test_it_lists_them_in_order(run: Run) -> None:
    code, out, _ = run("derive")
    assert code == 0
    lines = out.splitlines()[4:]
    assert [line.split()[0] for line in lines] == [str(each.number) for each in entries()]
    assert any("relu_dual" in line and "ReLU" in line for line in lines)


@pytest.mark.parametrize("label", ["relu_dual", "2", "d002_relu_dual"])
def test_one_is_executed_by_its_name_or_number(run: Run, label: str) -> None:
    code, out, _ = run("derive", label)
    assert code == 0
    assert out.startswith("# 2. ")
    assert out.count("*Checked: ") == len(entries()[1].load().steps)


def test_it_has_four_forms(run: Run, tmp_path: Path) -> None:
    assert "\\begin{document}" in run("derive", "2", "--format", "tex")[1]
    assert run("derive", "2", "-o", "page.html")[0] == 0
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert page.startswith("<!DOCTYPE html>")
    assert "<mfrac>" in page
    assert "Checked: " in page
    pytest.importorskip("typst")
    assert run("derive", "2", "-o", "page.pdf")[:2] == (0, "wrote page.pdf\n")
    assert (tmp_path / "page.pdf").read_bytes().startswith(b"%PDF-")


def test_a_step_that_fails_is_named_and_nothing_is_written(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = Derivation(9, "ones", "Ones", (Step("two", "Let it be.", "1 = 2", "algebra", failing),))
    monkeypatch.setattr(derive, "entry", lambda name: type("Entry", (), {"load": lambda self: wrong})())
    assert refused(run("derive", "ones", "-o", "page.html")) == "derivation 9, step two: one is not two"
    assert list(tmp_path.iterdir()) == []


def test_bad_input_is_one_line(run: Run) -> None:
    assert "did you mean relu_dual" in refused(run("derive", "relu_duel"))
    assert "lists them" in refused(run("derive", "999"))
    assert "-o page.pdf" in refused(run("derive", "2", "--format", "pdf"))
    assert "format" in refused(run("derive", "2", "--format", "docx"))
    assert "name it" in refused(run("derive", "--format", "tex"))
