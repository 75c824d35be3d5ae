"""Linear dynamics as a table, LaTeX and JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ntksym.records.tables import Cell, Table

if TYPE_CHECKING:
    from ntksym.dynamics.linear import LinearDynamics

ENDS = 6
"""How many of the fastest, and of the slowest, eigenvectors a table shows."""


def target_shares(record: LinearDynamics) -> Any:
    """The share of the squared targets that each eigenvector has, (n,)."""
    squares = ((record.vectors.T @ record.targets) ** 2).sum(1)
    return squares / (squares.sum() or 1.0)


def to_table(record: LinearDynamics) -> Table:
    """A row for each of the first and the last eigenvectors."""
    count = len(record.rates)
    shown = range(count) if count <= 2 * ENDS else (*range(ENDS), *range(count - ENDS, count))
    shares, times = target_shares(record), record.convergence_times
    rows = tuple(
        (Cell(str(k + 1)), Cell(f"{record.rates[k]:.6g}"), Cell(_time(times[k])), Cell(f"{shares[k]:.6f}"))
        for k in shown
    )
    heads = (Cell("eigenvector"), Cell("rate", r"\lambda_k"), Cell(f"{record.algorithm.unit} for a factor e"))
    largest = record.largest_stable_rate
    rate = "" if largest is None else f"; stable below a learning rate of {largest:.6g}"
    left = f"left of an error: r_t = {record.algorithm.formula}{rate}"
    return Table(record.title, (*heads, Cell("share of the targets")), rows, (left,))


def _time(time: float) -> str:
    return "never" if np.isinf(time) else f"{time:.6g}"


def to_latex(record: LinearDynamics) -> str:
    """What is left of an error, then mean and covariance of the outputs at time t."""
    ridge = r" + \rho" if record.ridge else ""
    lines = (
        rf"r_t(\lambda) &= {record.algorithm.latex}",
        rf"g_t &= \frac{{1 - r_t(M)}}{{M}}, \qquad M = \tfrac1n \Theta(X, X){ridge}",
        r"A_t(x) &= \tfrac1n \Theta(x, X)\,g_t",
        r"E[f_t(x)] &= A_t(x)\,Y",
        r"\operatorname{Cov}[f_t(x), f_t(x')] &= K(x, x') - A_t(x)\,K(X, x') - K(x, X)\,A_t(x')^\top "
        r"+ A_t(x)\,K(X, X)\,A_t(x')^\top",
    )
    return "\\begin{aligned}\n" + " \\\\\n".join(lines) + "\n\\end{aligned}"


def to_json(record: LinearDynamics) -> dict[str, Any]:
    """A plain JSON object."""
    return {
        "schema": "ntksym.linear_dynamics/1",
        "title": record.title,
        "unit": record.algorithm.unit,
        "ridge": record.ridge,
        "rates": record.rates.tolist(),
        "times": [None if np.isinf(time) else float(time) for time in record.convergence_times],
        "shares": target_shares(record).tolist(),
        "largest_stable_rate": record.largest_stable_rate,
    }
