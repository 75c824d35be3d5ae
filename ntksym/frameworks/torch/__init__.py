"""PyTorch modules: programs in, parameter groups out."""

# mypy: implicit-reexport
# ruff: noqa: F401

from ntksym.frameworks.torch.check import check_torch
from ntksym.frameworks.torch.groups import apply_init, multipliers, param_groups, torch_numbers
from ntksym.frameworks.torch.program import TorchProgram, from_torch
