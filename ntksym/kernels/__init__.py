"""NNGP and NTK of a Program: rules of covariance and of tangents, the recursion that they give, and its compiled form.

Names are loaded on first use: a compiled kernel that stands on the disk already needs no SymPy, a derivation does.
"""

from importlib import import_module
from typing import Any

_LATER = {
    "Compiled": "compiled",
    "KernelRecursion": "forms",
    "KernelValues": "forms",
    "compiled_kernel": "compiled",
    "kernel_recursion": "forms",
}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_LATER[name]}"), name)


def __dir__() -> list[str]:
    return sorted(_LATER)
