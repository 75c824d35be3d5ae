"""Inputs, and what has the same entries under another name."""

from __future__ import annotations

from ntksym.errors import FrameworkError
from ntksym.frameworks.torch.graph import Step
from ntksym.frameworks.torch.layout import BATCH, Atom, Atoms, Tensor, lengths
from ntksym.frameworks.torch.read import Constant, Given, Operand, Reader, rule
from ntksym.language.dims import ONE, Axis
from ntksym.language.trace import Value
from ntksym.language.types import Type


@rule("input")
def an_input(reader: Reader, given: Given, step: Step) -> Operand:
    """One example: the batch is left out unless examples are coupled, and real numbers' last dimension is coordinates.

    Images have their channels first: the coordinates of a tensor of four dimensions are the second.
    """
    name, real, shape = given["name"], given["real"], lengths(step.shape)
    dims: list[Atoms] = [()] * len(shape)
    first = int(reader.batched)
    if reader.batched and not shape:
        raise FrameworkError(f"the input {name} is a number; its first dimension is the batch (or say batched=False)")
    if reader.batched and not shape[0].is_one:
        dims[0] = (Atom(BATCH, shape[0]),)
    axes = [Axis(atom.name, atom.size) for atom in dims[0]] if reader.coupled and reader.batched else []
    last = None if not real or len(shape) == first else first if len(shape) == first + 3 else len(shape) - 1
    for i in range(first, len(shape)):
        atom = Atom(name if len(shape) == first + 1 else f"{name}{i}", shape[i])
        if shape[i].is_one:
            continue
        dims[i] = (atom,)
        if i != last:
            axes.append(Axis(atom.name, atom.size))
    coord = dims[last] if last is not None else ()
    kind = "tokens" if not real else "image" if len(shape) == first + 3 else "sequence" if axes else "vector"
    type = Type(tuple(axes), coord[0].size if coord else ONE, "real" if real else "index")
    value = Value(reader.tracer, reader.tracer.emit("input", (), type, name=name, kind=kind), type)
    reader.like = value
    return Tensor(value, coord, tuple(dims))


COPIES = ("clone", "alias", "detach", "_to_copy", "to", "contiguous", "lift_fresh_copy")
"""Casts and copies."""


@rule(*COPIES)
def same(reader: Reader, given: Given, step: Step) -> Operand:
    """The same entries."""
    return next(iter(given.values()))


@rule("getitem")
def getitem(reader: Reader, given: Given, step: Step) -> Operand:
    """One of several results."""
    source, index = given["arg0"], given["arg1"]
    return Constant(step.shape) if isinstance(source, Constant) else source[index]
