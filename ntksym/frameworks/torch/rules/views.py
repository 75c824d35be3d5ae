"""Views: atoms move between dimensions, nothing is computed; parts of an axis are picked."""

from __future__ import annotations

from dataclasses import replace

from ntksym.errors import FrameworkError
from ntksym.frameworks.torch.graph import Step
from ntksym.frameworks.torch.layout import (
    Tensor,
    cut,
    is_whole,
    lengths,
    matched,
    reshape,
    size_of,
    to_coord,
    to_positions,
)
from ntksym.frameworks.torch.partial import Half
from ntksym.frameworks.torch.read import Constant, Given, Operand, Reader, Trained, rule
from ntksym.language.dims import as_size
from ntksym.language.ops_axes import pick


def dimension(index: int, rank: int) -> int:
    return index + rank if index < 0 else index


VIEWS = ("view", "reshape", "_unsafe_view", "unsqueeze", "squeeze", "flatten", "unflatten")
"""The same entries in order, cut into other dimensions."""


@rule(*VIEWS)
def viewed(reader: Reader, given: Given, step: Step) -> Operand:
    """The same entries in order, cut into other dimensions."""
    x = given["self"]
    if isinstance(x, Constant):
        return replace(x, shape=step.shape)
    if isinstance(x, Trained):
        kept = [(i, size) for i, size in zip(x.order, x.shape, strict=True) if not size.is_one]
        wanted = lengths(step.shape)
        long = [size for size in wanted if not size.is_one]
        if len(kept) == len(long) and all(a.same(b) for (_, a), b in zip(kept, long, strict=True)):
            left = iter(kept)
            return replace(x, order=tuple(-1 if size.is_one else next(left)[0] for size in wanted))
        raise FrameworkError(f"the parameter {x.parameter.name} is reshaped before it is used")
    return reshape(x, lengths(step.shape), reader.names)


@rule("permute", "transpose", "t")
def permuted(reader: Reader, given: Given, step: Step) -> Operand:
    """Dimensions in another order."""
    x = given["self"]
    rank = len(step.shape)
    order = list(range(rank))
    if step.op == "permute":
        order = [dimension(i, rank) for i in given["dims"]]
    elif step.op == "transpose":
        i, j = dimension(given["dim0"], rank), dimension(given["dim1"], rank)
        order[i], order[j] = order[j], order[i]
    else:
        order.reverse()
    if isinstance(x, Constant):
        return replace(x, shape=step.shape)
    if isinstance(x, Trained):
        return replace(x, order=tuple(x.order[i] for i in order))
    return replace(x, dims=tuple(x.dims[i] for i in order))


@rule("expand", "broadcast_to", "expand_as")
def expanded(reader: Reader, given: Given, step: Step) -> Operand:
    """Equal entries along new dimensions, which the value need not have."""
    x = given["self"]
    if isinstance(x, Constant):
        return replace(x, shape=step.shape)
    if isinstance(x, Trained):
        raise FrameworkError(f"the parameter {x.parameter.name} is repeated along new dimensions")
    sizes = lengths(step.shape)
    dims = ((),) * (len(sizes) - len(x.dims)) + x.dims
    grown = (d if d or size.is_one else (reader.names.atom(size),) for d, size in zip(dims, sizes, strict=True))
    return replace(x, dims=tuple(grown))


@rule("split", "chunk", "unbind", "split_with_sizes")
def parts(reader: Reader, given: Given, step: Step) -> Operand:
    """Equal parts of an axis."""
    x, rank = given["self"], len(step.shape[0]) + (step.op == "unbind")
    dim = dimension(given["dim"], rank)
    if isinstance(x, Constant):
        return tuple(Constant(shape) for shape in step.shape)
    many = len(step.shape)
    if step.op == "unbind":
        return tuple(picked(reader, x, dim, i, many, keep=False) for i in range(many))
    sizes = {as_size(shape[dim]).canonical for shape in step.shape}
    if len(sizes) > 1:
        raise FrameworkError("the parts are not equally long; give each a projection of its own")
    return tuple(picked(reader, x, dim, i, many, keep=True) for i in range(many))


@rule("select")
def selected(reader: Reader, given: Given, step: Step) -> Operand:
    """One place along an axis."""
    x = given["self"]
    if isinstance(x, Constant):
        return replace(x, shape=step.shape)
    dim = dimension(given["dim"], len(step.shape) + 1)
    if not isinstance(x, Tensor):
        raise FrameworkError("a parameter is cut into parts; make each a parameter of its own")
    if len(x.dims[dim]) != 1:
        if not x.dims[dim]:
            return replace(x, dims=(*x.dims[:dim], *x.dims[dim + 1 :]))
        raise FrameworkError("one place of an axis that is a product of axes is picked")
    (atom,) = x.dims[dim]
    x = to_positions(x, (atom,))
    return one(x, dim, given["index"], keep=False)


def one(x: Tensor, dim: int, index: int, *, keep: bool) -> Tensor:
    """The place ``index`` along a dimension that is one position axis."""
    (atom,) = x.dims[dim]
    if not x.has(atom):
        raise FrameworkError("one example of the batch is picked")
    dims = (*x.dims[:dim], *(((),) if keep else ()), *x.dims[dim + 1 :])
    return Tensor(pick(x.value, atom.name, index), x.coord, dims)


def picked(reader: Reader, x: Operand, dim: int, index: int, many: int, *, keep: bool) -> Tensor:
    """Part ``index`` of ``many`` equal ones of a dimension."""
    if not isinstance(x, Tensor):
        raise FrameworkError("a parameter is cut into parts; make each a parameter of its own")
    if many == 1 and keep:
        return x
    whole = x
    first, *rest = x.dims[dim]
    over = first.size / many
    if not is_whole(over):
        raise FrameworkError(f"an axis of {first.size} is cut into {many} parts")
    part = reader.names.atom(as_size(many))
    inner = () if over.is_one else (reader.names.atom(over),)
    x = cut(x, first, (part, *inner))
    x = to_positions(x, (part,))
    left = (*inner, *rest) if keep else ()
    if not keep and (inner or rest):
        raise FrameworkError("unbind of a product of axes")
    dims = (*x.dims[:dim], *((left,) if keep else ()), *x.dims[dim + 1 :])
    made = Tensor(pick(x.value, part.name, index), x.coord, dims)
    if many == 2:
        reader.halves[made.value.id] = Half(whole, second=index == 1)
    return made


@rule("slice")
def sliced(reader: Reader, given: Given, step: Step) -> Operand:
    """The whole axis, or one of several equal parts of it."""
    x = given["self"]
    if isinstance(x, Constant):
        return replace(x, shape=step.shape)
    if isinstance(x, Trained):
        if all(a.same(b) for a, b in zip(x.shape, lengths(step.shape), strict=True)):
            return x
        raise FrameworkError(f"a part of the parameter {x.parameter.name} is taken")
    dim = dimension(given["dim"], len(step.shape))
    whole, part = size_of(x.dims[dim]), as_size(step.shape[dim])
    if whole.same(part):
        return x
    start, many = given["start"] or 0, whole / part
    at = as_size(start) / part if start else None
    if many.powers or many.coefficient.denominator != 1 or (at and (at.powers or at.coefficient.denominator != 1)):
        raise FrameworkError(f"a part of {part} of an axis of {whole} is taken; expected one of several equal parts")
    index = int(at.coefficient) if at else 0
    return picked(reader, x, dim, index % int(many.coefficient), int(many.coefficient), keep=True)


@rule("reshaped_like")
def reshaped_like(reader: Reader, given: Given, step: Step) -> Operand:
    """What a block hands on, with the atoms of what it was given."""
    x, like = given["x"], given["like"]
    _, y = matched(like, x, [(i, i) for i in range(len(x.dims))], reader.names)
    y = to_coord(y, like.coord)
    return replace(y, dims=like.dims)
