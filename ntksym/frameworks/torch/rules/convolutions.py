"""Windows of positions: convolutions and poolings."""

from __future__ import annotations

from dataclasses import replace
from functools import reduce
from math import prod

from ntksym.errors import FrameworkError
from ntksym.frameworks.torch.graph import Step
from ntksym.frameworks.torch.layout import Atom, Tensor, lengths, reshape, size_of, to_coord
from ntksym.frameworks.torch.read import Given, Operand, Reader, Trained, rule
from ntksym.frameworks.torch.rules.elementwise import described, tensors
from ntksym.frameworks.torch.rules.joins import by_places, padded
from ntksym.frameworks.torch.rules.norms import by_channel
from ntksym.frameworks.torch.rules.sums import over_axes
from ntksym.language.activations import Activation
from ntksym.language.dims import ONE, Axis, Size, as_size
from ntksym.language.ops import constant, map, matmul, pool
from ntksym.language.ops_axes import merge, patches, pick, relabel
from ntksym.language.trace import Value

Ints = tuple[int, ...]
Padding = Ints | str
"""How many zeros stand before and after the positions of each axis; "same" as many positions as before, or "valid"."""


def windows(
    reader: Reader, x: Tensor, kernel: tuple[int, ...], stride: tuple[int, ...], padding: Padding
) -> tuple[Tensor, Atom]:
    """The window around every position of the dimensions after the second, and the atom of the offsets in it.

    Outside of the positions there are zeros, as many as ``padding`` says.
    """
    (step,) = set(stride) if len(set(stride)) == 1 else (0,)
    if not step:
        raise FrameworkError(f"strides {stride} that differ between axes")
    x = with_axes(reader, x)
    halves = tuple((k - 1) // 2 for k in kernel)
    named: dict[Padding, Ints] = {"same": halves, "valid": (0,) * len(kernel)}
    around = named[padding] if isinstance(padding, str) else padding
    kind = "same" if any(around) and around == halves and all(k % 2 for k in kernel) else "valid"
    if padding == "same" and kind == "valid" and any(around):
        raise FrameworkError(f"windows of {kernel}, which have no middle, with the padding 'same'; give its numbers")
    if kind == "valid":
        for dim, zeros in enumerate(around, 2):
            x = padded(reader, x, dim, zeros, zeros)
    x = to_coord(x, x.dims[1])
    axes = x.dims[2:]
    offsets = reader.names.atom(as_size(prod(kernel)))
    value = patches(x.value, tuple(dim[0].name for dim in axes), kernel, step, kind, offsets.name)
    left = [Atom(a.name, a.size) for (atom,) in axes if (a := value.type.axis(atom.name))]
    for atom in left:
        value = pick(value, atom.name, 0) if atom.size.is_one else value
    return Tensor(value, x.coord, (*x.dims[:2], *(() if a.size.is_one else (a,) for a in left))), offsets


def with_axes(reader: Reader, x: Tensor) -> Tensor:
    """The same tensor with one position axis in each dimension after the second."""
    for dim in range(2, len(x.dims)):
        x = by_places(reader, x, dim, ONE)
    return x


@rule("conv1d", "conv2d", "conv3d", "convolution")
def convolved(reader: Reader, given: Given, step: Step) -> Operand:
    """A matrix on the channels of every window; one for each group of channels, where they are in groups."""
    (x,) = tensors(given["input"])
    w = given["weight"]
    if not isinstance(w, Trained):
        raise FrameworkError(f"its matrix is {described(w)}; expected a parameter as it is")
    if set(given["dilation"]) != {1} or given.get("transposed"):
        raise FrameworkError("it is dilated or transposed; a wider kernel, or a resized image before it, can be read")
    rows, channels, *kernel = w.shape
    groups = as_size(given["groups"])
    sizes = tuple(int(size.value({})) for size in kernel)
    y, offsets = windows(reader, x, sizes, tuple(given["stride"]), given["padding"])
    by_entry = channels.is_one and rows.same(groups) and not groups.is_one
    z = _by_entry(reader, w, y, offsets) if by_entry else _by_group(reader, w, y, offsets, groups)
    return by_channel(reader, z, None, given["bias"], step)


def _by_entry(reader: Reader, w: Trained, y: Tensor, offsets: Atom) -> Tensor:
    """Depthwise: every channel has a window of its own, a vector of channels for each offset."""
    weights = reader.vector(w, (y.coord, (), (offsets,)), y.coord, "normal", fan_in=offsets.size)
    return replace(y, value=pool(weights.value * y.value, offsets.name, mean=False))


def _by_group(reader: Reader, w: Trained, y: Tensor, offsets: Atom, groups: Size) -> Tensor:
    """A matrix on the channels of a window, or one for each group of them."""
    rows, channels, *_ = w.shape
    batch, _, *positions = (size_of(dim) for dim in y.dims)
    y = reshape(y, (batch, groups, channels, *positions), reader.names)
    group, within = y.dims[1], y.dims[2]
    y = to_coord(y, within)
    flat = replace(w, parameter=replace(w.parameter, shape=(rows / groups, channels * offsets.size)), order=(0, 1))
    matrix, _ = reader.weight(flat, 0, 1, group)
    made = () if flat.shape[0].is_one else (reader.names.atom(flat.shape[0]),)
    value = matmul(matrix, merge(y.value, offsets.name))
    return Tensor(value, made, (y.dims[0], (*group, *made), *y.dims[3:]))


@rule("max_pool2d", "max_pool1d", "avg_pool2d", "avg_pool1d", "max_pool2d_with_indices")
def pooled(reader: Reader, given: Given, step: Step) -> Operand:
    """The mean or the largest entry of every window."""
    (x,) = tensors(given["self"])
    kernel = tuple(given["kernel_size"])
    kernel = kernel * (len(x.dims) - 2) if len(kernel) == 1 else kernel
    stride = tuple(given["stride"]) or kernel
    padding: Ints = tuple(given["padding"]) * (len(kernel) if len(given["padding"]) == 1 else 1)
    if given["ceil_mode"] or set(given.get("dilation", (1,))) != {1}:
        raise FrameworkError("windows that reach over the end (ceil_mode), or are dilated")
    x = with_axes(reader, x)
    y, offsets = windows(reader, x, kernel, stride, padding)
    if step.op.startswith("avg"):
        if any(padding) and not given["count_include_pad"]:
            raise FrameworkError("a mean of those entries of a window that lie inside; say count_include_pad=True")
        return Tensor(pool(y.value, offsets.name), y.coord, y.dims)
    value = _inside(reader, x, y, offsets, kernel, stride, padding) if any(padding) else y.value
    largest = Activation("largest", "Max(a, b)", ("a", "b"))
    places = (pick(value, offsets.name, i) for i in range(prod(kernel)))
    z = Tensor(reduce(lambda a, b: map(largest, a, b), places), y.coord, y.dims)
    return (z, None) if step.op.endswith("indices") else z


def _inside(reader: Reader, x: Tensor, y: Tensor, offsets: Atom, kernel: Ints, stride: Ints, padding: Ints) -> Value:
    """Windows with one of their own entries where they reach over the edge: the largest entry stays the largest."""
    if any(2 * zeros >= k for zeros, k in zip(padding, kernel, strict=True)):
        raise FrameworkError(f"the padding {padding} of windows of {kernel}; expected less than half of a window")
    axes = tuple(Axis(dim[0].name, dim[0].size) for dim in x.dims[2:])
    ones = Tensor(constant(x.value, 1, positions=axes), (), ((), (), *x.dims[2:]))
    there, same = windows(reader, ones, kernel, stride, padding)
    outside = 1 - relabel(there.value, same.name, offsets.name)
    # with less than half a window of zeros, the entry after those before the first position is always inside
    entry = reduce(lambda index, k: index * k[1] + k[0], zip(padding, kernel, strict=True), 0)
    return y.value + outside * pick(y.value, offsets.name, entry)


@rule("adaptive_avg_pool2d", "adaptive_avg_pool1d", "_adaptive_avg_pool2d")
def globally_pooled(reader: Reader, given: Given, step: Step) -> Operand:
    """The mean over all positions."""
    (x,) = tensors(given["self"])
    wanted, have = lengths(step.shape)[2:], [size_of(dim) for dim in x.dims[2:]]
    if all(a.same(b) for a, b in zip(wanted, have, strict=True)):
        return x
    if not all(size.is_one for size in wanted):
        raise FrameworkError("it pools to more than one position")
    which = set(range(2, len(x.dims)))
    atoms = tuple(atom for i in which for atom in x.dims[i])
    return over_axes(reader, x, which, atoms, mean=True, keep=True)
