"""Optimizers: each file declares one, by how large an update it makes of a gradient.

Adding a file here is all that a new optimizer needs.
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from ntksym.errors import ScalingError
from ntksym.scaling.optimizers._base import Entry, Optimizer, optimizers

for _module in iter_modules(__path__):
    if not _module.name.startswith("_"):
        import_module(f"{__name__}.{_module.name}")


def optimizer_named(name: str | Optimizer) -> Optimizer:
    """The optimizer of a name; raises ScalingError with the known names."""
    if isinstance(name, Optimizer):
        return name
    if name not in optimizers:
        raise ScalingError(f"there is no optimizer {name!r}; known: {', '.join(sorted(optimizers))}")
    return optimizers[name]


__all__ = ["Entry", "Optimizer", "optimizer_named", "optimizers"]
