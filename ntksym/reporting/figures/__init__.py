"""Figures of records, one file for each type of record; adding a file here is all that a new figure needs.

A file registers a function from its record to a matplotlib figure: ``@figure.register``. Figures are drawn to be read
in black and white, too: lines and markers differ, not colours alone.
"""

from importlib import import_module
from pkgutil import iter_modules

from ntksym.reporting.figures._base import figure, image, image_format, saved

__all__ = ["figure", "image", "image_format", "saved"]

for _module in iter_modules(__path__):
    if not _module.name.startswith("_"):
        import_module(f"{__name__}.{_module.name}")
