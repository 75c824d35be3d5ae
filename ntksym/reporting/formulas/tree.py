"""What a formula is made of, whatever it is written in."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Token:
    """One sign: a ``letter`` (slanted), an ``upright`` word, a ``number`` or an ``operator``."""

    kind: str
    text: str


@dataclass(frozen=True)
class Words:
    """Running text inside of a formula."""

    text: str


@dataclass(frozen=True)
class Space:
    """A gap, in em; negative ones draw together."""

    em: float


@dataclass(frozen=True)
class Row:
    """Parts one after the other."""

    parts: tuple[Node, ...]


@dataclass(frozen=True)
class Fraction:
    """A quotient."""

    over: Node
    under: Node


@dataclass(frozen=True)
class Root:
    """A square root, or one of another degree."""

    of: Node
    degree: Node | None = None


@dataclass(frozen=True)
class Scripts:
    """Indices and powers; ``limits`` puts them under and over the base, as sums have them in a display."""

    base: Node
    below: Node | None
    above: Node | None
    limits: bool = False


@dataclass(frozen=True)
class Accent:
    """A mark over something: ``mark`` is the sign itself."""

    mark: str
    of: Node


@dataclass(frozen=True)
class Fenced:
    """Brackets as tall as what they hold; an empty text is no bracket."""

    left: str
    of: Node
    right: str


@dataclass(frozen=True)
class Grid:
    """Rows of cells: an aligned display (``columns`` such as ``rl``), an array or a matrix."""

    rows: tuple[tuple[Node, ...], ...]
    columns: str
    display: bool = False


Node = Token | Words | Space | Row | Fraction | Root | Scripts | Accent | Fenced | Grid
