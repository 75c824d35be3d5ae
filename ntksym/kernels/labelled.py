"""Arrays whose axes have names, and what the operations of a program do to positions of them.

The first axis counts pairs of inputs, or inputs. Labels say which point an axis belongs to: ``L:row`` and ``R:row`` are
the positions of the two points, ``S:patch`` is shared by both.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from ntksym.errors import KernelError

Array = Any


@dataclass(frozen=True)
class Labelled:
    """An array with a name for each axis after the first."""

    labels: tuple[str, ...]
    data: Array

    def axis(self, label: str) -> int:
        return 1 + self.labels.index(label)

    def relabelled(self, changes: Mapping[str, str]) -> Labelled:
        """Axes under new names; where two become one, both points have the same index there."""
        labels, data = [changes.get(x, x) for x in self.labels], self.data
        for label in dict.fromkeys(labels):
            while labels.count(label) > 1:
                i = labels.index(label)
                j = labels.index(label, i + 1)
                data = np.diagonal(data, axis1=1 + i, axis2=1 + j)  # the joined axis comes last
                del labels[j], labels[i]
                labels.append(label)
        return Labelled(tuple(labels), data)

    def arranged(self, labels: tuple[str, ...]) -> Array:
        """The data with axes in this order, of length one where it has none."""
        order = [self.axis(x) for x in labels if x in self.labels]
        index = [slice(None), *(slice(None) if x in self.labels else None for x in labels)]
        return self.data.transpose(0, *order)[tuple(index)]

    def reduced(self, labels: tuple[str, ...], mean: bool) -> Labelled:
        """The sum or the mean over axes."""
        axes = tuple(self.axis(x) for x in labels if x in self.labels)
        if not axes:
            return self
        total = self.data.sum(axis=axes)
        rest = tuple(x for x in self.labels if x not in labels)
        return Labelled(rest, total / prod(self.data.shape[a] for a in axes) if mean else total)

    def gathered(self, label: str, index: Array) -> Array:
        """The data at positions of an axis, zero where there is no such position; the index may have two axes."""
        axis = self.axis(label)
        inside = (index >= 0) & (index < self.data.shape[axis])
        taken = self.data.take(np.where(inside, index, 0), axis=axis)
        mask = inside.reshape(*inside.shape, *(1,) * (self.data.ndim - axis - 1))
        return np.where(mask, taken, taken.dtype.type(0) if taken.dtype != object else 0)


Attrs = Mapping[str, Any]


def _relabel(x: Labelled, side: str, attrs: Attrs, weights: Labelled | None) -> Labelled:
    return x.relabelled({f"{side}:{attrs['old']}": f"{side}:{attrs['new']}"})


def _pick(x: Labelled, side: str, attrs: Attrs, weights: Labelled | None) -> Labelled:
    label = f"{side}:{attrs['axis']}"
    rest = tuple(y for y in x.labels if y != label)
    return Labelled(rest, x.data.take(attrs["index"], axis=x.axis(label)))


def _pool(x: Labelled, side: str, attrs: Attrs, weights: Labelled | None) -> Labelled:
    return x.reduced(tuple(f"{side}:{name}" for name in attrs["axes"]), bool(attrs["mean"]))


def _shift(x: Labelled, side: str, attrs: Attrs, weights: Labelled | None) -> Labelled:
    label = f"{side}:{attrs['axis']}"
    length = attrs.get("length", x.data.shape[x.axis(label)])
    return Labelled(x.labels, x.gathered(label, np.arange(length) - attrs["by"]))


def _patches(x: Labelled, side: str, attrs: Attrs, weights: Labelled | None) -> Labelled:
    """Windows around positions: the offsets of all axes together become the last axis, in row-major order."""
    stride, padding = attrs["stride"], attrs["padding"]
    for name, extent in zip(attrs["axes"], attrs["kernel"], strict=True):
        label = f"{side}:{name}"
        size = x.data.shape[x.axis(label)]
        count = (size - extent) // stride + 1 if padding == "valid" else -(-size // stride)
        before = 0 if padding == "valid" else (extent - 1) // 2
        index = np.arange(count)[:, None] * stride - before + np.arange(extent)
        if padding == "circular":
            index %= size
        axis = x.axis(label)
        data = np.moveaxis(x.gathered(label, index), axis + 1, -1)
        x = Labelled((*x.labels, f"offset:{name}"), data)
    kept = x.labels[: -len(attrs["axes"])]
    return Labelled((*kept, f"{side}:{attrs['axis']}"), x.data.reshape(*x.data.shape[: 1 + len(kept)], -1))


def _mix(x: Labelled, side: str, attrs: Attrs, weights: Labelled | None) -> Labelled:
    """The sum over a position with weights; axes that both have are read together."""
    assert weights is not None
    label = f"{side}:{attrs['axis']}"
    labels = tuple(dict.fromkeys((*x.labels, *weights.labels)))
    both = weights.arranged(labels) * x.arranged(labels)
    return Labelled(labels, both).reduced((label,), mean=False)


moves: dict[str, Callable[..., Labelled]] = {
    "relabel": _relabel,
    "pick": _pick,
    "pool": _pool,
    "shift": _shift,
    "patches": _patches,
    "mix": _mix,
}
"""Linear operations along positions of one point."""


def moved(x: Labelled, op: str, side: str, attrs: Attrs, weights: Labelled | None = None) -> Labelled:
    """One operation, on the positions of one point."""
    if op not in moves:
        raise KernelError(
            f"no kernel can be evaluated through the operation {op}: add it in ntksym/kernels/labelled.py"
        )
    return moves[op](x, side, attrs, weights)
