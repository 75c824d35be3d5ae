"""What is half of something: the parts of a normalisation or of rotary angles, until they meet their other half.

A forward pass writes these in several operations, none of which means anything alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ntksym.errors import FrameworkError
from ntksym.frameworks.torch.layout import Tensor, to_coord, to_positions
from ntksym.language.dims import ONE, Size
from ntksym.language.ops import normalise, rotate


@dataclass(frozen=True)
class MeanSquare:
    """The mean of x^2 over the coordinates, and what has been done to it: a root, an inverse."""

    of: Tensor
    root: bool = False
    inverse: bool = False
    partial = True
    words = "the mean of squares"

    def under_root(self) -> MeanSquare:
        return replace(self, root=True)

    def inverted(self, *, root: bool) -> MeanSquare:
        return replace(self, root=self.root or root, inverse=True)

    def divides(self, x: Tensor) -> Tensor:
        """x divided by its root mean square; of anything else it is refused."""
        if not self.root or x.value.id != self.of.value.id:
            raise FrameworkError("a value meets the mean of squares of another; expected x / sqrt(mean(x^2))")
        return normalised(x, x.dims[-1] if x.dims else ())


def normalised(x: Tensor, atoms: tuple[object, ...], *, centre: bool = False) -> Tensor:
    """x over its root mean square along these atoms."""
    x = to_coord(x, atoms)  # type: ignore[arg-type]
    return replace(x, value=normalise(x.value, centre=centre))


@dataclass(frozen=True)
class Coins:
    """Random numbers of this shape, each ``factor`` with probability ``keep`` and else zero."""

    shape: tuple[Size, ...]
    keep: Size
    factor: Size = ONE
    partial = True
    words = "random zeros and ones"


@dataclass(frozen=True)
class Half:
    """What a value is: the first or the second half of the coordinates of x, with a sign."""

    of: Tensor
    second: bool
    negative: bool = False


@dataclass(frozen=True)
class Turned:
    """The two halves of the coordinates of x changed places, with a sign: a quarter turn of every pair."""

    of: Tensor
    partial = True
    words = "a quarter turn of the coordinates"


def quarter_turn(halves: Sequence[Half | None]) -> Turned | None:
    """What is joined from the two halves of one value, the second first and one of them negative."""
    one, other = halves if len(halves) == 2 else (None, None)
    if one is None or other is None or one.of.value.id != other.of.value.id:
        return None
    return Turned(one.of) if one.second > other.second and one.negative != other.negative else None


@dataclass(frozen=True)
class Modulated:
    """x, or its quarter turn, times a constant tensor: half of a rotation by angles."""

    of: Tensor | Turned
    partial = True
    words = "a value times a constant tensor"

    def rotated(self, other: Modulated) -> Tensor:
        """x cos + turn(x) sin: a rotation by angles that depend on the position."""
        plain, turned = (self.of, other.of) if isinstance(other.of, Turned) else (other.of, self.of)
        if not isinstance(turned, Turned) or not isinstance(plain, Tensor) or turned.of.value.id != plain.value.id:
            raise FrameworkError("a sum of values times constants that is no rotation of pairs of coordinates")
        *_, positions, coordinates = plain.dims
        if len(positions) != 1:
            raise FrameworkError("rotary angles along an axis that is not one position axis")
        x = to_coord(to_positions(plain, positions), coordinates)
        return replace(x, value=rotate(x.value, positions[0].name))
