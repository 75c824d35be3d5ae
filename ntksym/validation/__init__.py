"""Predicted against measured: what records say of finite networks, held against ensembles of them."""

# mypy: implicit-reexport
# ruff: noqa: F401

from ntksym.validation import rendering, serial
from ntksym.validation.record import Check, Point, Validation
from ntksym.validation.validate import validate
