"""Docstrings cite derivations by label, and every label leads to a derivation and a step."""

import ast
from pathlib import Path

import pytest

from ntksym.errors import NtksymError
from ntksym.reporting.derivations import cited, entries

PACKAGE = Path(__file__).parents[2] / "ntksym"


def docstrings() -> dict[str, str]:
    """The docstrings of the package that speak of a derivation, by the file and the name of what they are of."""
    out = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        if "reporting" in path.parts or path.name == "derive.py":
            continue  # these are about derivations, and cite none
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
                said = ast.get_docstring(node) or ""
                if "erivation " in said:
                    out[f"{path.relative_to(PACKAGE)}:{getattr(node, 'name', '')}"] = said
    return out


def test_every_label_in_a_docstring_leads_somewhere() -> None:
    found = {place: cited(said) for place, said in docstrings().items()}
    assert sum(map(len, found.values())) >= 4


def test_labels_are_resolved() -> None:
    ((derivation, step),) = cited('It is in derivation relu_edge, step\n    "the edge".')
    assert (derivation.number, step) == (8, derivation.steps[2])
    assert cited("derivation relu_edge")[0][1] is None
    with pytest.raises(NtksymError, match="no derivation 'relu_corner'"):
        cited("derivation relu_corner")
    with pytest.raises(NtksymError, match="no step 'the ledge'"):
        cited('derivation relu_edge, step "the ledge"')


def test_entries_say_what_their_files_hold() -> None:
    for each in entries():
        found = each.load()
        assert (found.number, found.name) == (each.number, each.name)
        assert each.about
