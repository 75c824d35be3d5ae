"""A compiled kernel written by hand: one hidden layer of erf, whose duals are Williams' arcsine (1997) and its slope.

The room reads kernels through ``CompiledKernel`` only, so its tests need none that is generated.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import numpy as np

from ntksym.errors import KernelError
from ntksym.records.gram import OUTPUTS, Kernels


@dataclass(frozen=True)
class Arcsine:
    """Both kernels of f(x) = sigma_w n^-1/2 v . erf(sigma_w d^-1/2 W x + sigma_b b) + sigma_b c at infinite n."""

    sigma_w: float = 1.5
    sigma_b: float = 0.3
    outputs: tuple[str, ...] = OUTPUTS
    single: bool = False

    @property
    def values(self) -> Any:
        return self.hyperparameters

    @property
    def hyperparameters(self) -> Any:
        return MappingProxyType({"sigma_w": self.sigma_w, "sigma_b": self.sigma_b})

    @property
    def dtype(self) -> Any:
        return np.dtype(np.float32 if self.single else np.float64)

    @property
    def key(self) -> str:
        return repr(self)

    def at(self, **values: float) -> Arcsine:
        return replace(self, **values)

    def __call__(self, X1: Any, X2: Any = None, get: str | Sequence[str] = OUTPUTS) -> Any:
        first = np.asarray(X1, dtype=np.float64)
        second = first if X2 is None else np.asarray(X2, dtype=np.float64)
        if first.shape[1] != second.shape[1]:
            raise KernelError(f"inputs of {first.shape[1]} and {second.shape[1]} entries")
        return self._given(self._layer(first, first)[:, None], self._layer(second, second), first @ second.T, get, X1)

    def diagonal(self, X: Any, get: str | Sequence[str] = OUTPUTS) -> Any:
        X = np.asarray(X, dtype=np.float64)
        norms = self._layer(X, X)
        return self._given(norms, norms, (X * X).sum(1), get, X)

    def _layer(self, left: Any, right: Any) -> Any:
        return self._affine((left * right).sum(1) / left.shape[1])

    def _affine(self, product: Any) -> Any:
        return self.sigma_w**2 * product + self.sigma_b**2

    def _given(self, p: Any, q: Any, products: Any, get: str | Sequence[str], X: Any) -> Any:
        r = self._affine(products / np.shape(X)[1])
        scale = (1 + 2 * p) * (1 + 2 * q)
        nngp = self._affine(2 / np.pi * np.arcsin(2 * r / np.sqrt(scale)))
        ntk = nngp + self.sigma_w**2 * r * 4 / (np.pi * np.sqrt(scale - 4 * r**2))
        both = {"nngp": nngp.astype(self.dtype), "ntk": ntk.astype(self.dtype)}
        return both[get] if isinstance(get, str) else Kernels(**{name: both[name] for name in get})
