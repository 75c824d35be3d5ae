"""Parts of a dimension, and values joined along one.

A dimension is cut into places of equal length: where lengths differ (n, n and 2n, say), of their greatest common
measure. A part is one place that is picked, or several that are moved to an axis of their own. What is joined is the
sum of its parts, each with zeros where others stand.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from functools import reduce
from itertools import accumulate
from math import gcd, lcm

from ntksym.errors import FrameworkError
from ntksym.frameworks.torch.graph import Step
from ntksym.frameworks.torch.layout import BATCH, Atom, Tensor, lengths, reshape, size_of, to_coord, to_positions
from ntksym.frameworks.torch.partial import Half, quarter_turn
from ntksym.frameworks.torch.read import Constant, Given, Operand, Reader, Trained, rule
from ntksym.frameworks.torch.rules.elementwise import added, tensors
from ntksym.frameworks.torch.rules.views import dimension, standing
from ntksym.language.dims import ONE, Size, SizeLike, as_size
from ntksym.language.ops_axes import as_axis, pick, shift, split


def common_measure(sizes: Sequence[Size]) -> Size:
    """The greatest size that all of these are whole multiples of.

    Raises FrameworkError where there is none, as for n and 10.
    """
    ratios = [size / sizes[0] for size in sizes]
    if any(ratio.powers for ratio in ratios):
        found = ", ".join(dict.fromkeys(str(size) for size in sizes))
        raise FrameworkError(
            f"parts of {found} entries lie along one axis, and they have no common measure; "
            "add projections of the parts instead of joining them"
        )
    parts = [ratio.coefficient for ratio in ratios]
    return sizes[0] * Fraction(gcd(*(p.numerator for p in parts)), lcm(*(p.denominator for p in parts)))


def times(size: SizeLike, unit: Size) -> int:
    """How many times a unit goes into a multiple of it."""
    return int((as_size(size) / unit).coefficient) if size else 0


def by_places(reader: Reader, x: Tensor, dim: int, unit: Size) -> Tensor:
    """The same tensor with a position axis of places in a dimension, and after it what is left of the ``unit``."""
    if unit.is_one and len(x.dims[dim]) == 1 and x.dims[dim][0] not in x.coord and x.has(x.dims[dim][0]):
        return x
    places = as_size(times(size_of(x.dims[dim]), unit))
    cut = reshape(replace(x, dims=(x.dims[dim],)), (places, unit), reader.names)
    atoms, within = cut.dims
    x = replace(cut, dims=(*x.dims[:dim], (*atoms, *within), *x.dims[dim + 1 :]))
    if any(not x.has(atom) for atom in atoms):
        axis = "the batch" if any(atom.name == BATCH for atom in atoms) else "an axis of equal entries"
        raise FrameworkError(f"values are joined or parted along {axis}")
    if len(atoms) == 1:
        x = to_positions(x, atoms)
    else:
        rest, place = tuple(atom for atom in x.coord if atom not in atoms), reader.names.atom(places)
        x = to_coord(x, (*atoms, *rest))
        value = split(x.value, place.name, places) if rest or not atoms else as_axis(x.value, place.name)
        x = Tensor(value, rest, (*x.dims[:dim], (place, *within), *x.dims[dim + 1 :]))
    return x


def moved(x: Tensor, dim: int, by: int, length: int) -> Tensor:
    """The places of a dimension moved onto an axis of another length."""
    place, *within = x.dims[dim]
    wider = (Atom(place.name, as_size(length)), *within)
    return Tensor(shift(x.value, place.name, by, length), x.coord, (*x.dims[:dim], wider, *x.dims[dim + 1 :]))


def padded(reader: Reader, x: Tensor, dim: int, before: int, after: int) -> Tensor:
    """A dimension with so many zeros before and after its entries, or fewer entries where a number is negative."""
    if not before and not after:
        return x
    y = by_places(reader, x, dim, ONE)
    return moved(y, dim, before, times(y.dims[dim][0].size, ONE) + before + after)


def chosen(x: Tensor, dim: int, index: int) -> Tensor:
    """One place of a dimension, which keeps what is in it."""
    place, *within = x.dims[dim]
    dims = (*x.dims[:dim], tuple(within), *x.dims[dim + 1 :])
    return Tensor(pick(x.value, place.name, index), x.coord, dims)


def piece(reader: Reader, x: Tensor, dim: int, start: SizeLike, length: Size) -> Tensor:
    """So many entries of a dimension, from ``start`` on (from the end, where it is negative)."""
    whole = size_of(x.dims[dim])
    if whole.same(length):
        return x
    position = len(x.dims[dim]) == 1 and x.dims[dim][0] not in x.coord
    # positions stay one axis; coordinates are cut as little as possible
    unit = (
        ONE if position and not whole.powers else common_measure([whole, length, *([as_size(start)] if start else [])])
    )
    places, many = times(whole, unit), times(length, unit)
    first = times(start, unit) % places
    cut = by_places(reader, x, dim, unit)
    if many > 1:
        return moved(cut, dim, -first, many)
    made = chosen(cut, dim, first)
    if places == 2:
        reader.halves[made.value.id] = Half(x, second=first == 1)
    return made


def place_of(reader: Reader, x: Operand, dim: int, index: int) -> Tensor:
    """One entry of a dimension, which is gone."""
    (x,) = tensors(x)
    y = chosen(by_places(reader, x, dim, ONE), dim, index) if x.dims[dim] else x
    return replace(y, dims=(*y.dims[:dim], *y.dims[dim + 1 :]))


@rule("split", "chunk", "split_with_sizes")
def parts(reader: Reader, given: Given, step: Step) -> Operand:
    """Parts that follow each other."""
    x, dim = given["self"], dimension(given["dim"], len(step.shape[0]))
    if isinstance(x, Constant):
        return tuple(Constant(shape) for shape in step.shape)
    (x,) = tensors(x)
    each = [as_size(shape[dim]) for shape in step.shape]
    unit = common_measure(each)
    starts = accumulate((times(size, unit) for size in each), initial=0)
    return tuple(piece(reader, x, dim, unit * k if k else 0, size) for k, size in zip(starts, each, strict=False))


@rule("unbind")
def unbound(reader: Reader, given: Given, step: Step) -> Operand:
    """All entries of a dimension, one by one."""
    x, dim = given["self"], dimension(given["dim"], len(step.shape[0]) + 1)
    if isinstance(x, Constant):
        return tuple(Constant(shape) for shape in step.shape)
    return tuple(place_of(reader, x, dim, i) for i in range(len(step.shape)))


@rule("select")
def selected(reader: Reader, given: Given, step: Step) -> Operand:
    """One entry of a dimension."""
    x = given["self"]
    if isinstance(x, Constant):
        return replace(x, shape=step.shape)
    return place_of(reader, x, dimension(given["dim"], len(step.shape) + 1), given["index"])


@rule("slice")
def sliced(reader: Reader, given: Given, step: Step) -> Operand:
    """Entries of a dimension that follow each other, or every second, third... of all."""
    x, every = given["self"], given["step"]
    if isinstance(x, Constant):
        return replace(x, shape=step.shape)
    wanted = lengths(step.shape)
    if isinstance(x, Trained):
        if all(a.same(b) for a, b in zip(x.shape, wanted, strict=True)):
            return x
        raise FrameworkError(f"a part of the parameter {x.parameter.name} is taken; make it a parameter of its own")
    (x,) = tensors(x)
    dim = dimension(given["dim"], len(wanted))
    start = given["start"] or 0
    if every == 1:
        return piece(reader, x, dim, start, wanted[dim])
    whole = size_of(x.dims[dim])
    if not whole.same(wanted[dim] * every):
        raise FrameworkError(
            f"one in {every} of the entries of an axis of {whole} is taken, which is no multiple of it"
        )
    before, after = [size_of(atoms) for atoms in x.dims[:dim]], [size_of(atoms) for atoms in x.dims[dim + 1 :]]
    return place_of(reader, reshape(x, (*before, wanted[dim], as_size(every), *after), reader.names), dim + 1, start)


@rule("pad", "constant_pad_nd")
def with_zeros(reader: Reader, given: Given, step: Step) -> Operand:
    """Zeros around the entries; torch names the last dimension's first."""
    x, numbers = given["self"], given["pad"]
    if isinstance(x, Constant):
        return replace(x, shape=step.shape)
    if given.get("mode", "constant") != "constant" or given["value"]:
        raise FrameworkError("what stands around the entries is not zero")
    (x,) = tensors(x)
    for k in range(len(numbers) // 2):
        x = padded(reader, x, len(x.dims) - 1 - k, numbers[2 * k], numbers[2 * k + 1])
    return x


@rule("cat")
def joined(reader: Reader, given: Given, step: Step) -> Operand:
    """Values one behind the other; two halves of one value that change places are a quarter turn of its coordinates."""
    given_parts = given["tensors"]
    if all(isinstance(part, Constant) for part in given_parts):
        return Constant(step.shape)
    if len(given_parts) == 1:
        return given_parts[0]
    halves = [reader.halves.get(part.value.id) if isinstance(part, Tensor) else None for part in given_parts]
    if turned := quarter_turn(halves):
        return turned
    values = tensors(*(standing(reader, part) if isinstance(part, Trained) else part for part in given_parts))
    dim = dimension(given["dim"], len(step.shape))
    each = [size_of(x.dims[dim]) for x in values]
    unit = common_measure(each)
    ends = list(accumulate(times(length, unit) for length in each))
    placed = [
        moved(by_places(reader, x, dim, unit), dim, end - times(length, unit), ends[-1])
        for x, length, end in zip(values, each, ends, strict=True)
    ]
    plus = replace(step, op="add")
    return reduce(lambda a, b: added(reader, {"self": a, "other": b}, plus), placed)


@rule("stack")
def stacked(reader: Reader, given: Given, step: Step) -> Operand:
    """Values along a new dimension."""
    dim = dimension(given["dim"], len(step.shape))
    parts = given["tensors"]
    if all(isinstance(part, Constant) for part in parts):
        return Constant(step.shape)
    values = tensors(*(standing(reader, part) if isinstance(part, Trained) else part for part in parts))
    thin = tuple(replace(x, dims=(*x.dims[:dim], (), *x.dims[dim:])) for x in values)
    return joined(reader, {"tensors": thin, "dim": dim}, step)
