"""What a kernel recursion predicts of finite networks: the limits of their kernels."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from ntksym.errors import KernelError
from ntksym.language.interpret_sizes import Numbers
from ntksym.language.printing import labels
from ntksym.language.program import Node, Program
from ntksym.language.types import MatrixType
from ntksym.records.formula import Loop, walk
from ntksym.records.predictions import Experiment, Prediction, limit

if TYPE_CHECKING:
    from ntksym.kernels.recursion import KernelRecursion

Arguments = tuple[tuple[str, Hashable], ...]
Point = tuple[int, ...]
"""An input, then a position along each axis of the output."""


def limits(recursion: KernelRecursion, experiment: Experiment) -> Iterator[Prediction]:
    """NNGP and NTK of the first output coordinate, as the dimension that grows goes to infinity.

    For all pairs of inputs and, of positions of the output, the first and the last along each axis. The NNGP kernel is
    measured as what the output's own parameters contribute to the tangent kernel, where that is the same: a mean over
    coordinates, which spreads far less than products of outputs. The NTK is predicted for unit Gaussians that are
    trained at equal rates; in the standard parameterization it has no limit.

    Raises KernelError where a further large dimension is held at a finite size.
    """
    _check_dimensions(recursion, experiment)
    # the width itself is part of the standard parameterization's NTK only, which is not predicted
    sizes = experiment.at(experiment.widths[0])
    found = recursion.evaluate(experiment.inputs, digits=None, **sizes, **experiment.sigmas)
    wanted = {"nngp": found.nngp}
    if found.ntk is not None and recursion.parameterization == "ntk" and not recursion.rates:
        wanted["ntk"] = found.ntk
    for name, kernel in wanted.items():
        for left, right in _points(kernel.shape):
            statistic, arguments = _measured(recursion.program, name, experiment, kernel.shape, left, right)
            yield Prediction(
                f"{name} at {_place(left)} and {_place(right)}",
                statistic,
                arguments,
                float(kernel[left[0], right[0], *left[1:], *right[1:]]),
                limit(),
                found.evidence.bound or 0.0,
                found.evidence,
            )


def _measured(
    program: Program, name: str, experiment: Experiment, shape: tuple[int, ...], left: Point, right: Point
) -> tuple[str, Arguments]:
    """The measurement of one entry, and its arguments."""
    out, direct = program.outputs[0], direct_parameters(program)
    if name == "nngp" and not direct:
        return "kernel", (("value", labels(program)[out.id]), ("index", (*left, *right)))
    assert not isinstance(out.type, MatrixType)
    coordinates = Numbers(program, experiment.at(experiment.widths[0])).length(out.type.coord, "the output")
    # positions and coordinates of an output are counted together there
    places = [np.ravel_multi_index((*point[1:], 0), (*_positions(shape), coordinates)) for point in (left, right)]
    arguments: Arguments = (
        ("index", (left[0], int(places[0]), right[0], int(places[1]))),
        ("parameterization", "ntk"),
    )
    return "ntk", (*arguments, ("parameter", direct)) if name == "nngp" else arguments


def direct_parameters(program: Program) -> tuple[str, ...]:
    """The parameters that make the output as a sum over terms, each linear in one of them; () if there is more to it.

    Of such an output f = sum_i W_i x_i + b the contribution of these parameters to the tangent kernel in unit
    Gaussians, sum_i sigma_i^2 x_i . x_i' / fan-in + sigma_b^2, is the covariance of f given what the x_i are.
    """
    found: list[str] = []
    waiting = [program.outputs[0]]
    while waiting:
        node = waiting.pop()
        if node.op == "linear":
            waiting += [program.nodes[i] for i in node.inputs]
            continue
        if node.op == "matmul":
            node = program.nodes[node.inputs[0]]
        if not _once(program, node) or node.name in found:
            return ()
        found.append(node.name)
    return tuple(sorted(found))


def _once(program: Program, node: Node) -> bool:
    """Whether it is a random, trained parameter that is used in one place."""
    if node.op != "parameter" or not node.attr("trainable") or node.attr("init") != "normal":
        return False
    return sum(node.id in other.inputs for other in program.nodes.values()) == 1


def _check_dimensions(recursion: KernelRecursion, experiment: Experiment) -> None:
    """Every large dimension grows with the width, or is a number in the formula, such as a depth."""
    numbers: set[str] = set()
    for line in walk(recursion.formula.lines):
        if isinstance(line, Loop):
            numbers |= {symbol.name for symbol in line.times.free_symbols}
        for axis in (*line.layout.left, *line.layout.right, *line.layout.shared):
            numbers |= {dim.name for dim, _ in axis.size.powers}
    for dim in recursion.program.dims:
        if dim.large and dim.equals is None and dim.name not in {experiment.dim, *numbers}:
            raise KernelError(
                f"{dim.name} is as large as {experiment.dim} in the limit, and this experiment holds it fixed; "
                f"tie it to {experiment.dim} in the program, as in ns.dim({dim.name!r}, equals={experiment.dim})"
            )


def _points(shape: tuple[int, ...]) -> Iterator[tuple[Point, Point]]:
    """Pairs of points, each pair once."""
    places = [tuple(dict.fromkeys((0, size - 1))) for size in _positions(shape)]
    points = list(product(range(shape[0]), *places))
    for i, left in enumerate(points):
        for right in points[i:]:
            yield left, right


def _positions(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The lengths of the output's position axes, from the shape of its kernel."""
    return shape[2 : 2 + (len(shape) - 2) // 2]


def _place(point: Point) -> str:
    return str(point[0]) if len(point) == 1 else str(point)
