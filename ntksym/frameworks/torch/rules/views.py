"""Views: atoms move between dimensions, nothing is computed."""

from __future__ import annotations

from dataclasses import replace

from ntksym.errors import FrameworkError
from ntksym.frameworks.torch.graph import Step
from ntksym.frameworks.torch.layout import Tensor, lengths, matched, reshape, to_coord
from ntksym.frameworks.torch.read import Constant, Given, Operand, Reader, Trained, rule


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


def standing(reader: Reader, trained: Trained) -> Tensor:
    """A parameter that is a value by itself (a class token).

    The last dimension that grows holds the coordinates, or the last.
    """
    dims = tuple(() if size.is_one else (reader.names.atom(size),) for size in trained.shape)
    grows = [dim for dim in dims if dim and dim[0].size.powers]
    return reader.vector(trained, dims, (grows or dims or ((),))[-1], "normal")


@rule("expand", "broadcast_to", "expand_as")
def expanded(reader: Reader, given: Given, step: Step) -> Operand:
    """Equal entries along new dimensions, which the value need not have."""
    x = given["self"]
    if isinstance(x, Constant):
        return replace(x, shape=step.shape)
    x = standing(reader, x) if isinstance(x, Trained) else x
    sizes = lengths(step.shape)
    dims = ((),) * (len(sizes) - len(x.dims)) + x.dims
    grown = (d if d or size.is_one else (reader.names.atom(size),) for d, size in zip(dims, sizes, strict=True))
    return replace(x, dims=tuple(grown))


@rule("reshaped_like")
def reshaped_like(reader: Reader, given: Given, step: Step) -> Operand:
    """What a block hands on, with the atoms of what it was given."""
    x, like = given["x"], given["like"]
    _, y = matched(like, x, [(i, i) for i in range(len(x.dims))], reader.names)
    y = to_coord(y, like.coord)
    return replace(y, dims=like.dims)
