"""LaTeX becomes MathML and Typst, or an error: formulas of the package, of the derivations, and by hand."""

from importlib import import_module
from pathlib import Path
from xml.etree import ElementTree

import pytest

import ntksym as ns
from ntksym.errors import NtksymError
from ntksym.reporting.formulas import read, to_mathml, to_typst
from ntksym.reporting.formulas.tree import Fraction, Grid, Root, Row, Scripts, Token

DERIVATIONS = sorted(path.stem for path in (Path(__file__).parents[3] / "derivations").glob("d[0-9]*.py"))
MATHML = "{http://www.w3.org/1998/Math/MathML}"


def letter(text: str) -> Token:
    return Token("letter", text)


def number(text: str) -> Token:
    return Token("number", text)


@pytest.mark.parametrize(
    ("latex", "tree"),
    [
        (r"\frac12", Fraction(number("1"), number("2"))),
        (r"\frac{10}{x}", Fraction(number("10"), letter("x"))),
        (r"x_i^2", Scripts(letter("x"), letter("i"), number("2"))),
        (r"x^{2}_{i}", Scripts(letter("x"), letter("i"), number("2"))),
        (r"x^12", Row((Scripts(letter("x"), None, number("1")), number("2")))),
        (r"x'", Scripts(letter("x"), None, Token("operator", "′"))),
        (r"\sqrt[3]{\theta}", Root(letter("θ"), number("3"))),
        (r"\sum_i a", Row((Scripts(Token("operator", "∑"), letter("i"), None, True), letter("a")))),
        (r"\mathbb{E}", Token("upright", "𝔼")),
        (r"\mathcal{N}", Token("upright", "𝒩")),
        (r"\mathbb{R}", Token("upright", "ℝ")),
        (r"\mathbf{return}", Token("upright", "𝐫𝐞𝐭𝐮𝐫𝐧")),
        (r"\operatorname{softmax}", Token("upright", "softmax")),
        (r"\mathrm{d\_in}", Token("upright", "d_in")),
        (
            r"\begin{array}{cc}p & r \\ r & q\end{array}",
            Grid(((letter("p"), letter("r")), (letter("r"), letter("q"))), "cc"),
        ),
    ],
)
def test_what_is_read(latex: str, tree: object) -> None:
    assert read(latex) == tree


@pytest.mark.parametrize(
    ("latex", "named"),
    [
        (r"\unheardof{x}", r"\unheardof"),
        (r"\frac{1}", "ends too early"),
        ("{x", "lacks }"),
        ("x}", "nothing opens"),
        (r"\left( x", r"lacks \right"),
        (r"\begin{aligned} x \end{array}", "begins aligned and ends array"),
        (r"\begin{tikzpicture} x \end{tikzpicture}", "tikzpicture"),
        (r"\left x \right)", "x is no bracket"),
    ],
)
def test_what_is_not_read_is_named(latex: str, named: str) -> None:
    with pytest.raises(NtksymError) as error:
        read(latex)
    assert named in str(error.value)


def test_signs_are_set_close_and_operations_are_not() -> None:
    def forms(latex: str) -> list[str | None]:
        return [mo.get("form") for mo in ElementTree.fromstring(to_mathml(latex)).iter(f"{MATHML}mo") if mo.text == "−"]

    assert forms("a - b") == [None]
    assert forms("-a") == ["prefix"]
    assert forms("a = -b - c") == ["prefix", None]
    assert forms("(a) - b") == [None]


def test_text_of_a_user_stays_text() -> None:
    made = to_mathml(r"\mathrm{<script>} < \text{<b>\&}")
    found = ElementTree.fromstring(made)
    assert {each.tag.removeprefix(MATHML) for each in found.iter()} == {"math", "mrow", "mi", "mo", "mtext"}
    assert '"<b>&"' in to_typst(r"\text{<b>\&}")


def formulas() -> list[tuple[str, str]]:
    """Formulas of derivations, displayed and in their text, of programs and of kernels."""
    out = []
    for name in DERIVATIONS:
        for step in import_module(f"derivations.{name}").DERIVATION.steps:
            out += [(name, part) for part in step.text.split("$")[1::2]] + [(name, step.latex)]
    programs = [ns.zoo.load(name)() for name in ns.zoo.names]
    out += [(program.name, program.to_latex()) for program in programs]
    return [*out, ("mlp", ns.kernel_recursion(ns.zoo.load("mlp")()).to_latex())]


FORMULAS = formulas()


def test_all_formulas_of_the_package_are_well_formed_mathml() -> None:
    assert len(FORMULAS) > 250
    for name, latex in FORMULAS:
        made = ElementTree.fromstring(to_mathml(latex, display=True))
        assert "\\" not in "".join(made.itertext()).replace("∖", ""), (name, latex)


def test_all_formulas_of_the_package_are_typst() -> None:
    typst = pytest.importorskip("typst")
    source = '#let body-font = "Libertinus Serif"\n' + "\n\n".join(
        to_typst(latex, display=True) for _, latex in FORMULAS
    )
    assert typst.compile(source.encode())[:5] == b"%PDF-"
    with pytest.raises(Exception, match="unknown variable"):  # a slip in the markup would show
        typst.compile(b"$ unheard of $")
