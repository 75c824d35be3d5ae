"""The derivations, taken up by file: beside the package in a checkout, inside of it where ntksym is installed."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path

from ntksym.errors import NtksymError
from ntksym.records.derivation import Derivation, Step

_PACKAGE = Path(__file__).parents[1]
_FILE = re.compile(r"d(\d{3})_(\w+)")
_LABEL = re.compile(r"\b[Dd]erivation (?P<name>[a-z]\w*_\w+)(?:, step \"(?P<step>[^\"]+)\")?")


@dataclass(frozen=True)
class Entry:
    """A derivation that is there, not loaded yet; ``about`` is the first line of its file."""

    number: int
    name: str
    module: str
    about: str

    def load(self) -> Derivation:
        """Import the file, which runs no check."""
        found = import_module(self.module).DERIVATION
        if not isinstance(found, Derivation):
            raise NtksymError(f"{self.module}.DERIVATION is a {type(found).__name__}, not a Derivation")
        return found


def entries() -> tuple[Entry, ...]:
    """All derivations in the order of their numbers; raises NtksymError where their files are not installed."""
    inside = _PACKAGE / "derivations"
    folder, package = (
        (inside, "ntksym.derivations") if inside.is_dir() else (_PACKAGE.parent / "derivations", "derivations")
    )
    found = []
    for path in sorted(folder.glob("d*.py")):
        named = _FILE.fullmatch(path.stem)
        if named:
            found.append(Entry(int(named[1]), named[2], f"{package}.{path.stem}", _first_line(path)))
    if not found:
        raise NtksymError(f"there are no derivations in {folder}; reinstall ntksym")
    return tuple(found)


def entry(label: str) -> Entry:
    """The derivation with this name or number; raises NtksymError that names the nearest ones."""
    known = entries()
    for each in known:
        if label in (each.name, str(each.number), f"d{each.number:03}_{each.name}"):
            return each
    near = get_close_matches(label, [each.name for each in known], 3)
    hint = f"did you mean {' or '.join(near)}?" if near else "`ntksym derive` lists them"
    raise NtksymError(f"there is no derivation {label!r}; {hint}")


def cited(text: str) -> list[tuple[Derivation, Step | None]]:
    """What a text cites as ``derivation relu_edge`` or ``derivation relu_edge, step "the edge"``, resolved.

    Raises NtksymError for a derivation or a step that does not exist.
    """
    out: list[tuple[Derivation, Step | None]] = []
    for found in _LABEL.finditer(" ".join(text.split())):
        derivation = entry(found["name"]).load()
        steps = {step.label: step for step in derivation.steps}
        if found["step"] is not None and found["step"] not in steps:
            raise NtksymError(f"{derivation.name} has no step {found['step']!r}; it has: {', '.join(steps)}")
        out.append((derivation, steps.get(found["step"] or "")))
    return out


def _first_line(path: Path) -> str:
    """What a file says it is about, read without running it: "the edge of chaos of ReLU"."""
    said = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return said.partition("\n")[0].partition(": ")[2].rstrip(".")
