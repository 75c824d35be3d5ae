"""Tables in every form: nothing a user writes breaks out of its cell, and all forms hold the same entries."""

import csv
import io
import json
import re
import shutil
import subprocess
from dataclasses import FrozenInstanceError
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest

from ntksym.records import Cell, Table
from ntksym.records.escapes import markdown_escaped, one_line, tex_escaped_text
from ntksym.records.powers import powers_html, powers_latex

HOSTILE = (
    "a|b",
    "<b>&amp;</b>",
    "50% of $n_1^2$ {#}",
    "\\input{x} ~^",
    'x, "y"',
    "[1] *bold* `code`",
    "two\nlines",
    "\x1b[31mred",
    "_x_",
    "σ_w Ω",
    "n → ∞",
    "漢字",
)
LATEX = shutil.which("pdflatex") or shutil.which("tectonic")


def table(*names: str, notes: tuple[str, ...] = ("a note",)) -> Table:
    rows = tuple((Cell(name), Cell.powers("n^-1*L^(1/2)")) for name in names)
    return Table("the title", (Cell("parameter"), Cell("lr")), rows, notes)


def compiled(document: str, folder: Path) -> str:
    """What LaTeX says about a document; an error stops it."""
    assert LATEX is not None
    (folder / "it.tex").write_text(document, encoding="utf-8")
    options = ["-interaction=nonstopmode", "-halt-on-error"] if LATEX.endswith("pdflatex") else []
    done = subprocess.run(
        [LATEX, *options, "it.tex"],
        cwd=folder,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout[-2000:]
    assert (folder / "it.pdf").stat().st_size > 1000
    return done.stdout


class _Texts(HTMLParser):
    """The texts of a page's cells, tags counted."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.append(tag)
        if tag in ("td", "th", "li", "caption"):
            self.texts.append("")

    def handle_data(self, data: str) -> None:
        if self.texts:
            self.texts[-1] += data


def test_a_table_is_immutable() -> None:
    with pytest.raises(FrozenInstanceError):
        table("a").title = "other"  # type: ignore[misc]


def test_text_is_aligned_and_has_no_trailing_space() -> None:
    text = table("block.up.w", "b").to_text()
    assert text.splitlines() == [
        "the title",
        "",
        "parameter   lr",
        "----------  ------------",
        "block.up.w  n^-1*L^(1/2)",
        "b           n^-1*L^(1/2)",
        "",
        "a note",
    ]


def test_text_is_aligned_by_what_a_terminal_shows() -> None:
    wide, narrow = table("漢字", "abcd").to_text().splitlines()[4:6]
    assert wide.index("n^-1") == narrow.index("n^-1") - 2


def test_text_steers_no_terminal_and_keeps_to_its_line() -> None:
    lines = table(*HOSTILE).to_text().splitlines()
    assert len(lines) == 4 + len(HOSTILE) + 2
    assert "\x1b" not in "".join(lines)


def test_markdown() -> None:
    assert table("block.up.w").to_markdown().splitlines() == [
        "**the title**",
        "",
        "| parameter | lr |",
        "| --- | --- |",
        "| block.up.w | $n^{-1} L^{1/2}$ |",
        "",
        "- a note",
    ]


@pytest.mark.parametrize("name", HOSTILE)
def test_markdown_keeps_its_columns(name: str) -> None:
    row = table(name).to_markdown().splitlines()[4]
    assert len(re.findall(r"(?<!\\)(?:\\\\)*\|", row)) == 3
    assert not re.search(r"(?<!\\)[<*`]", row)


def test_markdown_leaves_plain_names_alone() -> None:
    assert markdown_escaped("block.d_in.w") == "block.d_in.w"
    assert markdown_escaped("_x_") == "\\_x\\_"


def test_csv_is_read_back() -> None:
    rows = list(csv.reader(io.StringIO(table(*HOSTILE).to_csv())))
    assert rows == [["parameter", "lr"], *([name, "n^-1*L^(1/2)"] for name in HOSTILE)]


def test_html_is_well_formed_and_shows_every_text() -> None:
    html = table(*HOSTILE, notes=HOSTILE).to_html()
    ElementTree.fromstring(html)
    page = _Texts()
    page.feed(html)
    assert "b" not in page.tags
    shown = [one_line(name) for name in HOSTILE]
    assert [text.strip() for text in page.texts[1:]] == [
        "parameter",
        "lr",
        *(t for name in shown for t in (name, "n−1\u2009L1/2")),
        *shown,
    ]


def test_html_names_its_classes_and_keeps_the_latex() -> None:
    html = table("w").to_html()
    assert 'class="ntksym-table"' in html
    assert 'class="ntksym-math" title="n^-1*L^(1/2)" data-tex="n^{-1} L^{1/2}"' in html
    assert "<i>n</i><sup>&#8722;1</sup>" in html


def test_an_html_page_says_its_encoding() -> None:
    page = table("σ").to_html_document()
    assert page.startswith("<!DOCTYPE html>")
    assert '<meta charset="utf-8">' in page


def test_latex_is_a_tabular_with_commented_title() -> None:
    assert table("d_in.w").to_latex().splitlines() == [
        "% the title",
        "% a note",
        r"\begin{tabular}{ll}",
        r"\hline",
        r"parameter & lr \\",
        r"\hline",
        r"d\_in.w & $n^{-1} L^{1/2}$ \\",
        r"\hline",
        r"\end{tabular}",
    ]


def test_a_comment_in_latex_cannot_end_early() -> None:
    latex = Table("title\n\\evil", (Cell("a"),), ((Cell("b"),),), ("note\r\n\\evil",)).to_latex()
    assert not any(line.startswith("\\evil") for line in latex.splitlines())


def test_greek_letters_become_commands_in_latex() -> None:
    assert tex_escaped_text("σ_w, Ω") == r"\ensuremath{\sigma}\_w, \ensuremath{\Omega}"


@pytest.mark.skipif(LATEX is None, reason="neither pdflatex nor tectonic is installed")
def test_hostile_text_compiles(tmp_path: Path) -> None:
    names = tuple(name for name in HOSTILE if name != "漢字")  # an engine with such letters needs a font, too
    document = Table(names[2], (Cell("a"), Cell("b")), tuple((Cell(x), Cell(x)) for x in names), names)
    compiled(document.to_latex_document(), tmp_path)


@pytest.mark.skipif(LATEX is None, reason="neither pdflatex nor tectonic is installed")
def test_a_long_table_stays_on_one_page(tmp_path: Path) -> None:
    rows = tuple(f"block.{i}.some.long.name.w" for i in range(300))
    said = compiled(table(*rows).to_latex_document(), tmp_path)
    assert "Overfull" not in said
    assert "1 page" in said or "tectonic" in str(LATEX)


def test_json_is_plain() -> None:
    data = table("w").to_json()
    assert json.loads(json.dumps(data)) == data
    assert data["schema"] == "ntksym.table/1"
    assert data["rows"] == [["w", "n^-1*L^(1/2)"]]


def test_notebooks_get_all_forms() -> None:
    it = table("w")
    assert (it._repr_html_(), it._repr_latex_(), it._repr_markdown_()) == (
        it.to_html(),
        it.to_latex(),
        it.to_markdown(),
    )
    assert str(it) == it.to_text()


@pytest.mark.parametrize(
    ("text", "latex"),
    [
        ("1", "1"),
        ("n^-1*L^(1/2)", "n^{-1} L^{1/2}"),
        ("n^(-1/2)", "n^{-1/2}"),
        ("max(n^-1, min(1, d_head))", r"\max(n^{-1}, \min(1, d_{\mathrm{head}}))"),
        ("4*n", "4 n"),
        ("n**2/H", "n^{2}/H"),
        ("sqrt(n)", r"\sqrt{n}"),
        ("max*n", r"\mathrm{max} n"),  # a dimension of this name
    ],
)
def test_powers_in_latex(text: str, latex: str) -> None:
    assert powers_latex(text) == latex


def test_powers_in_html() -> None:
    assert powers_html("n^-1*d_head^(1/2)") == (
        "<i>n</i><sup>&#8722;1</sup>&#8201;<i>d</i><sub>head</sub><sup>1/2</sup>"
    )
