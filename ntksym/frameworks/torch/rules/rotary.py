"""Rotary embedding as forward passes write it: the halves of the coordinates change places, one with a sign."""

from __future__ import annotations

from ntksym.errors import FrameworkError
from ntksym.frameworks.torch.graph import Step
from ntksym.frameworks.torch.layout import Tensor
from ntksym.frameworks.torch.partial import Turned
from ntksym.frameworks.torch.read import Constant, Given, Operand, Reader, rule


@rule("cat")
def joined(reader: Reader, given: Given, step: Step) -> Operand:
    """Two halves of one value, the second first: a quarter turn of pairs of coordinates; nothing else is read."""
    parts = given["tensors"]
    if all(isinstance(part, Constant) for part in parts):
        return Constant(step.shape)
    if len(parts) == 1:
        return parts[0]
    first, *others = (reader.halves.get(part.value.id) if isinstance(part, Tensor) else None for part in parts)
    second = others[0] if len(others) == 1 else None
    if first and second and first.of.value.id == second.of.value.id:
        swapped = first.second and not second.second
        if swapped and first.negative != second.negative:
            return Turned(first.of)
    raise FrameworkError(
        "values are joined along an axis; expected the two halves of a rotary embedding "
        "(add projections of the parts instead of joining them)"
    )
