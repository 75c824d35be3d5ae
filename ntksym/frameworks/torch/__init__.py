"""PyTorch modules: programs in, parameter groups out."""

# mypy: implicit-reexport
# ruff: noqa: F401

from ntksym.frameworks.torch.program import TorchProgram, from_torch
