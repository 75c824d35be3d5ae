"""A derivation in every cell of directions, and its quantities put together over the cells."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Generic, TypeVar

from ntksym.errors import ScalingError
from ntksym.language.program import Program, node_sizes
from ntksym.scaling.cones import Cone, Form
from ntksym.scaling.directions import directions, explore
from ntksym.scaling.growth import Growth

T = TypeVar("T")


@dataclass(frozen=True)
class Cells(Generic[T]):
    """What was derived in each cell; together the cells cover all directions in which ``large`` may grow."""

    large: tuple[str, ...]
    cells: tuple[tuple[Cone, T], ...]

    def growth(self, pick: Callable[[T], Form | None]) -> Growth | None:
        """One quantity over all cells; None where it does not exist."""
        found = [(cone, pick(value)) for cone, value in self.cells]
        present = [(cone, form) for cone, form in found if form is not None]
        return Growth.of(present, self.large) if len(present) == len(found) else None

    def certainly(self, pick: Callable[[T], Form]) -> Growth:
        """One quantity that exists in every cell."""
        return Growth.of([(cone, pick(value)) for cone, value in self.cells], self.large)

    def values(self) -> tuple[T, ...]:
        return tuple(value for _, value in self.cells)


def over_cells(
    program: Program, large: Sequence[str] | None, derive: Callable[[Cone], T], finer: Iterable[Fraction] = ()
) -> Cells[T]:
    """Run a derivation over all directions in which the dimensions named ``large`` may grow.

    All comparisons of forms belong inside ``derive``; ``finer`` are exponents from outside of the program that its
    arithmetic must be able to hold. Raises ScalingError where there is no such direction.
    """
    names = large_dims(program, large)
    powers = [power for node in program.nodes.values() for size in node_sizes(node) for _, power in size.powers]
    powers.extend(finer)
    cells: list[tuple[Cone, T]] = []
    lengths = {size for node in program.nodes.values() for size in node.type.sizes()}
    for root in directions(program.dims, names, powers, lengths):
        cells.extend(explore(root, derive))
    return Cells(names, tuple(cells))


def large_dims(program: Program, large: Sequence[str] | None) -> tuple[str, ...]:
    """The names of the dimensions to take large: those asked for, or all that the program declares large."""
    known = [dim.name for dim in program.dims]
    if large is None:
        names = tuple(dim.name for dim in program.dims if dim.large and dim.equals is None)
    else:
        large = large.replace(",", " ").split() if isinstance(large, str) else large
        names = tuple(dict.fromkeys(getattr(name, "name", name) for name in large))
        for name in names:
            if name not in known:
                raise ScalingError(f"{program.name} has no dimension {name!r}; it has: {', '.join(known) or 'none'}")
    if not names:
        raise ScalingError(f"{program.name} has no large dimension; make one with ns.dims, or name one as large")
    return names
