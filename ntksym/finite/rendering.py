"""Numbers of 1/n terms as a table."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations_with_replacement
from typing import Any

import numpy as np

from ntksym.finite.observables import excess_kurtosis, expected_nngp, expected_ntk, ntk_covariance
from ntksym.finite.values import FiniteValues, renderers
from ntksym.records.tables import Cell, Table

HEADS = ("width", "x", "x'", "nngp", "ntk", "std of ntk", "excess kurtosis")


def to_table(values: FiniteValues, widths: Sequence[Sequence[float]]) -> Table:
    """Mean kernels with their 1/n terms and fluctuations, for pairs of inputs: at each of ``widths``, and in the limit.

    Each of ``widths`` holds one number for every axis.
    """
    pairs = list(combinations_with_replacement(range(len(values.ntk[-1])), 2))
    rows = []
    for given in widths:
        kernels = expected_nngp(values, given), expected_ntk(values, given)
        spread = np.sqrt(np.einsum("abab->ab", ntk_covariance(values, given)))
        kurtosis = excess_kurtosis(values, given)
        name = ", ".join(f"{width:g}" for width in dict.fromkeys(given))
        rows += [_row(name, pair, [k[pair] for k in (*kernels, spread)], kurtosis) for pair in pairs]
    rows += [_row("∞", pair, [values.nngp[-1][pair], values.ntk[-1][pair], 0.0], None) for pair in pairs]
    notes = (f"to order 1/n; evidence: {values.evidence}", *values.notes)
    return Table(f"{values.program}: finite width", tuple(map(Cell, HEADS)), tuple(rows), notes)


def _row(width: str, pair: tuple[int, int], numbers: list[Any], kurtosis: Any) -> tuple[Cell, ...]:
    a, b = pair
    last = "" if a != b else "0" if kurtosis is None else f"{kurtosis[a]:.6g}"
    return (Cell(width), Cell(str(a)), Cell(str(b)), *(Cell(f"{number:.6g}") for number in numbers), Cell(last))


renderers["table"] = to_table
