"""A scaling table as an Optax transformation: one optimizer for each parameter's numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ntksym._lazy import lazy
from ntksym.errors import FrameworkError
from ntksym.scaling.numbers import Numbers, ParameterNumbers

optax = lazy("optax")
tree_util = lazy("jax.tree_util")


def optax_transform(numbers: Numbers, optimizer: Callable[[ParameterNumbers], Any]) -> Any:
    """An ``optax.multi_transform`` that gives every parameter an optimizer with its own numbers.

    Args:
        numbers: a table at concrete sizes, ``table.at(n=4096, base={"n": 256}, lr=3e-3)``.
        optimizer: makes the optimizer of one row: ``lambda row: optax.adam(row.lr, eps=row.eps)``. Frozen parameters,
            whose rows have no rate, are left as they are without asking it.

    Returns:
        A gradient transformation for a tree of parameters whose paths, joined by dots, are the table's names:
        ``{"hidden.w": ...}`` as well as ``{"hidden": {"w": ...}}``.

    Raises FrameworkError at ``init`` for a parameter that the table does not have.

    Example:
        >>> import optax
        >>> import ntksym as ns
        >>> table = ns.scaling_table(ns.zoo.load("mlp")(depth=1), optimizer="adam")
        >>> numbers = table.at(n=1024, base={"n": 128}, lr=1e-3)
        >>> optimizer = ns.optax_transform(numbers, lambda row: optax.adam(row.lr, eps=row.eps))
        >>> weights = {"input": {"w": 0.0, "b": 0.0}, "readout": {"w": 0.0, "b": 0.0}}
        >>> state = optimizer.init(weights)
    """
    transforms = {row.name: optax.set_to_zero() if row.lr is None else optimizer(row) for row in numbers.parameters}
    return optax.multi_transform(transforms, lambda parameters: _labels(parameters, transforms))


def _labels(parameters: Any, known: Mapping[str, Any]) -> Any:
    """A tree of the same structure with the name of each parameter."""

    def label(path: tuple[Any, ...], leaf: Any) -> str:
        name = ".".join(str(getattr(part, "key", getattr(part, "name", getattr(part, "idx", part)))) for part in path)
        if name not in known:
            raise FrameworkError(f"the table has no parameter {name!r}; it has: {', '.join(known)}")
        return name

    return tree_util.tree_map_with_path(label, parameters)
