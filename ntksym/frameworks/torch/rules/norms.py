"""Normalisations: over the last dimensions, over groups of channels, over the batch."""

from __future__ import annotations

from dataclasses import replace

from ntksym.errors import FrameworkError
from ntksym.frameworks.torch.graph import Step
from ntksym.frameworks.torch.layout import Atoms, Tensor, lengths, reshape, to_coord
from ntksym.frameworks.torch.partial import normalised
from ntksym.frameworks.torch.read import Given, Operand, Reader, Trained, rule
from ntksym.frameworks.torch.rules.elementwise import added, multiplied, tensors
from ntksym.language.layers import batchnorm


@rule("layer_norm", "rms_norm", "_fused_rms_norm")
def over_last(reader: Reader, given: Given, step: Step) -> Operand:
    """Centred (or not) and normalised over the last dimensions, then gain and bias."""
    (x,) = tensors(given["input"])
    atoms = tuple(atom for dim in x.dims[len(x.dims) - len(given["normalized_shape"]) :] for atom in dim)
    y = normalised(x, atoms, centre=step.op == "layer_norm")
    y = affine(reader, y, given.get("weight"), given.get("bias"), step)
    return (y, None) if step.op == "_fused_rms_norm" else y


@rule("group_norm")
def over_groups(reader: Reader, given: Given, step: Step) -> Operand:
    """Normalised over the channels of each group and all positions, then gain and bias for each channel."""
    (x,) = tensors(given["input"])
    batch, channels, *rest = lengths(step.shape)
    groups = given["num_groups"]
    cut = reshape(x, (batch, *lengths([groups]), channels / groups, *rest), reader.names)
    atoms: Atoms = tuple(atom for dim in cut.dims[2:] for atom in dim)
    y = normalised(
        cut, tuple(a for a in atoms if a not in cut.coord) + tuple(a for a in atoms if a in cut.coord), centre=True
    )
    y = reshape(y, (batch, channels, *rest), reader.names)
    y = to_coord(y, y.dims[1])
    return by_channel(reader, y, given.get("weight"), given.get("bias"), step)


BATCH_NORMS = (
    "batch_norm",
    "_native_batch_norm_legit_functional",
    "_native_batch_norm_legit",
    "native_batch_norm",
    "_batch_norm_with_update_functional",
    "_native_batch_norm_legit_no_training",
    "cudnn_batch_norm",
)


def couples(step: Step) -> bool:
    """Whether an operation makes the answer to one example depend on the others: batch normalisation in training."""
    if step.op not in BATCH_NORMS:
        return False
    return bool(dict(step.args).get("training", step.op != "_native_batch_norm_legit_no_training"))


@rule(*BATCH_NORMS)
def over_batch(reader: Reader, given: Given, step: Step) -> Operand:
    """Each channel centred and normalised over the batch and all positions, then gain and bias.

    In evaluation it is centred and normalised by running statistics. They are recorded as they are at the start, zero
    and one, and change nothing.
    """
    (x,) = tensors(given["input"])
    y = to_coord(x, x.dims[1])
    if couples(step):
        along = tuple(atom for i, dim in enumerate(x.dims) if i != 1 for atom in dim)
        if not along:
            raise FrameworkError("it normalises over one entry; give inputs with more examples, such as 8")
        y = replace(y, value=batchnorm(y.value, *(atom.name for atom in along)))
    y = by_channel(reader, y, given.get("weight"), given.get("bias"), step)
    return (y,) if isinstance(step.shape[0], tuple) else y


def by_channel(reader: Reader, x: Tensor, gain: Operand, bias: Operand, step: Step) -> Tensor:
    """Gain and bias along the second dimension."""
    after = len(x.dims) - 2

    def lifted(p: Operand) -> Operand:
        return replace(p, order=(*p.order, *(-1,) * after)) if isinstance(p, Trained) else p

    return affine(reader, x, lifted(gain), lifted(bias), step)


def affine(reader: Reader, x: Tensor, gain: Operand, bias: Operand, step: Step) -> Tensor:
    """x times a gain plus a bias, as far as there are such."""
    y: Operand = x
    if gain is not None:
        y = multiplied(reader, {"self": y, "other": gain}, replace(step, op="mul"))
    if bias is not None:
        y = added(reader, {"self": y, "other": bias}, replace(step, op="add"))
    return tensors(y)[0]
