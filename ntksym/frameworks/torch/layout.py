"""How the dimensions of a tensor lie on the axes of a value: what views, transposes and broadcasting mean.

A value of the language has named position axes and one coordinate axis. A tensor has dimensions in an order. Both are
made of the same atoms: a dimension is a product of atoms, and so is the coordinate axis. A view or a transpose moves
atoms between dimensions and computes nothing; only an operation that sums over an axis, or meets another value, brings
the atoms to where it needs them, by ``split`` and ``merge``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import count

from ntksym.errors import FrameworkError
from ntksym.language.dims import ONE, Axis, Size, as_size
from ntksym.language.ops_axes import as_axis, merge, relabel, split
from ntksym.language.trace import Value

BATCH = "batch"
"""The name of the atom of independent examples: a program speaks of one of them."""


@dataclass(frozen=True)
class Atom:
    """An axis that is not cut further: a position axis of this name, or a factor of the coordinate axis.

    ``of`` is the length of the value's axis where a tensor holds ``size`` chosen places of it (the k best experts).
    """

    name: str
    size: Size
    of: Size | None = None

    @property
    def axis(self) -> Axis:
        """The position axis of a value that has this atom."""
        return Axis(self.name, self.of or self.size)


Atoms = tuple[Atom, ...]
Dims = tuple[Atoms, ...]


@dataclass(frozen=True)
class Tensor:
    """A value, the atoms of its coordinate axis in order, and the atoms of each dimension of the tensor.

    An atom in ``dims`` that the value does not have is one along which all entries are equal, or the batch.
    """

    value: Value
    coord: Atoms
    dims: Dims

    @property
    def atoms(self) -> Atoms:
        return tuple(atom for dim in self.dims for atom in dim)

    def has(self, atom: Atom) -> bool:
        """Whether entries depend on the place along an atom (within one example)."""
        return atom in self.coord or self.value.type.axis(atom.name) is not None


class Names:
    """New names of atoms, in the order in which they are asked for."""

    def __init__(self) -> None:
        self.numbers = count(1)

    def atom(self, size: Size) -> Atom:
        return Atom(f"i{next(self.numbers)}", size)


def size_of(atoms: Atoms) -> Size:
    out = ONE
    for atom in atoms:
        out = out * atom.size
    return out


def lengths(shape: Sequence[object]) -> tuple[Size, ...]:
    """The sizes of a shape."""
    return tuple(as_size(length) for length in shape)  # type: ignore[arg-type]


def to_coord(x: Tensor, atoms: Atoms) -> Tensor:
    """The same tensor with a coordinate axis of exactly these atoms, in this order; all others become positions.

    Raises FrameworkError where an atom is not an axis of the value.
    """
    if x.coord == atoms:
        return x
    kept = _common_end(x.coord, atoms)
    value = x.value
    out, wanted = x.coord[: len(x.coord) - kept], atoms[: len(atoms) - kept]
    for i, atom in enumerate(out):
        last = not kept and i == len(out) - 1
        value = as_axis(value, atom.name) if last else split(value, atom.name, atom.size)
    for atom in wanted:
        if value.type.axis(atom.name) is None:
            raise FrameworkError(f"a sum runs over {'the batch' if atom.name == BATCH else 'an axis of equal entries'}")
    if wanted:
        value = merge(value, *(atom.name for atom in wanted))
    return Tensor(value, atoms, x.dims)


def to_positions(x: Tensor, atoms: Atoms) -> Tensor:
    """The same tensor with these atoms as position axes."""
    return to_coord(x, tuple(atom for atom in x.coord if atom not in atoms))


def _common_end(a: Atoms, b: Atoms) -> int:
    return next(
        (i for i, (p, q) in enumerate(zip(reversed(a), reversed(b), strict=False)) if p != q), min(len(a), len(b))
    )


def cut(x: Tensor, atom: Atom, parts: Atoms) -> Tensor:
    """The same tensor with one atom written as a product of others."""
    if atom.name == BATCH and not x.has(atom):
        raise FrameworkError("the batch is cut into parts; give inputs without a batch, and batched=False")
    if atom.of:
        raise FrameworkError("the chosen experts are cut into parts")
    if x.has(atom) and atom not in x.coord:
        x = to_coord(x, (atom, *x.coord))

    def written(atoms: Atoms) -> Atoms:
        return tuple(new for old in atoms for new in (parts if old == atom else (old,)))

    return Tensor(x.value, written(x.coord), tuple(written(dim) for dim in x.dims))


def reshape(x: Tensor, shape: tuple[Size, ...], names: Names) -> Tensor:
    """The tensor with its entries in the same order and dimensions of these sizes; atoms are cut where needed.

    Raises FrameworkError where the sizes do not divide each other.
    """
    rest, dims = list(x.atoms), []
    for wanted in shape:
        found: list[Atom] = []
        while not wanted.is_one:
            if not rest:
                raise FrameworkError("a view has more entries than the tensor that it views")
            atom = rest[0]
            over = wanted / atom.size
            if is_whole(over):
                found.append(rest.pop(0))
                wanted = over
                continue
            if not is_whole(atom.size / wanted):
                raise FrameworkError(
                    f"a view cuts an axis of {atom.size} into parts of {wanted}, which do not divide it"
                )
            first, second = names.atom(wanted), names.atom(atom.size / wanted)
            x = cut(x, atom, (first, second))
            rest[:1] = [first, second]
        dims.append(tuple(found))
    return replace(x, dims=tuple(dims))


def is_whole(size: Size) -> bool:
    """Whether a quotient of sizes is one: no dimension below, and a whole number or a power above.

    A coefficient such as 1/4 is the doing of a dimension that it divides: n/4 is whole, 1/4 is not.
    """
    if any(power < 0 for _, power in size.powers):
        return False
    return bool(size.powers) or size.coefficient.denominator == 1


def renamed(x: Tensor, old: Atom, new: Atom) -> Tensor:
    """The tensor with one atom called differently."""
    if old == new:
        return x

    def called(atoms: Atoms) -> Atoms:
        return tuple(new if atom == old else atom for atom in atoms)

    value = relabel(x.value, old.name, new.name) if x.value.type.axis(old.name) else x.value
    return Tensor(value, called(x.coord), tuple(called(dim) for dim in x.dims))


def matched(x: Tensor, y: Tensor, pairs: Sequence[tuple[int, int]], names: Names) -> tuple[Tensor, Tensor]:
    """Two tensors whose given dimensions consist of the same atoms; the second has no other atom of the first.

    A dimension of length one, in either, is left as it is.
    """
    for i, j in pairs:
        x, y = _cut_alike(x, y, i, j, names)
    wanted = {
        mine: theirs
        for i, j in pairs
        for theirs, mine in zip(x.dims[i], y.dims[j], strict=False)
        if x.dims[i] and y.dims[j]
    }
    taken = set(x.atoms) | set(wanted.values())
    for atom in y.atoms:
        if atom not in wanted and atom in taken and (atom.name != BATCH or y.has(atom)):
            y = renamed(y, atom, names.atom(atom.size))
    # first aside, then to their places: two names may have to change places
    aside = {mine: names.atom(mine.size) for mine, theirs in wanted.items() if mine != theirs}
    for mine, between in aside.items():
        y = renamed(y, mine, between) if wanted[mine] in y.atoms else y
    for mine, theirs in wanted.items():
        y = renamed(y, aside[mine] if mine in aside and aside[mine] in y.atoms else mine, theirs)
    return x, y


def _cut_alike(x: Tensor, y: Tensor, i: int, j: int, names: Names) -> tuple[Tensor, Tensor]:
    """Two dimensions of the same length cut into atoms of the same lengths."""
    if not x.dims[i] or not y.dims[j]:
        return x, y
    k = 0
    while k < max(len(x.dims[i]), len(y.dims[j])):
        if k >= min(len(x.dims[i]), len(y.dims[j])):
            raise FrameworkError(f"lengths {size_of(x.dims[i])} and {size_of(y.dims[j])} meet; expected equal ones")
        a, b = x.dims[i][k], y.dims[j][k]
        if not a.size.same(b.size):
            if is_whole(a.size / b.size):
                x = cut(x, a, (names.atom(b.size), names.atom(a.size / b.size)))
            elif is_whole(b.size / a.size):
                y = cut(y, b, (names.atom(a.size), names.atom(b.size / a.size)))
            else:
                raise FrameworkError(f"axes of {a.size} and {b.size} meet, and neither divides the other")
        k += 1
    return x, y


def common_coord(tensors: Sequence[Tensor]) -> Atoms:
    """The longest end of a coordinate axis that each tensor has all of, or nothing of."""
    longest = max((x.coord for x in tensors), key=len)
    for start in range(len(longest) + 1):
        atoms = longest[start:]
        if all(len({x.has(atom) for atom in atoms}) <= 1 for x in tensors):
            return atoms
    return ()
