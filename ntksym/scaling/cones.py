"""Linear forms in the rates of growing dimensions, and the cones of directions in which they are compared.

A ``Form`` is a linear form in the rates at which the large dimensions grow. Which of two forms is larger may
depend on the direction (is n^(1/2) larger than H?). A derivation therefore runs inside a ``Cone`` of directions;
when a comparison has no answer valid in the whole cone, ``Undecided`` is raised (see ntksym.scaling.directions).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

from ntksym.errors import ScalingError
from ntksym.language.dims import Size

Ray = tuple[int, ...]


class Undecided(Exception):
    """Two forms whose order changes inside of the cone; carries their difference."""

    def __init__(self, difference: Ray) -> None:
        self.difference = difference


@dataclass(frozen=True)
class Cone:
    """The directions that are non-negative combinations of ``rays``, and the dimensions' rates as forms.

    Coefficients are integers in units of 1/``unit``.
    """

    names: tuple[str, ...]
    rays: tuple[Ray, ...]
    rates: Mapping[str, tuple[Fraction, ...]]
    unit: int

    @cached_property
    def _forms(self) -> dict[int, tuple[Size, Form]]:
        """Forms already made, by the identity of the size (which is kept, so that it stays its own)."""
        return {}

    def form(self, size: Size) -> Form:
        """The growth of a size; fixed dimensions and coefficients do not grow."""
        found = self._forms.get(id(size))
        if found is None:
            totals = [Fraction(0)] * len(self.names)
            for dim, power in size.powers:
                totals = [t + power * rate for t, rate in zip(totals, self.rates[dim.name], strict=True)]
            found = self._forms[id(size)] = size, self.scaled(totals)
        return found[1]

    def scaled(self, exponents: Sequence[Fraction]) -> Form:
        coefficients = [e * self.unit for e in exponents]
        if any(c.denominator != 1 for c in coefficients):
            raise ScalingError(f"the exponents {exponents} are finer than the program's unit 1/{self.unit}")
        return Form(tuple(int(c) for c in coefficients), self)

    @cached_property
    def zero(self) -> Form:
        return Form((0,) * len(self.names), self)

    @cached_property
    def never(self) -> Form:
        """Minus infinity: the size of zero."""
        return Form(None, self, -1)

    @cached_property
    def unbounded(self) -> Form:
        """Plus infinity: the budget of what nothing reads."""
        return Form(None, self, 1)

    def orientation(self, coefficients: Ray) -> int:
        """The sign of a form on the whole cone; raises Undecided where it changes."""
        low = high = False
        for ray in self.rays:
            value = sum(a * b for a, b in zip(coefficients, ray, strict=True))
            low, high = low or value < 0, high or value > 0
        if low and high:
            raise Undecided(coefficients)
        return 1 if high else -1 if low else 0


class Form:
    """A linear form in the rates, or plus or minus infinity; ordered by its cone."""

    __slots__ = ("coefficients", "cone", "infinity")

    def __init__(self, coefficients: Ray | None, cone: Cone, infinity: int = 0) -> None:
        self.coefficients, self.cone, self.infinity = coefficients, cone, infinity

    def __add__(self, other: Form) -> Form:
        a, b = self.coefficients, other.coefficients
        if a is None or b is None:
            # Minus infinity wins: nothing times anything is nothing.
            lowest = min(self.infinity, other.infinity)
            return self.cone.never if lowest < 0 else self.cone.unbounded
        if len(a) == 1:
            return Form((a[0] + b[0],), self.cone)
        return Form(tuple(map(int.__add__, a, b)), self.cone)

    def __neg__(self) -> Form:
        if self.coefficients is None:
            return self.cone.unbounded if self.infinity < 0 else self.cone.never
        return Form(tuple(-c for c in self.coefficients), self.cone)

    def __sub__(self, other: Form) -> Form:
        return self + -other

    def __truediv__(self, by: int) -> Form:
        return self if self.coefficients is None else self.times(Fraction(1, by))

    def times(self, factor: Fraction | int) -> Form:
        if self.coefficients is None:
            return self if factor > 0 else self.cone.zero if factor == 0 else -self
        factor = Fraction(factor)
        numerators = [c * factor.numerator for c in self.coefficients]
        if any(c % factor.denominator for c in numerators):
            raise ScalingError(f"{self} times {factor} is finer than the unit 1/{self.cone.unit}")
        return Form(tuple(c // factor.denominator for c in numerators), self.cone)

    @property
    def finite(self) -> bool:
        return self.coefficients is not None

    @property
    def is_never(self) -> bool:
        return self.infinity < 0

    def compare(self, other: Form) -> int:
        """-1, 0 or 1 in the whole cone; raises Undecided where the direction decides."""
        if self.coefficients is None or other.coefficients is None:
            return (self.infinity > other.infinity) - (self.infinity < other.infinity)
        if self.coefficients == other.coefficients:
            return 0
        if len(self.coefficients) == 1:
            return 1 if self.coefficients[0] > other.coefficients[0] else -1
        return self.cone.orientation(tuple(map(int.__sub__, self.coefficients, other.coefficients)))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Form) and (self.coefficients, self.infinity) == (
            other.coefficients,
            other.infinity,
        )

    def __hash__(self) -> int:
        return hash((self.coefficients, self.infinity))

    def __lt__(self, other: Form) -> bool:
        return self.compare(other) < 0

    def __gt__(self, other: Form) -> bool:
        return self.compare(other) > 0

    def __le__(self, other: Form) -> bool:
        return self.compare(other) <= 0

    def __ge__(self, other: Form) -> bool:
        return self.compare(other) >= 0

    def exponents(self) -> tuple[Fraction, ...]:
        assert self.coefficients is not None
        return tuple(Fraction(c, self.cone.unit) for c in self.coefficients)

    def __repr__(self) -> str:
        if self.coefficients is None:
            return "-inf" if self.infinity < 0 else "+inf"
        return monomial(dict(zip(self.cone.names, self.exponents(), strict=True)))


def highest(first: Form, *others: Form) -> Form:
    """The largest form. Those below another everywhere drop out before any undecided comparison is asked."""
    return _extreme(1, (first, *others))


def lowest(first: Form, *others: Form) -> Form:
    """The smallest form."""
    return _extreme(-1, (first, *others))


def _extreme(sense: int, forms: tuple[Form, ...]) -> Form:
    top = forms[0]
    try:
        for form in forms[1:]:
            if sense * form.compare(top) > 0:
                top = form
    except Undecided:
        return _undominated(sense, forms)
    return top


def _undominated(sense: int, forms: tuple[Form, ...]) -> Form:
    """The extreme form where some pairs have no order: those below another everywhere drop out first."""
    best: list[Form] = []
    for form in forms:
        keep, dominated = [], False
        for other in best:
            try:
                order = sense * form.compare(other)
            except Undecided:
                keep.append(other)
                continue
            if order <= 0:
                dominated = True
                break
        else:
            best = [*keep, form]
        if dominated:
            continue
    if len(best) > 1:
        best[0].compare(best[1])  # raises Undecided: only now is it needed
    return best[0]


def monomial(exponents: Mapping[str, Fraction]) -> str:
    """``n^-1*L^(1/2)``; "1" when nothing grows."""
    parts = []
    for name, power in exponents.items():
        if power:
            parts.append(name if power == 1 else f"{name}^{power}" if power.denominator == 1 else f"{name}^({power})")
    return "*".join(parts) or "1"
