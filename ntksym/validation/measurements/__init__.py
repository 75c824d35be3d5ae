"""Measurements: one file for each statistic that predictions may name. Adding a file here is all it takes."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from ntksym.errors import ValidationError
from ntksym.validation.measurements._base import Measurement, measurements

for _module in iter_modules(__path__):
    if not _module.name.startswith("_"):
        import_module(f"{__name__}.{_module.name}")


def measurement_named(name: str) -> Measurement:
    """The measurement of a name; raises ValidationError with the known names."""
    if name not in measurements:
        raise ValidationError(f"there is no measurement {name!r}; known: {', '.join(sorted(measurements))}")
    return measurements[name]


__all__ = ["Measurement", "measurement_named", "measurements"]
