"""Kernels computed line by line from the recursion: the judge of compiled ones, or instead of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Any

import numpy as np

from ntksym.kernels.compiled import Compiled, Plan
from ntksym.kernels.data import read_inputs
from ntksym.kernels.forms import KernelRecursion, kernel_recursion
from ntksym.records.gram import OUTPUTS, Kernels

Array = Any
DIGITS: dict[str, int | None] = {"mpmath": 20, "double": None}
"""Significant digits of the backends that evaluate the recursion; None for double precision."""


@dataclass(frozen=True)
class Evaluated(Compiled):
    """What ``KernelRecursion.evaluate`` gives, with all that compiled kernels are called by.

    "mpmath" is the oracle: 20 digits, rounded at the end. "double" computes every line for all pairs at once, for
    kernels that cannot be compiled yet, as those of attention; digits may be lost near parallel inputs.
    """

    @cached_property
    def recursion(self) -> KernelRecursion:
        return kernel_recursion(
            self.program, parameterization=self.parameterization, rates=dict(self.rates), sizes=dict(self.sizes)
        )

    @property
    def key(self) -> str:
        parts = [self.source, self.program.digest, self.backend, self.precision, sorted(self.numbers.items())]
        return sha256(json.dumps(parts).encode()).hexdigest()

    @property
    def source(self) -> str:
        """The recursion."""
        return self.recursion.to_text()

    @property
    def stable(self) -> bool:
        return DIGITS[self.backend] is not None

    @property
    def plan(self) -> Plan:
        digits = DIGITS[self.backend]
        return Plan(False, f"line by line, {'in double precision' if digits is None else f'to {digits} digits'}")

    def __call__(self, X1: Any, X2: Any = None, get: str | Sequence[str] = OUTPUTS) -> Any:
        wanted = self._wanted(get)
        found = self.recursion.evaluate(X1, X2, digits=DIGITS[self.backend], **self.values)
        results = {name: np.asarray(getattr(found, name)).astype(self.dtype) for name in wanted}
        return results[get] if isinstance(get, str) else Kernels(**results)

    def diagonal(self, X: Any, get: str | Sequence[str] = OUTPUTS) -> Any:
        wanted, inputs = self._wanted(get), read_inputs(self.program, X, "X")
        count = len(next(iter(inputs.values())))
        parts = [self({name: x[k : k + 1] for name, x in inputs.items()}, None, wanted) for k in range(count)]
        results = {name: np.array([getattr(part, name)[0, 0] for part in parts]) for name in wanted}
        return results[get] if isinstance(get, str) else Kernels(**results)
