"""The spectrum of a Gram matrix, and two numbers that score an architecture by it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ntksym.dynamics.posterior import checked
from ntksym.records.tables import Cell, Table, Tabular

Array = Any
SHOWN = 10


@dataclass(frozen=True, eq=False)
class GramSpectrum(Tabular):
    """Eigenvalues (n,) of the kernel matrix of n inputs over n, the largest first.

    They are the rates at which gradient flow on a loss averaged over the inputs learns along each eigenvector, and
    approach those of the kernel for the distribution of the inputs as n grows.
    """

    title: str
    eigenvalues: Array

    @property
    def condition_number(self) -> float:
        """The largest eigenvalue over the smallest: how many times longer the slowest direction takes; may be inf."""
        return float(self.eigenvalues[0] / self.eigenvalues[-1]) if self.eigenvalues[-1] > 0 else float("inf")

    @property
    def effective_rank(self) -> float:
        """The exponential of the entropy of eigenvalues that are normalised to sum to one (Roy and Vetterli 2007)."""
        shares = self.eigenvalues / self.eigenvalues.sum()
        shares = shares[shares > 0]
        return float(np.exp(-(shares * np.log(shares)).sum()))

    @property
    def trace(self) -> float:
        """The sum of all: the mean kernel of an input with itself."""
        return float(self.eigenvalues.sum())

    def to_table(self) -> Table:
        """The first eigenvalues, and the share of the trace that is reached with each."""
        shares = np.cumsum(self.eigenvalues) / self.trace
        rows = tuple(
            (Cell(str(i)), Cell(f"{x:.10g}"), Cell(f"{share:.6f}"))
            for i, (x, share) in enumerate(zip(self.eigenvalues[:SHOWN], shares, strict=False), 1)
        )
        notes = (
            f"{len(self.eigenvalues)} eigenvalues, trace {self.trace:.6g}",
            f"condition number {self.condition_number:.6g}, effective rank {self.effective_rank:.6g}",
        )
        return Table(self.title, (Cell("number"), Cell("eigenvalue"), Cell("share")), rows, notes)

    def to_json(self) -> dict[str, Any]:
        """A plain JSON object; the condition number is null where it is infinite."""
        condition = self.condition_number
        return {
            "schema": "ntksym.gram_spectrum/1",
            "title": self.title,
            "eigenvalues": [float(x) for x in self.eigenvalues],
            "trace": self.trace,
            "condition_number": condition if np.isfinite(condition) else None,
            "effective_rank": self.effective_rank,
        }


def gram_spectrum(matrix: Array, title: str) -> GramSpectrum:
    """The spectrum of a kernel matrix (n, n), divided by n; raises DynamicsError where it is not finite or not square.

    Eigenvalues of a kernel matrix are not negative, so what is below 0 is rounding.
    """
    values = np.linalg.eigvalsh(checked(matrix))[::-1] / len(matrix)
    return GramSpectrum(title, np.maximum(values, 0.0))
