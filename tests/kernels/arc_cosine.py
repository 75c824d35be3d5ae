"""A compiled kernel that is written by hand: one hidden layer of ReLU units, in numpy, each pair by itself."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ntksym.records.gram import OUTPUTS, Kernels

DOUBLE = np.dtype("float64")


@dataclass(frozen=True)
class ArcCosine:
    """NNGP and NTK of one hidden layer (Cho and Saul 2009), without biases; the numbers of a pair depend on it only."""

    sigma_w: float = 1.0
    dtype: Any = DOUBLE
    outputs: tuple[str, ...] = OUTPUTS

    @property
    def values(self) -> dict[str, float]:
        return {"sigma_w": self.sigma_w}

    @property
    def key(self) -> str:
        return f"arc cosine, {self.sigma_w!r}, {self.dtype}, {self.outputs}"

    def at(self, **values: float) -> ArcCosine:
        return replace(self, **values)

    def __call__(self, X1: Any, X2: Any = None, get: str | Sequence[str] = OUTPUTS) -> Any:
        left, right = np.asarray(X1, float), np.asarray(X1 if X2 is None else X2, float)
        inner = (left[:, None] * right[None]).sum(-1) * self.sigma_w**2 / left.shape[1]
        size = np.sqrt((left**2).sum(-1)[:, None] * (right**2).sum(-1)[None]) * self.sigma_w**2 / left.shape[1]
        angle = np.arccos(np.clip(inner / size, -1, 1))
        dual = (size * np.sin(angle) + (np.pi - angle) * inner) / (2 * np.pi)
        nngp = self.sigma_w**2 * dual
        ntk = nngp + self.sigma_w**2 * (np.pi - angle) / (2 * np.pi) * inner
        found = Kernels(*(array.astype(self.dtype) for array in (nngp, ntk)))
        return getattr(found, get) if isinstance(get, str) else found

    def diagonal(self, X: Any, get: str | Sequence[str] = OUTPUTS) -> Any:
        raise NotImplementedError


@dataclass(frozen=True)
class Watched(ArcCosine):
    """The same kernel, and something that happens before each of its calls."""

    before: Callable[[], None] = print

    def __call__(self, X1: Any, X2: Any = None, get: str | Sequence[str] = OUTPUTS) -> Any:
        self.before()
        return super().__call__(X1, X2, get)


@dataclass
class Fate:
    """Calls are counted; one of them is the last thing this process does, or ends in control-C."""

    last: int | None = None
    kill: bool = False
    calls: int = 0

    def __call__(self, *_: Any) -> None:
        self.calls += 1
        if self.calls == self.last and self.kill:
            os.kill(os.getpid(), signal.SIGKILL)
        if self.calls == self.last:
            raise KeyboardInterrupt
