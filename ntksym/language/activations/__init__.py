"""Activations: one file for each, or for each family. Adding a file here is all it takes to add one."""

from importlib import import_module
from pkgutil import iter_modules

from ntksym.language.activations._base import Activation, Family, activation, activations, registry

__all__ = ["Activation", "Family", "activation", "activations", "registry"]

for _module in iter_modules(__path__):
    if not _module.name.startswith("_"):
        import_module(f"{__name__}.{_module.name}")
