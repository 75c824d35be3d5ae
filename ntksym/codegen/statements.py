"""What a lowered formula consists of: statements for single inputs and for pairs of them, loops apart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ntksym._lazy import lazy
from ntksym.records.formula import Gram

sympy = lazy("sympy")

LEFT, RIGHT, NEXT = "__i", "__j", "__next"
"""Ends of names. A diagonal has the first two at the first and the second input of a pair; ``__next`` is what a loop
carries on. Others: ``__r`` the root of a diagonal, ``__h`` its inverse, ``__c`` the cosine of a covariance, ``__g``
what its size lacks to one."""


@dataclass(frozen=True)
class Series:
    """A dual without a closed form: of a pair, sum_k a_k(x) a_k(x') z^k with the Hermite coefficients of ``phi``.

    ``variance`` is the line whose diagonal they depend on, ``z`` the name of the variable: the cosine, or its square
    for an odd or an even function, of which every second coefficient is left out (``parity`` -1 or 1, else 0).
    """

    variance: str
    z: str
    phi: Any
    parity: int


Move = tuple[str, tuple[tuple[str, Any], ...]]
"""An operation along positions of one point, and its attributes."""
SINGLE = frozenset({"relabel", "pick", "shift", "patches"})
"""Operations after which every position holds what stood at one position before, or nothing."""


@dataclass(frozen=True)
class Window:
    """Linear operations on a line's entries, which are pairs of positions: from one space of entries to another.

    ``left`` and ``right`` are moves of the positions of the two points; then comes the mean over the axes ``shared``,
    at which both have the same index.
    """

    source: int
    target: int
    left: tuple[Move, ...]
    right: tuple[Move, ...]
    shared: tuple[tuple[str, str], ...]

    @property
    def keeps_diagonals(self) -> bool:
        """Whether diagonals are made of diagonals alone."""
        return self.left == self.right and all(op in SINGLE for op, _ in self.left)


@dataclass(frozen=True)
class Linear:
    """A line's entries moved and averaged."""

    line: str
    window: Window


@dataclass(frozen=True)
class Gap:
    """g of the covariance ``name``, moved and averaged entries of ``line``.

    ``signs`` is a name with the signs of these: that of their c, or of their g where they are never negative.
    """

    name: str
    line: str
    signs: str
    window: Window

    @property
    def cosine(self) -> str:
        """The name of its c."""
        return f"{self.name}__c"

    @property
    def ends(self) -> tuple[str, str]:
        """What it reads of either input: the roots of the line's diagonal, the inverse ones of its own."""
        return f"{self.line}__r", f"{self.name}__h"

    @property
    def reads(self) -> set[str]:
        own = {self.cosine, f"{self.line}__g", self.signs}
        return {*own, *(name + side for name in self.ends for side in (LEFT, RIGHT))}


@dataclass(frozen=True)
class Inner:
    """Inner products of inputs at positions, divided by their dimension."""

    line: str


@dataclass(frozen=True)
class Apart:
    """g of the inner products ``name`` of inputs: of nearly parallel ones from the difference of their vectors."""

    name: str

    @property
    def cosine(self) -> str:
        """The name of its c."""
        return f"{self.name}__c"

    @property
    def ends(self) -> tuple[str, ...]:
        """What it reads of either input: the inverse root of its diagonal."""
        return (f"{self.name}__h",)

    @property
    def reads(self) -> set[str]:
        return {self.cosine, *(name + side for name in self.ends for side in (LEFT, RIGHT))}


SPECIAL = Series | Linear | Gap | Inner | Apart
"""What is no expression, and computed on its own."""
Statement = tuple[str, Any]
"""A name, and the expression or what is ``SPECIAL`` that it is to hold."""


@dataclass(frozen=True)
class Part:
    """Statements that are done once, or ``times`` rounds of them, after which the ``__next`` of ``carried`` counts."""

    statements: tuple[Statement, ...]
    times: Any = None
    carried: tuple[str, ...] = ()

    @property
    def series(self) -> tuple[str, ...]:
        """The names of the series that the part sums."""
        return tuple(name for name, x in self.statements if isinstance(x, Series))


@dataclass(frozen=True)
class Routine:
    """Parts for single inputs and for pairs, one of each beside the other.

    ``kept`` are the names of the point parts that the pair parts read. ``inputs`` are the inner products that both
    start from; of those in ``angles`` c and g are needed, too. ``polynomials`` are functions of one number: names, by
    coefficients. ``stable`` tells whether no digits are lost near c = +-1, ``homogeneous`` whether outputs are products
    of powers of the inputs' norms and a function of their cosine. ``spaces`` are, where lines have positions, the axes
    of both points, and ``space`` says of each line to which one of them its entries belong.
    """

    point: tuple[Part, ...]
    pair: tuple[Part, ...]
    kept: tuple[tuple[str, ...], ...]
    inputs: tuple[Gram, ...]
    angles: frozenset[str]
    outputs: tuple[str, ...]
    polynomials: dict[tuple[float, ...], str]
    stable: bool
    homogeneous: bool
    spaces: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = ()
    space: Mapping[str, int] = field(default_factory=dict)

    @property
    def windows(self) -> tuple[Window, ...]:
        """What is done to entries, each once."""
        statements = [x for part in (*self.point, *self.pair) for _, x in part.statements]
        return tuple(dict.fromkeys(x.window for x in statements if isinstance(x, Linear | Gap)))

    def space_of(self, name: str) -> int:
        """To which space a name belongs."""
        return self.space.get(base(name), 0)


def symbol(name: str) -> Any:
    return sympy.Symbol(name, real=True)


def less(x: Any, y: Any, then: Any, otherwise: Any) -> Any:
    """``then`` where x < y."""
    return sympy.Function("less")(x, y, then, otherwise)


def inverse(x: Any) -> Any:
    """1 / x, and 0 for 0."""
    return sympy.Function("inverse")(x)


def root(name: str, side: str = "") -> Any:
    return symbol(f"{name}__r{side}")


def following(name: str) -> str:
    """The name of what takes the place of a carried number after a round."""
    own, bar, end = name.partition("__")
    return f"{own}{NEXT}{bar}{end}"


def base(name: str) -> str:
    """The line that a name belongs to."""
    return name.partition("__")[0]


def names_read(x: Any) -> set[str]:
    """The names that a statement reads, those of single inputs among them."""
    if isinstance(x, Series):
        return {x.z}
    if isinstance(x, Linear):
        return {x.line}
    if isinstance(x, Inner):
        return set()
    return x.reads if isinstance(x, Gap | Apart) else {s.name for s in x.free_symbols}


def needed(parts: tuple[Part, ...], outputs: tuple[str, ...]) -> tuple[Part, ...]:
    """Only what the outputs need."""
    found = set(outputs)
    before = -1
    while len(found) > before:
        before = len(found)
        for part in reversed(parts):
            found |= {following(name) for name in part.carried if name in found}
            for name, x in reversed(part.statements):
                if name in found:
                    found |= names_read(x)
    return tuple(
        Part(
            tuple(each for each in part.statements if each[0] in found),
            part.times,
            tuple(name for name in part.carried if name in found),
        )
        for part in parts
    )
