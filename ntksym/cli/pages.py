"""Documents as files: the form follows the name of the file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from ntksym.cli.output import Answer, write_whole
from ntksym.errors import NtksymError
from ntksym.reporting.document import Document
from ntksym.reporting.html import to_html

FORMS: dict[str, Callable[[Document], str | bytes]] = {"html": to_html}
Page = Annotated[
    str | None,
    typer.Option("-o", "--output", metavar="FILE", show_default=False, help="Write to FILE.html, .pdf or .tex."),
]


def page_format(path: str | None) -> str:
    """What the name of a file ends in; raises NtksymError unless it is one of FORMS."""
    if path is None:
        raise NtksymError(f"name the file to write: -o report.html; a page is written as {', '.join(FORMS)}")
    form = Path(path).suffix.lower().removeprefix(".")
    if form not in FORMS:
        raise NtksymError(f"{path!r} does not end in .{', .'.join(FORMS)}; a page is written in one of these")
    return form


def written(document: Document, form: str, path: str | None) -> Answer:
    """The document in a file, whole or not at all; the answer says where it is."""
    assert path is not None
    write_whole(path, FORMS[form](document))
    return Answer(f"wrote {path}")
