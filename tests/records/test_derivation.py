"""The record of a derivation: it runs its checks, names what fails, and renders safely."""

from fractions import Fraction

import pytest

from ntksym.errors import NtksymError
from ntksym.records.derivation import JUSTIFICATIONS, Derivation, Step, fitted_slopes, measured, root, solved

HALF = Fraction(1, 2)


def holds() -> str:
    return "2 numbers compared"


def fails() -> str:
    raise NtksymError("3 is not 4")


def step(label: str = "first", text: str = "Prose.", latex: str = "a = b", check: object = holds) -> Step:
    return Step(label, text, latex, "algebra", check)  # type: ignore[arg-type]


def derivation(*steps: Step) -> Derivation:
    return Derivation(7, "example", "An example of 100%", steps, ("A. Author (2020)",))


def test_checks_run_in_order_and_their_evidence_is_kept() -> None:
    first, second = step(), step("second", check=lambda: "another")
    assert [(c.step, c.evidence) for c in derivation(first, second).run()] == [
        (first, "2 numbers compared"),
        (second, "another"),
    ]


@pytest.mark.parametrize(
    ("check", "message"),
    [
        (fails, "derivation 7, step first: 3 is not 4"),
        (lambda: 1 / 0, "derivation 7, step first: division by zero"),
        (lambda: "", "does not say what it has checked"),
        (lambda: None, "does not say what it has checked"),
    ],
)
def test_a_failing_check_is_named(check: object, message: str) -> None:
    with pytest.raises(NtksymError, match=message):
        derivation(step(check=check)).run()


def test_a_justification_is_one_of_the_known_words() -> None:
    with pytest.raises(NtksymError, match="'obviously' is no justification; known are: definition, algebra"):
        Step("first", "Prose.", "", "obviously", holds)
    assert all(JUSTIFICATIONS.values())


def test_labels_are_unique() -> None:
    with pytest.raises(NtksymError, match="two steps have the label first"):
        derivation(step(), step())


def test_markdown_numbers_the_steps_and_shows_the_evidence_only_of_a_run() -> None:
    example = derivation(step(), step("second", latex=""))
    assert "**7.2 second** (algebra). Prose." in example.to_markdown()
    assert example.to_markdown().count("$$") == 2
    assert "Checked" not in example.to_markdown()
    assert example.to_markdown(example.run()).count("*Checked: 2 numbers compared.*") == 2


def test_latex_escapes_prose_and_leaves_formulas_alone() -> None:
    latex = derivation(step(text=r"For 5% & $x_1 \to \infty$ of a_b.")).to_latex()
    assert r"For 5\% \& $x_1 \to \infty$ of a\_b." in latex
    assert r"An example of 100\%" in latex
    assert r"\tag{7.1}" in latex
    assert latex.endswith("\\end{document}\n")


def test_an_open_formula_is_an_error() -> None:
    with pytest.raises(NtksymError, match="not closed"):
        derivation(step(text="the size $s of it")).to_latex()


def test_exact_numbers() -> None:
    assert root(lambda u: u * 3 + 1) == Fraction(-1, 3)
    assert solved({"a": HALF}, {"a": HALF}) == "1 exponents solved for in exact fractions"
    for found in ({"a": Fraction(1)}, {}, {"a": HALF, "b": HALF}):
        with pytest.raises(NtksymError, match="claimed"):
            solved({"a": HALF}, found)


def test_slopes_are_fitted_and_held_against_the_claim() -> None:
    slopes = fitted_slopes(lambda width, seed: {"root": (1 + seed / 100) * width**0.5}, (10, 100, 1000), 3)
    assert slopes["root"] == pytest.approx([0.5, 0.5, 0.5])
    assert "3 seeds, largest deviation 0.000" in measured({"root": HALF}, slopes)
    with pytest.raises(NtksymError, match=r"root: the slope is 0.500 with standard error 0.000, not 0"):
        measured({"root": Fraction(0)}, slopes)
    with pytest.raises(NtksymError, match="take more seeds"):
        measured({"root": HALF}, {"root": [0.3, 0.7, 0.5]})
    with pytest.raises(NtksymError, match="claimed is other; measured is root"):
        measured({"other": HALF}, slopes)
