"""Documents as one page of HTML that needs nothing else: no network, no fonts, no scripts of others.

Formulas are MathML, which browsers typeset. The page follows the reader's choice of light or dark, and the width of a
phone; a button at each formula and table copies its LaTeX. A policy in its head forbids all loading.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Sequence
from html import escape
from typing import Any

from ntksym.records.escapes import one_line
from ntksym.records.tables import Cell, Table
from ntksym.reporting.document import Bullets, Display, Document, Formula, Listing, Picture, Prose, Refusal, Section
from ntksym.reporting.formulas import to_mathml

_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"

_STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #8881; --accent: light-dark(#0b5cad, #7db7ff); }
body { font: 1rem/1.55 system-ui, sans-serif; margin: 0 auto; max-width: 62rem; overflow-wrap: anywhere;
  padding: 1rem; }
h1 { font-size: 1.7rem; line-height: 1.2; } h2 { margin-top: 2.5rem; border-bottom: 1px solid var(--line); }
a { color: var(--accent); } nav { display: flex; flex-wrap: wrap; gap: .3rem 1rem; margin: 1rem 0; }
math { font-size: 1.05em; } .wide { overflow: auto hidden; padding: .5rem 0; overflow-wrap: normal; }
.display { margin: 1rem 0; } .display math[display] { margin: 0; width: max-content; }
pre { background: var(--soft); border-radius: .4rem; font-size: .82rem; line-height: 1.4; margin: 0; padding: .8rem; }
table { border-collapse: collapse; font-size: .92rem; } caption { font-weight: bold; text-align: left; }
th, td { border-bottom: 1px solid var(--line); padding: .25rem 1rem .25rem 0; text-align: left; white-space: nowrap; }
.notes { color: color-mix(in srgb, currentColor 75%, transparent); font-size: .9rem; padding-left: 1.2rem; }
.refusal { border-left: .25rem solid var(--line); padding: .2rem 0 .2rem 1rem; }
summary { cursor: pointer; } figure { margin: 1rem 0; } figure img { height: auto; max-width: 100%; }
button { background: none; border: 1px solid var(--line); border-radius: .3rem; color: inherit; cursor: pointer;
  display: block; font: inherit; font-size: .75rem; margin-left: auto; padding: .1rem .5rem; }
@media (prefers-color-scheme: dark) { figure img { filter: invert(1) hue-rotate(180deg); } }
@media print { button, nav { display: none; } }
"""

_SCRIPT = """
document.addEventListener("click", async (event) => {
  const button = event.target.closest("button[data-tex]");
  if (!button) return;
  const said = button.textContent, area = document.createElement("textarea");
  area.value = button.dataset.tex;
  document.body.append(area);
  area.select();
  const copied = document.execCommand("copy");
  area.remove();
  button.textContent = copied ? "copied" : "not copied";
  setTimeout(() => { button.textContent = said; }, 1200);
});
"""


def to_html(document: Document) -> str:
    """The page; raises NtksymError for a formula that cannot be read."""
    title = escape(one_line(document.title))
    links = "".join(f'<a href="#s{i}">{_text(s.title)}</a>' for i, s in enumerate(document.sections, 1))
    body = "\n".join(_section(section, i) for i, section in enumerate(document.sections, 1))
    return "\n".join(
        (
            '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{title}</title>\n<style>{_STYLE}</style>\n</head>\n<body>",
            f"<h1>{title}</h1>\n{_prose(document.lead)}",
            f"<nav>{links}</nav>\n{body}",
            f"<script>{_SCRIPT}</script>\n</body>\n</html>\n",
        )
    )


def _section(section: Section, number: int) -> str:
    blocks = "\n".join(_WRITERS[type(block)](block) for block in section.blocks)
    return f'<section>\n<h2 id="s{number}">{_text(section.title)}</h2>\n{blocks}\n</section>'


def _text(text: str) -> str:
    return escape(one_line(text))


def _inline(prose: Prose) -> str:
    return "".join(to_mathml(part.latex) if isinstance(part, Formula) else escape(part) for part in prose.parts)


def _prose(prose: Prose) -> str:
    return f"<p>{_inline(prose)}</p>"


def _copy(latex: str) -> str:
    return f'<button type="button" data-tex="{escape(latex)}">copy LaTeX</button>'


def _display(block: Display) -> str:
    label = f' <span class="label">({escape(block.label)})</span>' if block.label else ""
    made = to_mathml(block.latex, display=True)
    return f'<div class="display">{_copy(block.latex)}<div class="wide">{made}{label}</div></div>'


def _bullets(block: Bullets) -> str:
    return f"<ul>{''.join(f'<li>{_inline(item)}</li>' for item in block.items)}</ul>"


def _listing(block: Listing) -> str:
    body = f'<pre class="wide">{escape(block.text)}</pre>'
    return f"<details>\n<summary>{_text(block.title)}</summary>\n{body}\n</details>" if block.title else body


def _picture(block: Picture) -> str:
    data, shows = b64encode(block.svg.encode()).decode(), _text(block.shows)
    image = f'<img src="data:image/svg+xml;base64,{data}" alt="{shows}">'
    return f"<figure>{image}<figcaption>{shows}</figcaption></figure>"


def _refusal(block: Refusal) -> str:
    return f'<p class="refusal">{_text(block.reason)}</p>'


def _table(table: Table) -> str:
    def row(tag: str, cells: Sequence[Cell]) -> str:
        shown = (to_mathml(cell.latex) if cell.latex else _text(cell.text) for cell in cells)
        return f"<tr>{''.join(f'<{tag}>{entry}</{tag}>' for entry in shown)}</tr>"

    caption = f"<caption>{_text(table.title)}</caption>" if table.title else ""
    body = "\n".join(row("td", cells) for cells in table.rows)
    notes = "".join(f"<li>{_text(note)}</li>" for note in table.notes)
    return "\n".join(
        (
            f'<div class="display">{_copy(table.to_latex())}<div class="wide"><table>{caption}',
            f"<thead>{row('th', table.columns)}</thead>\n<tbody>{body}</tbody></table></div></div>",
            *([f'<ul class="notes">{notes}</ul>'] if notes else []),
        )
    )


_WRITERS: dict[type, Callable[[Any], str]] = {
    Prose: _prose,
    Display: _display,
    Bullets: _bullets,
    Listing: _listing,
    Picture: _picture,
    Refusal: _refusal,
    Table: _table,
}
