"""Attention in one operation: logits, softmax over the keys, weighted sum of the values."""

from __future__ import annotations

from dataclasses import replace

from ntksym.errors import FrameworkError
from ntksym.frameworks.torch.graph import Step
from ntksym.frameworks.torch.layout import Tensor, lengths, reshape, size_of, to_positions
from ntksym.frameworks.torch.read import Constant, Given, Operand, Reader, rule
from ntksym.frameworks.torch.rules.elementwise import added, masked, tensors
from ntksym.frameworks.torch.rules.sums import contracted
from ntksym.language.dims import ONE, Size, as_size
from ntksym.language.ops import linear, softmax


@rule("scaled_dot_product_attention")
def attention(reader: Reader, given: Given, step: Step) -> Operand:
    """softmax(scale q k) v, the scale one over the root of a head's coordinates unless given."""
    q, k, v = tensors(given["query"], given["key"], given["value"])
    heads = len(q.dims) - 3
    grouped = heads >= 0 and not size_of(q.dims[heads]).same(size_of(k.dims[heads]))
    if grouped:
        q, k, v = _grouped(reader, q, k, v)
    last = len(q.dims) - 1
    shared = [(i, i) for i in range(last - 1)]
    logits = contracted(reader, q, k, (last, last), shared, [*range(last), -1 - (last - 1)])
    scale = as_size(given["scale"]) if given["scale"] is not None else size_of(q.dims[last]) ** -0.5
    logits = replace(logits, value=linear((scale, logits.value)))
    forbidden = given["attn_mask"]
    if given["is_causal"] or isinstance(forbidden, Constant):
        logits = masked(logits)
    elif forbidden is not None:
        (logits,) = tensors(added(reader, {"self": logits, "other": forbidden}, replace(step, op="add")))
    keys = logits.dims[-1]
    if len(keys) != 1:
        raise FrameworkError("its keys lie on an axis that is a product of axes, or there is one")
    logits = to_positions(logits, keys)
    weights = replace(logits, value=softmax(logits.value, keys[0].name))
    y = contracted(reader, weights, v, (last, last - 1), shared, [*range(last), -1 - last])
    return reshape(y, lengths(step.shape), reader.names) if grouped else y


def _grouped(reader: Reader, q: Tensor, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Heads of queries as groups for each head of keys and values."""

    def cut(x: Tensor, group: Size) -> Tensor:
        *batch, heads, positions, coordinates = (size_of(dim) for dim in x.dims)
        return reshape(x, (*batch, heads / group, group, positions, coordinates), reader.names)

    group = size_of(q.dims[-3]) / size_of(k.dims[-3])
    return cut(q, group), cut(k, ONE), cut(v, ONE)
