"""The documentation site, built by `sphinx-build notebooks site` (extra [docs]).

Its pages are the notebooks of this folder, executed; the derivations, executed; and the docstrings. Formulas are MathML
that ntksym writes itself, so that pages need no network.
"""

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


def write_theory(app: Any) -> None:
    """A page for every derivation, with what its checks have found, in a folder that git ignores."""
    THEORY.mkdir(exist_ok=True)
    for entry in entries():
        derivation = entry.load()
        page, text = THEORY / f"{entry.number:03}_{entry.name}.md", derivation.to_markdown(derivation.run())
        if not page.exists() or page.read_text(encoding="utf-8") != text:
            page.write_text(text, encoding="utf-8")


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
