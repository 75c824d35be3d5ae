"""Finite width: 1/n terms of kernels, vertices, fluctuations of the NTK; exact results; how wide is wide enough."""

# mypy: implicit-reexport
# ruff: noqa: F401

from ntksym.finite.record import FiniteWidth, finite_width
from ntksym.finite.values import FiniteValues
