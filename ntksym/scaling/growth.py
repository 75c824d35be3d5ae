"""``Growth``: how something grows with several dimensions, as maxima and minima of monomials with exact exponents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from ntksym.scaling.cones import Cone, Form, Ray, highest, lowest, monomial
from ntksym.scaling.directions import explore

Linear = tuple[Fraction, ...]


@dataclass(frozen=True)
class Growth:
    """How something grows with the large dimensions: a maximum over minima of monomials, as exact exponents.

    ``terms`` is a tuple of groups; the growth is the largest over groups of the smallest in a group. A single
    linear form is one group of one. No groups: zero (or never).
    """

    names: tuple[str, ...]
    terms: tuple[tuple[Linear, ...], ...]

    @staticmethod
    def of(cells: Sequence[tuple[Cone, Form]], names: tuple[str, ...]) -> Growth:
        """The continuous piecewise linear function with one form on each cell."""
        if all(form.is_never for _, form in cells):
            return Growth(names, ())
        pieces = [(cone, form) for cone, form in cells if form.finite]
        forms = list(dict.fromkeys(form.exponents() for _, form in pieces))
        if len(forms) == 1:
            return Growth(names, ((forms[0],),))
        # Lattice form (Tarela & Martinez 1999): on each cell, the minimum of all forms that lie above its own there.
        groups: dict[tuple[Linear, ...], None] = {}
        for cone, form in pieces:
            own = form.exponents()
            groups.setdefault(tuple(f for f in forms if all(_at(f, r) >= _at(own, r) for r in cone.rays)))
        return Growth(names, _pruned(tuple(groups), pieces))

    @property
    def is_zero(self) -> bool:
        """Whether the thing itself is zero (its exponent minus infinity)."""
        return not self.terms

    @property
    def linear(self) -> dict[str, Fraction] | None:
        """The exponents, one for each large dimension, where one monomial is all; else None."""
        if len(self.terms) == 1 and len(self.terms[0]) == 1:
            return dict(zip(self.names, self.terms[0][0], strict=True))
        return None

    def slopes(self, dim: str) -> tuple[Fraction, Fraction]:
        """The least and the largest exponent of one dimension as it grows alone, among powers this is the maximum of.

        The largest is the one in the limit; at finite sizes it may be any of them, and anything between.
        """
        place = self.names.index(dim)
        powers = [min(form[place] for form in group) for group in self.terms]
        return min(powers), max(powers)

    def factor(self, sizes: Mapping[str, float]) -> float:
        """The number at concrete sizes of the large dimensions (those not named count as 1)."""
        if self.is_zero:
            return 0.0

        def power(form: Linear) -> float:
            out = 1.0
            for name, exponent in zip(self.names, form, strict=True):
                out *= float(sizes.get(name, 1.0)) ** float(exponent)
            return out

        return max(min(power(form) for form in group) for group in self.terms)

    def __str__(self) -> str:
        if self.is_zero:
            return "0"

        def text(form: Linear) -> str:
            return monomial(dict(zip(self.names, form, strict=True)))

        groups = [
            text(group[0]) if len(group) == 1 else f"min({', '.join(text(f) for f in group)})" for group in self.terms
        ]
        return groups[0] if len(groups) == 1 else f"max({', '.join(groups)})"


def _at(form: Linear, ray: Ray) -> Fraction:
    return sum((a * b for a, b in zip(form, ray, strict=True)), Fraction(0))


Groups = tuple[tuple[Linear, ...], ...]


def _pruned(groups: Groups, pieces: Sequence[tuple[Cone, Form]]) -> Groups:
    """The same function with every group and every form left out that can be."""
    for group in groups:
        rest = tuple(g for g in groups if g != group)
        if rest and _is(rest, pieces):
            groups = rest
    for i in range(len(groups)):
        for form in groups[i]:
            less = tuple(f for f in groups[i] if f != form)
            tried = (*groups[:i], less, *groups[i + 1 :])
            if less and _is(tried, pieces):
                groups = tried
    return groups


def _is(groups: Groups, pieces: Sequence[tuple[Cone, Form]]) -> bool:
    """Whether a maximum of minima is the given form on every cell: exactly, by cutting cells where needed."""

    def value(cone: Cone) -> Form:
        smallest = [lowest(*(cone.scaled(form) for form in group)) for group in groups]
        return highest(*smallest)

    return all(found == form for cone, form in pieces for _, found in explore(cone, value))
