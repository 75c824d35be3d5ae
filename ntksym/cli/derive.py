"""``ntksym derive``: the derivations, each executed, as pages."""

from __future__ import annotations

from typing import Annotated

import typer

from ntksym.cli.options import Output, option
from ntksym.cli.output import Answer, answer, write_whole
from ntksym.cli.settings import one_of
from ntksym.errors import NtksymError
from ntksym.records.derivation import Derivation
from ntksym.records.tables import Cell, Table
from ntksym.reporting.blocks import derivation_document
from ntksym.reporting.derivations import entries, entry
from ntksym.reporting.html import to_html
from ntksym.reporting.typst import require, to_pdf

FORMS = ("md", "tex", "html", "pdf")


def derive_command(
    name: Annotated[
        str | None,
        typer.Argument(metavar="NAME", show_default=False, help="Its name or number; lists all if not given."),
    ] = None,
    form: Annotated[
        str | None,
        option("--format", metavar="FORM", help=f"{', '.join(FORMS)}; if not given, what FILE ends in, else md."),
    ] = None,
    output: Output = None,
) -> Answer:
    """Execute a derivation, or list all of them.

    Every step with its formula, its justification, and what a machine has checked.
    """
    chosen = _form(form, output)
    if name is None:
        if form is not None:
            raise NtksymError("--format is for one derivation; name it, as in ntksym derive relu_edge --format tex")
        listed = _listed()
        return answer("text", output, listed, listed.to_json)
    return _page(entry(name).load(), chosen, output)


def _form(form: str | None, path: str | None) -> str:
    if form is not None:
        chosen = one_of(form, FORMS, "format")
    else:
        ending = (path or "").rpartition(".")[2].lower()
        chosen = ending if ending in FORMS else "md"
    if chosen == "pdf" and path is None:
        raise NtksymError("a PDF is no text for a terminal; name a file: -o page.pdf")
    if chosen == "pdf":
        require()
    return chosen


def _page(derivation: Derivation, form: str, path: str | None) -> Answer:
    """The derivation with its checks run; one that fails is an error that names the step."""
    checked = derivation.run()
    if form == "md":
        return Answer(derivation.to_markdown(checked), path)
    if form == "tex":
        return Answer(derivation.to_latex(checked), path)
    document = derivation_document(derivation, checked)
    if form == "html":
        return Answer(to_html(document), path)
    assert path is not None
    write_whole(path, to_pdf(document))
    return Answer(f"wrote {path}")


def _listed() -> Table:
    rows = tuple((Cell(str(each.number)), Cell(each.name), Cell(each.about)) for each in entries())
    return Table("derivations", (Cell("number"), Cell("name"), Cell("about")), rows)
