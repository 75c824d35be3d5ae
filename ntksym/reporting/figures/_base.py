"""The registry of figures, and their forms as files."""

from __future__ import annotations

from functools import singledispatch
from html import escape
from io import BytesIO
from pathlib import Path
from typing import Any

from ntksym._lazy import lazy
from ntksym.errors import NtksymError

matplotlib = lazy("matplotlib")

FORMATS = ("png", "svg", "pdf", "html")
# no date, and names of parts that do not change: the same record gives the same file
_METADATA: dict[str, dict[str, Any]] = {"png": {"Software": None}, "svg": {"Date": None}, "pdf": {"CreationDate": None}}

_STYLE = "svg { width: 100%; height: auto; }"


@singledispatch
def figure(record: object) -> Any:
    """The matplotlib figure of a record; raises NtksymError for a record that has none."""
    known = ", ".join(sorted(kind.__name__ for kind in figure.registry if kind is not object))
    raise NtksymError(f"there is no figure of a {type(record).__name__}; figures exist of: {known or 'nothing yet'}")


def image_format(path: str) -> str:
    """What the name of a file ends in; raises NtksymError unless it is one of FORMATS."""
    suffix = Path(path).suffix.lower().removeprefix(".")
    if suffix not in FORMATS:
        raise NtksymError(f"{path!r} does not end in .{', .'.join(FORMATS)}; a figure is written in one of these")
    return suffix


def image(record: object, form: str) -> bytes:
    """The figure of a record as the contents of a file of this form; html is a page with the svg inside."""
    return _page(figure(record)) if form == "html" else saved(figure(record), form)


def saved(made: Any, form: str, *, transparent: bool = False) -> bytes:
    """A figure as the contents of a png, svg or pdf file; the same figure gives the same bytes."""
    out = BytesIO()
    with matplotlib.rc_context({"svg.hashsalt": "ntksym"}):
        made.savefig(out, format=form, dpi=150, metadata=_METADATA[form], transparent=transparent)
    return out.getvalue()


def _page(made: Any) -> bytes:
    svg = saved(made, "svg").decode()
    head = f'<meta charset="utf-8">\n<title>{escape(made.get_suptitle() or "ntksym")}</title>\n<style>{_STYLE}</style>'
    body = svg[svg.index("<svg") :]
    return f'<!DOCTYPE html>\n<html lang="en">\n<head>\n{head}\n</head>\n<body>\n{body}</body>\n</html>\n'.encode()
