"""A spectrum as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ntksym._lazy import lazy
from ntksym.records.tables import Cell, Table

if TYPE_CHECKING:
    from ntksym.dynamics.spectrum import Spectrum

sympy = lazy("sympy")

EXACT_LENGTH = 40
"""Longer expressions are written as decimals only."""


def to_table(record: Spectrum) -> Table:
    """A row for every degree: multiplicity, eigenvalue, and what share of the trace is reached."""
    rows, reached = [], 0 * record.trace
    for k, (count, value) in enumerate(zip(record.multiplicities, record.eigenvalues, strict=True)):
        reached = reached + count * value
        share = float(reached / record.trace)
        rows.append((Cell(str(k)), Cell(str(count)), Cell(record.number(value)), _exact(value), Cell(f"{share:.6f}")))
    heads = (Cell("degree", "k"), Cell("multiplicity"), Cell("eigenvalue", r"\lambda_k"), Cell("exact"), Cell("share"))
    left_out = ({1} if record.d is None else set()) | (set() if any(row[3].text for row in rows) else {3})
    columns, *cells = (tuple(c for i, c in enumerate(row) if i not in left_out) for row in (heads, *rows))
    return Table(record.title, columns, tuple(cells), _notes(record))


def _exact(value: Any) -> Cell:
    if not isinstance(value, sympy.Basic) or len(str(value)) > EXACT_LENGTH:
        return Cell("")
    return Cell(str(value), sympy.latex(value))


def _notes(record: Spectrum) -> tuple[str, ...]:
    notes = [f"trace {record.number(record.trace)}, of which higher degrees have {float(record.remaining):.3g}"]
    if record.decay is not None:
        notes += [
            f"at large k, {parity} degrees: {law}" for parity, law in zip(("even", "odd"), record.decay, strict=True)
        ]
    return (*notes, f"evidence: {record.evidence}")
