"""Tensors of one number, as a scan starts from."""

from __future__ import annotations

from ntksym.frameworks.torch.graph import Step
from ntksym.frameworks.torch.read import Constant, Given, Operand, Reader, rule


@rule("zeros", "zeros_like", "new_zeros")
def zeros(reader: Reader, given: Given, step: Step) -> Operand:
    return Constant(step.shape, 0)


@rule("ones", "ones_like", "new_ones")
def ones(reader: Reader, given: Given, step: Step) -> Operand:
    return Constant(step.shape, 1)


@rule("full", "full_like", "new_full")
def full(reader: Reader, given: Given, step: Step) -> Operand:
    return Constant(step.shape, given["fill_value"])
