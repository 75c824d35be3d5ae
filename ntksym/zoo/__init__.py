"""Architectures ready to use: each file holds one, a short function in the language and nothing else.

Adding a file with a function of its own name, decorated with ``@program``, is all that a new one needs.
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from ntksym.errors import ProgramError
from ntksym.language import Architecture

names: tuple[str, ...] = tuple(sorted(module.name for module in iter_modules(__path__)))
"""The names of all architectures, without loading them."""


def load(name: str) -> Architecture:
    """One architecture by name; raises ProgramError with the known names."""
    if name not in names:
        raise ProgramError(f"there is no architecture {name!r} in the zoo; it holds: {', '.join(names)}")
    found = getattr(import_module(f"{__name__}.{name}"), name)
    assert isinstance(found, Architecture)
    return found
