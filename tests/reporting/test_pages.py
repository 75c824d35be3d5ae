"""Documents as pages of HTML: whole, safe, without a network, and shown by a browser without complaints."""

import re
import subprocess
from fractions import Fraction
from html.parser import HTMLParser
from pathlib import Path
from shutil import which

import pytest

import ntksym as ns
from ntksym.cli.pages import written
from ntksym.errors import NtksymError
from ntksym.records.derivation import Derivation, Step
from ntksym.records.tables import Cell, Table
from ntksym.reporting.blocks import blocks, derivation_document
from ntksym.reporting.document import (
    Bullets,
    Display,
    Document,
    Listing,
    Picture,
    Prose,
    Refusal,
    Section,
    prose,
)
from ntksym.reporting.html import to_html
from ntksym.reporting.typst import to_pdf
from tests.reporting.browser import console, measured, needs_browser, screenshot

EVIL = "</pre><script>document.title = 'evil'</script>"
SQUARE = '<svg xmlns="http://www.w3.org/2000/svg" width="90" height="90"><rect width="90" height="90"/></svg>'
EVERYTHING = Document(
    f"a page {EVIL}",
    prose(r"The kernel $\Theta_{\infty}$ & others."),
    (
        Section(
            EVIL,
            (
                Prose((EVIL,)),
                Display(r"\begin{aligned} a &= \frac{1}{2} \\ &= -b \end{aligned}", "1.1"),
                Bullets((Prose((EVIL,)),)),
                Listing(EVIL),
                Listing(EVIL, EVIL),
                Picture(SQUARE, EVIL),
                Refusal(EVIL),
                Table(EVIL, (Cell(EVIL), Cell("n", "n")), ((Cell(EVIL), Cell.powers("n^-1")),), (EVIL,)),
            ),
        ),
    ),
)
VOID = {"meta", "img", "br", "link"}


class Nesting(HTMLParser):
    """Which elements are open; raises where one is closed that is not."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.scripts = 0

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.scripts += tag == "script"
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture
def page(tmp_path: Path) -> Path:
    path = tmp_path / "page.html"
    path.write_text(to_html(EVERYTHING), encoding="utf-8")
    return path


def test_elements_are_nested_and_text_of_a_user_is_no_element() -> None:
    nesting = Nesting()
    nesting.feed(to_html(EVERYTHING))
    assert nesting.open == []
    assert nesting.scripts == 1


def test_nothing_is_loaded_from_anywhere() -> None:
    text = to_html(EVERYTHING)
    assert "default-src 'none'" in text
    addresses = set(re.findall(r"https?://[^\s\"'<)]+", text))
    assert addresses <= {"http://www.w3.org/1998/Math/MathML"}  # the name of a namespace, nothing that is fetched


def test_the_button_at_a_formula_holds_its_latex() -> None:
    assert r'data-tex="\begin{aligned} a &amp;= \frac{1}{2} \\ &amp;= -b \end{aligned}"' in to_html(EVERYTHING)


@needs_browser
def test_a_browser_has_nothing_to_complain_about(page: Path, tmp_path: Path) -> None:
    assert console(page) == []
    wrong = tmp_path / "wrong.html"  # complaints would be seen
    wrong.write_text(page.read_text(encoding="utf-8").replace("</body>", "<script>nothing.at.all</script></body>"))
    assert len(console(wrong)) == 1


@needs_browser
def test_a_browser_typesets_formulas_and_fits_a_phone(page: Path) -> None:
    assert measured(page, "document.querySelector('mfrac').getBoundingClientRect().height > 20") == "true"
    widths = "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
    assert measured(page, widths, size="500,800") == "true"
    assert screenshot(page).stat().st_size > 5000


@needs_browser
def test_a_dark_page_turns_its_pictures_around(page: Path) -> None:
    look = "getComputedStyle(document.querySelector('figure img')).filter"
    assert measured(page, look) == "none"
    assert "prefers-color-scheme: dark" in page.read_text(encoding="utf-8")


# --- what is shown of records -------------------------------------------------------------------------------------


def test_a_program_is_listed_and_drawn() -> None:
    program = ns.zoo.load("transformer")()
    listed, drawn = blocks(program)
    assert isinstance(listed, Listing)
    assert isinstance(drawn, Picture)
    assert listed.text == str(program)
    for label in ("v14 = contract(v7, v12)", "v3 = repeat L times", "v4 := v2", "return v29"):
        assert label in drawn.svg


@pytest.mark.parametrize("name", ns.zoo.names)
def test_boxes_of_a_drawing_do_not_overlap(name: str) -> None:
    drawn = blocks(ns.zoo.load(name)())[1]
    assert isinstance(drawn, Picture)
    found = re.findall(r'<rect x="([\d.]+)" y="([\d.]+)" width="([\d.]+)" height="([\d.]+)" (rx|stroke)', drawn.svg)
    boxes = [tuple(map(float, each[:4])) for each in found if each[4] == "rx"]
    assert len(boxes) > 3
    for i, (x, y, width, height) in enumerate(boxes):
        for left, top, wide, high in boxes[:i]:
            assert x + width <= left or left + wide <= x or y + height <= top or top + high <= y


def test_a_record_shows_its_table_and_its_figure() -> None:
    program = ns.zoo.load("mlp")()
    table, reasons = blocks(ns.scaling_table(program))
    assert isinstance(table, Table)
    assert isinstance(reasons, Listing)
    formulas, notes = blocks(ns.kernel_recursion(program))
    assert isinstance(formulas, Display)
    assert formulas.latex == ns.kernel_recursion(program).to_latex()
    assert isinstance(notes, Bullets)
    (diagram,) = blocks(ns.phase_diagram("relu", sigma_w=[1.0, 1.5, 2.0], sigma_b=[0.0, 0.1]))
    assert isinstance(diagram, Picture)


def test_a_derivation_shows_every_step_with_what_was_checked() -> None:
    step = Step("one", r"Let $x = 1$.", "x = 1", "definition", lambda: f"{Fraction(1, 2)} < 1")
    derivation = Derivation(7, "ones", "Of ones & others", (step,), ("A <b>source</b>",))
    text = to_html(derivation_document(derivation, derivation.run()))
    for part in ("7. Of ones &amp; others", "7.1 one", "By definition. Checked: 1/2 &lt; 1.", "A &lt;b&gt;source"):
        assert part in text


def test_a_lonely_dollar_is_an_error() -> None:
    with pytest.raises(NtksymError, match="dollar"):
        prose("costs $5")


# --- other forms --------------------------------------------------------------------------------------------------

LATEX = next(filter(None, map(which, ("lualatex", "pdflatex", "xelatex", "tectonic"))), None)


def test_a_pdf_needs_no_latex() -> None:
    pytest.importorskip("typst")
    made = to_pdf(EVERYTHING)
    assert made.startswith(b"%PDF-")
    assert made == to_pdf(EVERYTHING)


@pytest.mark.skipif(LATEX is None, reason="no LaTeX is installed")
def test_latex_compiles_whatever_the_text(tmp_path: Path) -> None:
    pytest.importorskip("typst")
    path = tmp_path / "page.tex"
    done = written(EVERYTHING, "tex", str(path))
    assert done.text.splitlines() == [f"wrote {tmp_path / 'page-1.pdf'}", f"wrote {path}"]
    assert LATEX is not None
    options = [] if "tectonic" in LATEX else ["-interaction=nonstopmode", "-halt-on-error"]
    made = subprocess.run([LATEX, *options, path.name], cwd=tmp_path, capture_output=True, check=False, timeout=120)
    assert made.returncode == 0, made.stdout[-2000:]
    assert (tmp_path / "page.pdf").stat().st_size > 1000
