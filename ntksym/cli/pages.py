"""Documents as files: the form follows the name of the file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from ntksym.cli.options import option
from ntksym.cli.output import Answer, write_whole
from ntksym.errors import NtksymError
from ntksym.reporting.document import Document, Picture
from ntksym.reporting.html import to_html
from ntksym.reporting.tex import to_tex
from ntksym.reporting.typst import picture_pdf, require, to_pdf

FORMS = ("html", "pdf", "tex")
Page = Annotated[
    str | None,
    option("-o", "--output", metavar="FILE", help="Write to FILE.html, .pdf or .tex."),
]


def page_format(path: str | None) -> str:
    """What the name of a file ends in; raises NtksymError unless it is one of FORMS and can be made here.

    A page takes a minute, so what would keep it from being written is found before.
    """
    if path is None:
        raise NtksymError(f"name the file to write: -o report.html; a page is written as {', '.join(FORMS)}")
    form = Path(path).suffix.lower().removeprefix(".")
    if form not in FORMS:
        raise NtksymError(f"{path!r} does not end in .{', .'.join(FORMS)}; a page is written in one of these")
    if not Path(path).resolve().parent.is_dir():
        raise NtksymError(f"cannot write {path}: there is no folder {Path(path).parent}")
    if form != "html":  # pictures are turned into PDF for LaTeX, too
        require()
    return form


def written(document: Document, form: str, path: str | None) -> Answer:
    """The document in a file, whole or not at all; the answer says where it is."""
    assert path is not None
    if form == "tex":
        return _with_pictures(document, Path(path))
    write_whole(path, to_html(document) if form == "html" else to_pdf(document))
    return Answer(f"wrote {path}")


def _with_pictures(document: Document, path: Path) -> Answer:
    """LaTeX, its pictures in files beside it that are there before it is: report-1.pdf, report-2.pdf, ..."""
    pictures = [block for section in document.sections for block in section.blocks if isinstance(block, Picture)]
    files = {f"{path.stem}-{number}.pdf": picture_pdf(block.svg) for number, block in enumerate(pictures, 1)}
    text = to_tex(document, list(files))
    for name, data in files.items():
        write_whole(str(path.with_name(name)), data)
    write_whole(str(path), text)
    return Answer("\n".join(f"wrote {name}" for name in (*(str(path.with_name(n)) for n in files), str(path))))
