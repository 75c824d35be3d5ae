"""What a lowered formula consists of: statements for single inputs and for pairs of them, loops apart."""

from __future__ import annotations

from dataclasses import dataclass
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


Statement = tuple[str, Any]
"""A name, and the expression or the ``Series`` that it is to hold."""


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
    of powers of the inputs' norms and a function of their cosine.
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


def names_read(x: Any) -> set[str]:
    """The names that a statement reads, those of single inputs among them."""
    return {x.z} if isinstance(x, Series) else {s.name for s in x.free_symbols}
