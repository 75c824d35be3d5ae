"""The documentation site, built by `sphinx-build notebooks site` (extra [docs]); minutes, or less without pictures and
results, with `-D nb_execution_mode=off`.

Its pages are the notebooks of this folder, executed; the derivations, executed; and the docstrings. Formulas are MathML
that ntksym writes itself, so that pages need no network.
"""

from inspect import isclass, isfunction
from pathlib import Path
from typing import Any

from docutils import nodes

import ntksym
from ntksym.reporting.derivations import entries
from ntksym.reporting.formulas import to_mathml

project = "ntksym"
version = release = ntksym.__version__
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["images"]
html_theme = "furo"
html_title = "ntksym"
html_math_renderer = "ntksym"
html_copy_source = False
myst_enable_extensions = ["dollarmath"]
nb_execution_mode = "force"
nb_execution_timeout = 300
nb_execution_raise_on_error = True
autodoc_typehints = "none"
autodoc_member_order = "bysource"

HERE = Path(__file__).parent
THEORY = HERE / "theory"
API = HERE / "api"


def write_theory(app: Any) -> None:
    """A page for every derivation, with what its checks have found, in a folder that git ignores."""
    THEORY.mkdir(exist_ok=True)
    for entry in entries():
        derivation = entry.load()
        page, text = THEORY / f"{entry.number:03}_{entry.name}.md", derivation.to_markdown(derivation.run())
        if not page.exists() or page.read_text(encoding="utf-8") != text:
            page.write_text(text, encoding="utf-8")


def write_api(app: Any) -> None:
    """A page for every room: what of it has a public name, from the docstrings."""
    API.mkdir(exist_ok=True)
    rooms: dict[str, list[str]] = {}
    for name in dir(ntksym):
        value = getattr(ntksym, name)
        room = getattr(value, "__module__", None) or ""
        if (isclass(value) or isfunction(value)) and room.startswith("ntksym."):
            directive = "autoclass" if isclass(value) else "autofunction"
            members = "   :members:\n" if isclass(value) else ""
            rooms.setdefault(room.split(".")[1], []).append(f".. {directive}:: ntksym.{name}\n{members}")
    for room, found in rooms.items():
        text = "\n".join([room, "=" * len(room), "", f".. automodule:: ntksym.{room}", "   :no-members:", "", *found])
        (API / f"{room}.rst").write_text(text, encoding="utf-8")


def foreign(app: Any, what: str, name: str, value: Any, skip: bool, options: Any) -> bool | None:
    """Methods that scikit-learn adds by itself link to pages of its own."""
    return True if name.startswith("set_") and name.endswith("_request") else None


def inline(translator: Any, node: Any) -> None:
    translator.body.append(to_mathml(node.astext()))
    raise nodes.SkipNode


def display(translator: Any, node: Any) -> None:
    made = to_mathml(node.astext(), display=True)
    translator.body.append(f'<div style="overflow: auto hidden; padding: .5rem 0">{made}</div>')
    raise nodes.SkipNode


def setup(app: Any) -> None:
    """Called by Sphinx."""
    app.add_html_math_renderer("ntksym", (inline, None), (display, None))
    app.connect("builder-inited", write_theory)
    app.connect("builder-inited", write_api)
    app.connect("autodoc-skip-member", foreign)
