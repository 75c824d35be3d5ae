"""The command that writes everything about an architecture on one page."""

import re
import time

import pytest

from ntksym.cli import report
from tests.cli.helpers import Run, refused
from tests.reporting.browser import console, measured, needs_browser

MEASURED = ("Predicted and measured", "Coordinate check")


@pytest.fixture
def derived_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the sections that draw networks, whose records have tests of their own."""
    kept = {title: records for title, records in report.SECTIONS.items() if title not in MEASURED}
    monkeypatch.setattr(report, "SECTIONS", kept)


@pytest.mark.usefixtures("derived_only")
def test_what_is_derived_stands_on_the_page_and_what_is_not_with_its_reason(run: Run) -> None:
    code, out, err = run("report", "transformer", "-o", "page.html")
    assert (code, out) == (0, "wrote page.html\n")
    with open("page.html", encoding="utf-8") as file:
        page = file.read()
    titles = re.findall(r'<h2 id="s\d">([^<]*)</h2>', page)
    assert titles == [title for title in report.SECTIONS if title not in MEASURED]
    assert "v14 = contract(v7, v12)" in page
    assert "<td>block.attn.q.w</td>" in page
    assert r"\operatorname{softmax}" in page
    refusals = re.findall(r'<p class="refusal">Not here: ([^<]*)', page)
    assert len(refusals) == 2
    assert err.count("\n") == 2
    for reason, line in zip(refusals, err.splitlines(), strict=True):
        assert reason.split("&")[0] in line


def test_it_is_also_a_pdf_and_latex(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("typst")
    few = ("The program", "How it scales", "Kernels at infinite width")
    monkeypatch.setattr(report, "SECTIONS", {title: report.SECTIONS[title] for title in few})
    assert run("report", "mlp", "-o", "page.pdf") == (0, "wrote page.pdf\n", "")
    assert run("report", "mlp", "-o", "page.tex") == (0, "wrote page-1.pdf\nwrote page.tex\n", "")
    for name in ("page.pdf", "page-1.pdf"):
        with open(name, "rb") as file:
            assert file.read(5) == b"%PDF-"
    with open("page.tex", encoding="utf-8") as file:
        text = file.read()
    assert "{page-1.pdf}" in text
    assert r"\begin{align*}" in text


@pytest.mark.parametrize("name", [None, "page", "page.docx", "page.png"])
def test_a_name_without_a_known_ending_is_refused(run: Run, name: str | None) -> None:
    assert ".html" in refused(run("report", "mlp", *(["-o", name] if name else [])))


def test_bad_input_is_refused_before_anything_is_derived(run: Run) -> None:
    assert "no architecture" in refused(run("report", "nothing", "-o", "page.html"))
    assert "--widths" in refused(run("report", "mlp", "--widths", "8", "-o", "page.html"))
    assert "optimizer" in refused(run("report", "mlp", "--optimizer", "sdg", "-o", "page.html"))
    assert "no folder" in refused(run("report", "mlp", "-o", "nowhere/page.html"))
    assert "parametrization" in refused(run("report", "mlp", "--parametrization", "nop", "-o", "page.html"))


@pytest.mark.long
@needs_browser
def test_a_whole_report_of_a_transformer(run: Run, tmp_path_factory: pytest.TempPathFactory) -> None:
    """In a minute of two cores at most, whoever else is there; a browser has nothing to complain about, nor a phone."""
    page = tmp_path_factory.mktemp("report") / "page.html"
    start = time.process_time()
    assert run("report", "transformer", "-o", str(page))[0] == 0
    assert time.process_time() - start < 2 * 60
    text = page.read_text(encoding="utf-8")
    assert all(f">{title}</h2>" in text for title in report.SECTIONS)
    assert console(page) == []
    fits = "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
    assert measured(page, fits, size="500,800") == "true"
