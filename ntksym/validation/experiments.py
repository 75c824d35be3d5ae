"""An experiment from what a person says: inputs where none are given, sizes checked, the dimension that grows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from ntksym.errors import ValidationError
from ntksym.language.dims import Number
from ntksym.language.interpret_sizes import Numbers
from ntksym.language.program import Program
from ntksym.records.predictions import Experiment
from ntksym.sampling.inputs import named_inputs, one_shape

OTHERS = 4
"""The size of further large dimensions, if none is given: enough for depth or heads to be there."""


def experiment_of(
    program: Program,
    widths: Sequence[int],
    *,
    inputs: Any = None,
    batch: int = 4,
    dim: str | None = None,
    sizes: Mapping[str, Number] | None = None,
    sigmas: Mapping[str, float] | None = None,
    steps: int = 1,
    seed: int = 0,
) -> Experiment:
    """The experiment in which ``dim`` takes the sizes ``widths``; arguments are those of ``validate``.

    Raises ValidationError for a dimension that is not there, missing sizes, widths that do not grow.
    """
    grown = tuple(int(width) for width in widths)
    if len(grown) < 2 or grown[0] < 1 or any(a >= b for a, b in pairwise(grown)):
        raise ValidationError(f"widths={list(widths)}: give at least two positive sizes that grow")
    if steps < 1:
        raise ValidationError(f"steps={steps}: give one step of training or more")
    name = dimension_of(program, dim)
    given = dict(sizes or {})
    if name in given:
        raise ValidationError(
            f"{name} is the dimension that grows, so it has no size of its own; leave it out of sizes"
        )
    free = [d for d in program.dims if d.equals is None and d.default is None and d.name != name]
    for other in free:
        if other.name not in given:
            if not other.large:
                raise ValidationError(
                    f"{program.name}: give a size for {other.name}, as in sizes={{'{other.name}': 8}}"
                )
            given[other.name] = OTHERS
    first, last = (Numbers(program, {**given, name: width}) for width in (grown[0], grown[-1]))
    for node in program.inputs:
        if first.shape(node.type) != last.shape(node.type):
            raise ValidationError(f"the input {node.name} grows with {name}, so the widths cannot share their inputs")
    if inputs is None:
        data: Any = random_inputs(program, first, batch, seed)
    else:
        data = {key: np.asarray(array) for key, array in named_inputs(program, inputs).items()}
    found = next(iter(data.values())) if len(data) == 1 else data
    return Experiment(found, name, grown, given, dict(sigmas or {}), steps, seed)


def dimension_of(program: Program, dim: str | None) -> str:
    """The dimension that grows: the one named, or the first that the program declares large."""
    free = [d for d in program.dims if d.equals is None]
    if dim is None:
        large = [d.name for d in free if d.large]
        if not large:
            raise ValidationError(f"{program.name} has no large dimension; name the one that grows with dim=")
        return large[0]
    if dim not in [d.name for d in free]:
        known = ", ".join(d.name for d in free) or "none"
        raise ValidationError(f"{program.name} has no dimension {dim!r} of its own; it has: {known}")
    return dim


def random_inputs(program: Program, numbers: Numbers, batch: int, seed: int) -> dict[str, Any]:
    """A batch for every input: standard normal entries, or tokens that are equally likely."""
    rng = np.random.default_rng([seed, 0])
    vocab = min((numbers.shape(program.nodes[i].type)[-1] for i in program.lookup_tables), default=2)
    out = {}
    for node in program.inputs:
        shape = (batch, *one_shape(node, numbers))
        tokens = node.attr("kind") == "tokens"
        out[node.name] = rng.integers(0, vocab, shape) if tokens else rng.standard_normal(shape)
    return out
