"""How operations of ATen are read: each file of this folder registers the rules of one family."""

from importlib import import_module
from pkgutil import iter_modules

for _found in iter_modules(__path__):
    import_module(f"{__name__}.{_found.name}")
