"""How records show themselves: printed and in notebooks they are texts and tables, never the dump of their fields."""

import ast
from pathlib import Path

import pytest

import ntksym
from ntksym.records.tables import Cell, Shown, Table, Tabular

CLASSES = [
    node
    for path in Path(ntksym.__file__).parent.rglob("*.py")
    for node in ast.parse(path.read_text(encoding="utf-8")).body
    if isinstance(node, ast.ClassDef)
]


def with_form(form: str) -> dict[str, set[str]]:
    """The bases of every class that has this form."""
    return {
        node.name: {base.id for base in node.bases if isinstance(base, ast.Name)}
        for node in CLASSES
        if any(isinstance(part, ast.FunctionDef) and part.name == form for part in node.body)
    }


def test_what_has_a_text_or_a_table_shows_it() -> None:
    tables, texts = with_form("to_table"), with_form("to_text")
    assert {"ScalingTable", "Table"} <= tables.keys()
    assert {name for name, bases in tables.items() if "Tabular" not in bases} == {"Tabular"}
    assert {name for name, bases in texts.items() if not bases & {"Shown", "Tabular"}} == {"Shown"}


class Answer(Tabular):
    def to_table(self) -> Table:
        return Table("answers", (Cell("x"),), ((Cell("n^2", "n^{2}"),),))


def test_a_tabular_record_has_the_forms_of_its_table() -> None:
    record, table = Answer(), Answer().to_table()
    assert str(record) == table.to_text()
    assert record.to_csv() == "x\nn^2\n"
    for form in ("html", "latex", "markdown"):
        assert getattr(record, f"_repr_{form}_")() == getattr(table, f"to_{form}")()


@pytest.mark.parametrize("kind", [Shown, Tabular])
def test_a_record_without_a_form_says_so(kind: type[Shown]) -> None:
    with pytest.raises(NotImplementedError):
        str(kind())


def test_values_of_finite_width_are_shown_as_the_command_shows_them() -> None:
    values = ntksym.finite_width(ntksym.zoo.load("mlp")(depth=2)).evaluate([[1.0, 2.0]], n=100)
    assert [row[0].text for row in values.to_table().rows] == ["100", "∞"]


def test_a_diagram_says_how_much_each_phase_has() -> None:
    diagram = ntksym.phase_diagram("relu", sigma_w=[1.0, 2.0], sigma_b=[0.0])
    assert str(diagram) == "relu: sigma_w from 1 to 2, sigma_b from 0 to 0: 50% ordered, 0% critical, 50% chaotic"
