"""How strongly updates, changes and initial weights are aligned: how much a sum over n terms adds up.

A sum of n independent zero-mean terms adds n^(1/2), one of aligned terms n. The three documented assumptions:

- ``tensor_programs``: updates are built from the vectors they meet, so they add up fully; changes pass through
  initial weights by at most the operator norm (Yang & Hu 2020; Yang, Simon & Bernstein 2023), which predicted slopes
  take for that part of a change only that points along the gradient from there.
- ``full``: the same for updates, but changes meet the initial weights like independent vectors
  (Everett et al. 2024, full alignment).
- ``none``: nothing is aligned; every sum adds n^(1/2) (Everett et al. 2024, no alignment).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ntksym.scaling.cones import Form, highest


@dataclass(frozen=True)
class Alignment:
    """``update`` n terms of an update on a value; ``initial`` n terms of W0 (m rows) on a change."""

    name: str
    update: Callable[[Form], Form]
    initial: Callable[[Form, Form], Form]
    cap_updates: bool = False


def operator_norm(n: Form, m: Form) -> Form:
    """What an m x n Gaussian matrix can amplify the typical entry of an input by, its own entry size apart."""
    return highest(n / 2, n - m / 2)


alignments = {
    alignment.name: alignment
    for alignment in (
        Alignment("tensor_programs", lambda n: n, operator_norm),
        Alignment("full", lambda n: n, lambda n, m: n / 2),
        Alignment("none", lambda n: n / 2, lambda n, m: n / 2, cap_updates=True),
    )
}
