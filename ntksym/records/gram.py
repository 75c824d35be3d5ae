"""What a compiled kernel is to those who use it: Gram matrices of inputs, at hyperparameters that may change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

OUTPUTS = ("nngp", "ntk")


class Kernels(NamedTuple):
    """Gram matrices (N1, N2), or diagonals (N,); None for what was not asked for."""

    nngp: Any = None
    ntk: Any = None


class CompiledKernel(Protocol):
    """The kernels of one program, compiled. ``key`` names program, options, values and version."""

    @property
    def outputs(self) -> tuple[str, ...]: ...

    @property
    def values(self) -> Mapping[str, float]: ...

    @property
    def hyperparameters(self) -> Mapping[str, float]:
        """All standard deviations that ``at`` can change, and what they are, set or not; no sizes."""
        ...

    @property
    def dtype(self) -> Any: ...

    @property
    def key(self) -> str: ...

    def __call__(self, X1: Any, X2: Any = None, get: str | Sequence[str] = OUTPUTS) -> Any:
        """The kernels of all pairs: an array (N1, N2) for one name, ``Kernels`` of such arrays for several."""
        ...

    def diagonal(self, X: Any, get: str | Sequence[str] = OUTPUTS) -> Any:
        """The kernels of each input with itself: arrays (N,)."""
        ...

    def at(self, **values: float) -> CompiledKernel:
        """The same kernel at other hyperparameters."""
        ...
