"""Windows of positions: convolutions and poolings."""

from __future__ import annotations

from dataclasses import replace
from functools import reduce

from ntksym.errors import FrameworkError
from ntksym.frameworks.torch.graph import Step
from ntksym.frameworks.torch.layout import Atom, Tensor, lengths, size_of, to_coord
from ntksym.frameworks.torch.read import Given, Operand, Reader, Trained, rule
from ntksym.frameworks.torch.rules.elementwise import described, tensors
from ntksym.frameworks.torch.rules.norms import by_channel
from ntksym.frameworks.torch.rules.sums import over_axes
from ntksym.language.activations import Activation
from ntksym.language.dims import as_size
from ntksym.language.ops import map, matmul, pool
from ntksym.language.ops_axes import merge, patches, pick


def windows(
    reader: Reader, x: Tensor, kernel: tuple[int, ...], stride: tuple[int, ...], padding: object
) -> tuple[Tensor, Atom]:
    """The window around every position of the dimensions after the second, and the atom of the offsets in it."""
    (step,) = set(stride) if len(set(stride)) == 1 else (0,)
    if not step:
        raise FrameworkError(f"strides {stride} that differ between axes")
    pads = tuple((k - 1) // 2 for k in kernel)
    if padding in ("valid", (0,) * len(kernel)):
        kind = "valid"
    elif padding in ("same", pads) and all(k % 2 for k in kernel):
        kind = "same"
    else:
        raise FrameworkError(
            f"the padding {padding} of a window of {kernel}; none, or that of half a window, can be read"
        )
    axes = x.dims[2:]
    if any(len(dim) != 1 for dim in axes):
        raise FrameworkError("windows along an axis that is a product of axes, or one entry")
    x = to_coord(x, x.dims[1])
    offsets = reader.names.atom(as_size(reduce(lambda a, b: a * b, kernel)))
    value = patches(x.value, tuple(dim[0].name for dim in axes), kernel, step, kind, offsets.name)
    moved = ((Atom(a.name, a.size),) for dim in axes if (a := value.type.axis(dim[0].name)))
    return Tensor(value, x.coord, (*x.dims[:2], *moved)), offsets


@rule("conv1d", "conv2d", "conv3d", "convolution")
def convolved(reader: Reader, given: Given, step: Step) -> Operand:
    """A matrix on the channels of every window."""
    (x,) = tensors(given["input"])
    w = given["weight"]
    if not isinstance(w, Trained):
        raise FrameworkError(f"its matrix is {described(w)}; expected a parameter as it is")
    if given["groups"] != 1:
        raise FrameworkError("its channels are in groups, each with a matrix of its own")
    if set(given["dilation"]) != {1} or given.get("transposed"):
        raise FrameworkError("it is dilated or transposed")
    rows, channels, *kernel = w.shape
    sizes = tuple(int(size.value({})) for size in kernel)
    y, offsets = windows(reader, x, sizes, tuple(given["stride"]), given["padding"])
    together = replace(w, parameter=replace(w.parameter, shape=(rows, channels * offsets.size)), order=(0, 1))
    matrix, _ = reader.weight(together, 0, 1)
    made = (reader.names.atom(rows),)
    value = matmul(matrix, merge(y.value, offsets.name))
    return by_channel(reader, Tensor(value, made, (y.dims[0], made, *y.dims[2:])), None, given["bias"], step)


@rule("max_pool2d", "max_pool1d", "avg_pool2d", "avg_pool1d", "max_pool2d_with_indices")
def pooled(reader: Reader, given: Given, step: Step) -> Operand:
    """The mean or the largest entry of every window."""
    (x,) = tensors(given["self"])
    kernel = tuple(given["kernel_size"])
    kernel = kernel * (len(x.dims) - 2) if len(kernel) == 1 else kernel
    stride = tuple(given["stride"]) or kernel
    padding = tuple(given["padding"]) * (len(kernel) if len(given["padding"]) == 1 else 1)
    y, offsets = windows(reader, x, kernel, stride, padding)
    if step.op.startswith("avg"):
        return Tensor(pool(y.value, offsets.name), y.coord, y.dims)
    # zeros stand outside of the edge, where torch has minus infinity: alike for what is positive, alike in growth
    largest = Activation("largest", "Max(a, b)", ("a", "b"))
    places = (pick(y.value, offsets.name, i) for i in range(int(offsets.size.coefficient)))
    z = Tensor(reduce(lambda a, b: map(largest, a, b), places), y.coord, y.dims)
    return (z, None) if step.op.endswith("indices") else z


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
