"""``from_torch``: the program of a PyTorch module, with the names of its parameters."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any

from ntksym.errors import FrameworkError
from ntksym.frameworks.torch import rules  # noqa: F401  the rules register themselves
from ntksym.frameworks.torch.align import Point, aligned
from ntksym.frameworks.torch.capture import capture
from ntksym.frameworks.torch.graph import Item, Loop, Parameter, Shape, arguments
from ntksym.frameworks.torch.names import Pattern, Seen, pattern
from ntksym.frameworks.torch.read import program_of
from ntksym.frameworks.torch.roll import rolled
from ntksym.frameworks.torch.rules.norms import couples
from ntksym.language.dims import Size, as_size
from ntksym.language.program import Block, Node, Program
from ntksym.language.types import MatrixType


@dataclass(frozen=True)
class Source:
    """Where a parameter of a program comes from: its shape in the module, how often it is copied, and its names."""

    shape: Shape
    times: tuple[Size, ...]
    pattern: Pattern

    def names(self, sizes: Mapping[str, int]) -> tuple[str, ...]:
        """The names of all copies at these sizes."""
        copies = product(*(range(round(size.value(sizes))) for size in self.times))
        return tuple(self.pattern.at(copy, sizes) for copy in copies)


@dataclass(frozen=True, eq=False)
class TorchProgram(Program):
    """A program that was read from a module, and by its parameters' names where they come from.

    ``sizes`` are the smallest it was read at.
    """

    sizes: Mapping[str, int] = field(default_factory=dict)
    sources: Mapping[str, Source] = field(default_factory=dict)


def from_torch(
    build: Callable[..., Any],
    sizes: Mapping[str, Sequence[int]],
    inputs: Any,
    *,
    name: str | None = None,
    batched: bool = True,
) -> TorchProgram:
    """The program that a PyTorch module computes, read by ``torch.export`` on the meta device.

    No weight is allocated and nothing is computed, so a module may have any number of parameters. It is built and
    exported at each size; an axis, a number of blocks or a coefficient that changes with a size becomes a product of
    powers of it. All dimensions in ``sizes`` are taken large. Blocks that repeat become ``repeat``.

    Args:
        build: ``build(n=64, L=2)`` returns the ``torch.nn.Module`` at these sizes.
        sizes: two or more values for each dimension that is to be large: ``{"n": (64, 128), "L": (2, 3)}``. A depth
            counts equal blocks, and is at least two.
        inputs: what ``forward`` takes: a tensor or a tuple of tensors, or a function of the sizes that returns it.
            Shapes and kinds of number are all that is used. The first dimension is the batch; where examples
            depend on each other (batch normalisation in training), it is an axis of the program, as long as here.
        name: the program's name; that of the module's class by default.
        batched: False where inputs have no batch: the first dimension is then an axis like others.

    Returns:
        A Program; parameters are named as in the module, without the numbers of repeated blocks. Initial weights are
        random for matrices, zero for what is added and one for what multiplies. A constant mask of logits is recorded
        as the causal one, since no power depends on which keys it forbids; the small constant of a normalisation is
        left out. The output is the first tensor that ``forward`` returns.

    Raises:
        FrameworkError: the module cannot be exported or read; the message names the module, the operation, and what
            to do.

    Example:
        >>> import torch
        >>> import ntksym as ns
        >>> def build(n):
        ...     return torch.nn.Sequential(torch.nn.Linear(64, n), torch.nn.ReLU(), torch.nn.Linear(n, 10))
        ...
        >>> program = ns.from_torch(build, {"n": (64, 128)}, lambda n: (torch.zeros(8, 64),))
        >>> print(program)
        program Sequential:
          input = input vector                    : [64]
          0.weight = parameter N(0, sigma_w^2/64) : (n x 64)
          v1 = 0.weight @ input                   : [n]
          0.bias = parameter N(0, sigma_b^2)      : [n]
          v2 = v1 + 0.bias                        : [n]
          v3 = relu(v2)                           : [n]
          2.weight = parameter N(0, sigma_w^2/n)  : (10 x n)
          v4 = 2.weight @ v3                      : [10]
          2.bias = parameter N(0, sigma_b^2)      : [10]
          v5 = v4 + 2.bias                        : [10]
          return v5
    """
    points = points_of(sizes)
    graphs = [capture(build, inputs, point) for point in points]
    trees = rolled(graphs)
    tree = aligned(trees, points)
    coupled = any(couples(step) for step in graphs[0].steps)
    program, recorded = program_of(name or graphs[0].name, tree, graphs[0].output, batched, coupled)
    met = [list(_met(each, ())) for each in trees]
    sources = {}
    for i, (parameter, loops) in enumerate(_met(tree, ())):
        if parameter.name in recorded:
            seen = [one for each, point in zip(met, points, strict=True) for one in _seen(*each[i], point)]
            times = tuple(as_size(loop.times) for loop in loops)
            sources[recorded[parameter.name]] = Source(parameter.shape, times, pattern(seen))
    return TorchProgram(program.name, program.block, points[0], sources)


STARTS = {"zeros": ("constant", 0), "random": ("normal", 1)}
"""How a parameter may start: the attributes ``init`` and ``value`` of its node."""


def started(program: TorchProgram, starts: Mapping[str, str]) -> TorchProgram:
    """The program with some parameters that start otherwise than was read: by name, one of ``STARTS``."""

    def of(block: Block) -> Block:
        return replace(block, nodes=tuple(changed(node) for node in block.nodes))

    def changed(node: Node) -> Node:
        if node.block:
            return replace(node, block=of(node.block))
        if node.op != "parameter" or node.name not in starts:
            return node
        init, value = STARTS[starts[node.name]]
        attrs = {**dict(node.attrs), "init": init, "value": value}
        if init == "constant" or not isinstance(node.type, MatrixType):
            attrs["sigma"] = ""
        return replace(node, attrs=tuple(sorted(attrs.items())))

    return replace(program, block=of(program.block))


def _met(tree: tuple[Item, ...], loops: tuple[Loop, ...]) -> Iterator[tuple[Parameter, tuple[Loop, ...]]]:
    """Every parameter of the first copies, with the loops around it."""
    for item in tree:
        if isinstance(item, Loop):
            yield from _met(item.body, (*loops, item))
        else:
            yield from ((parameter, loops) for parameter in arguments(item, Parameter))


def _seen(parameter: Parameter, loops: tuple[Loop, ...], point: Point) -> Iterator[Seen]:
    """The names of a parameter in the first copy, and in the copies of each loop."""
    yield Seen(parameter.name, (0,) * len(loops), point)
    for level, loop in enumerate(loops):
        for i, name in enumerate(dict(loop.copies)[parameter.name]):
            yield Seen(name, tuple(i if j == level else 0 for j in range(len(loops))), point)


def points_of(sizes: Mapping[str, Sequence[int]]) -> list[Point]:
    """Every combination of the sizes, the smallest first."""
    if not sizes:
        raise FrameworkError("found no sizes; expected a dimension that grows, such as sizes={'n': (64, 128)}")
    for name, values in sizes.items():
        whole = all(isinstance(value, int) and value > 0 for value in values)
        if isinstance(values, str) or len(set(values)) < 2 or not whole:
            raise FrameworkError(
                f"the sizes of {name} are {values!r}; expected two different whole numbers or more, such as (64, 128)"
            )
    return [dict(zip(sizes, values, strict=True)) for values in product(*(sorted(set(v)) for v in sizes.values()))]
