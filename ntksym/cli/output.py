"""What leaves the command: to a terminal, a pipe or a file, whole or not at all."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from stat import S_IMODE
from typing import Any

from ntksym._lazy import lazy
from ntksym.cli.settings import one_of
from ntksym.errors import NtksymError
from ntksym.records.escapes import one_line
from ntksym.records.tables import Table

rich_box, rich_console = lazy("rich.box"), lazy("rich.console")
rich_table, rich_text = lazy("rich.table"), lazy("rich.text")

FORMATS: dict[str, Callable[[Table], str]] = {
    "text": Table.to_text,
    "markdown": Table.to_markdown,
    "latex": Table.to_latex_document,
    "csv": Table.to_csv,
    "html": Table.to_html_document,
}
SUFFIXES = {".md": "markdown", ".tex": "latex", ".csv": "csv", ".html": "html", ".json": "json"}


@dataclass(frozen=True)
class Answer:
    """A command's result: a text, the file it goes to if any, and the exit code.

    ``table`` is what a terminal shows in colour instead of the text.
    """

    text: str
    path: str | None = None
    code: int = 0
    table: Table | None = None


def format_of(form: str | None, path: str | None, *more: str) -> str:
    """The form asked for, or the one that the name of the file suggests; ``more`` are forms of this answer alone."""
    if form is None:
        suffixes = SUFFIXES | {f".{other}": other for other in more}
        return suffixes.get(Path(path or "").suffix.lower(), "text")
    return one_of(form, (*FORMATS, "json", *more), "format")


def answer(
    form: str, path: str | None, table: Table, to_json: Callable[[], Any], *, text: str | None = None, code: int = 0
) -> Answer:
    """A record in the form asked for; ``text`` where plain text is not the table's."""
    if form == "json":
        return Answer(json.dumps(to_json(), indent=2), path, code)
    if form == "text" and text is not None:
        return Answer(text, path, code)
    return Answer(FORMATS[form](table), path, code, table if form == "text" else None)


def complain(message: str) -> None:
    """One line on standard error."""
    print(_encodable(f"ntksym: {one_line(message)}", sys.stderr), file=sys.stderr)


def deliver(result: Answer) -> int:
    """Write an answer where it belongs; its exit code."""
    if result.path is not None and result.path != "-":
        write_whole(result.path, result.text.rstrip("\n") + "\n")
        return result.code
    try:
        if result.table is not None and sys.stdout.isatty() and not os.environ.get("NO_COLOR"):
            _show(result.table)
        else:
            print(_encodable(result.text.rstrip("\n"), sys.stdout))
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        abandon_output()
        raise NtksymError(f"cannot write: {error.strerror or error}") from None
    return result.code


def abandon_output() -> None:
    """Let what is still buffered go nowhere: Python would complain once more when it flushes at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _encodable(text: str, stream: Any) -> str:
    """The text in what the stream can write: a terminal without Unicode gets escapes."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)


def write_whole(name: str, contents: str | bytes) -> None:
    """Write a file by renaming a finished one, so that nobody ever sees half of it."""
    target = Path(os.path.realpath(name))
    data = contents.encode() if isinstance(contents, str) else contents
    try:
        if target.exists() and not target.is_file() and not target.is_dir():
            target.write_bytes(data)  # a device or a pipe must not be replaced by a file
            return
        if target.is_dir():
            raise IsADirectoryError(21, "it is a directory")
        handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        try:
            with open(handle, "wb") as file:
                file.write(data)
            os.chmod(temporary, _mode(target))
            os.replace(temporary, target)
        except BaseException:
            with suppress(OSError):
                os.unlink(temporary)
            raise
    except OSError as error:
        raise NtksymError(f"cannot write {name}: {error.strerror or error}") from None


def _mode(target: Path) -> int:
    """The permissions that an ordinary open would leave a file with."""
    if target.exists():
        return S_IMODE(target.stat().st_mode)
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask


def _show(table: Table) -> None:
    """The table in colour, folded to the width of the terminal."""
    console = rich_console.Console(highlight=False)
    grid = rich_table.Table(
        box=rich_box.SIMPLE_HEAD, header_style="bold", show_edge=False, pad_edge=False, padding=(0, 1, 0, 0)
    )
    for i, cell in enumerate(table.columns):
        name = rich_text.Text(one_line(cell.text))
        grid.add_column(name, style="cyan" if i == 0 else "", no_wrap=i == 0, overflow="fold")
    for row in table.rows:
        grid.add_row(*(rich_text.Text(one_line(cell.text)) for cell in row))
    console.print(rich_text.Text(one_line(table.title), style="bold"), end="\n\n")
    console.print(grid)
    console.print()
    for note in table.notes:
        console.print(rich_text.Text(one_line(note)))
