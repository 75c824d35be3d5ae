"""How much the numbers of an expectation change when its covariance does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ntksym._lazy import lazy
from ntksym.gaussian import Answer
from ntksym.gaussian.slopes import aligned, slopes, without
from ntksym.gaussian.unevaluated import Unevaluated
from ntksym.kernels.arithmetic import Arithmetic

sympy = lazy("sympy")

Array = Any

# two Gaussians count as aligned when 1 - correlation^2 is below this
ALIGNED = 1e-13


def changed(numbers: Arithmetic, answer: Answer, values: Mapping[str, Array], changes: Mapping[str, Array]) -> Array:
    """The derivative of an answer along ``changes`` of its symbols, at ``values``: arrays of one length.

    Where a variance is zero and stays so, or two Gaussians are aligned and stay so, the answer is differentiated among
    such covariances only. Raises ``GaussianError`` where the derivative is infinite.
    """
    count = len(next(iter(values.values()), ()))
    total = numbers.array(np.zeros(count))
    constant = _constant(answer, values, changes)
    for names in {x for x in constant if x}:
        where = np.array([x == names for x in constant])
        part, along = ({k: x[where] for k, x in arrays.items()} for arrays in (values, changes))
        total[where] = changed(numbers, without(answer, names), part, {k: x for k, x in along.items() if x.any()})
    left = np.array([not x for x in constant], dtype=bool)
    signs = _signs(answer, values, changes, count)
    for sign in (1, -1):
        where = left & (signs == sign)
        if where.any():
            part = {name: array[where] for name, array in values.items()}
            symbols = tuple(sympy.Symbol(name, real=True) for name in part)
            for name, expression in aligned(answer, sign):
                points = zip(*part.values(), strict=True)
                found = numbers.array([numbers.algebra(expression, symbols, list(point)) for point in points])
                total[where] += found * changes[name][where]
    partial = dict(slopes(answer))
    for name, change in changes.items():
        where = left & (signs == 0) & (change != 0)
        if where.any():
            part = {key: array[where] for key, array in values.items()}
            for weight, slope in partial.get(name, ()):
                if slope.expression != 0:
                    factor = numbers.algebra(weight, (), [])
                    total[where] += factor * numbers.answer(slope, part) * change[where]
    return total


def _constant(answer: Answer, values: Mapping[str, Array], changes: Mapping[str, Array]) -> list[tuple[str, ...]]:
    """For each entry the variances that are zero and stay so."""
    covariance = answer.expectation.covariance
    names = dict.fromkeys(row[i].name for i, row in enumerate(covariance) if row[i].is_Symbol)
    count = len(next(iter(values.values()), ()))
    return [
        tuple(name for name in names if values[name][k] == 0 and (name not in changes or changes[name][k] == 0))
        for k in range(count)
    ]


def _signs(answer: Answer, values: Mapping[str, Array], changes: Mapping[str, Array], count: int) -> Array:
    """1 and -1 where two Gaussians have that correlation, and go on having it; 0 elsewhere."""
    signs = np.zeros(count, dtype=int)
    covariance = answer.expectation.covariance
    if len(covariance) != 2 or not all(entry.is_Symbol for row in covariance for entry in row):
        return signs
    if answer.expression.has(Unevaluated):  # smooth: its partial derivatives are finite
        return signs
    (p, r), (_, q) = ((entry.name for entry in row) for row in covariance)
    if len({p, r, q}) < 3 or not {p, q} <= set(changes):
        return signs
    x, y, z = values[p], values[q], values[r]
    dx, dy, dz = changes[p], changes[q], changes.get(r, 0 * x)
    stays = abs(dx * y + x * dy - 2 * z * dz) <= ALIGNED * (abs(dx * y) + abs(x * dy))
    for k in np.nonzero(np.array((x * y - z * z) <= ALIGNED * x * y, dtype=bool) & np.array(stays, dtype=bool))[0]:
        signs[k] = 0 if x[k] == 0 or y[k] == 0 else 1 if z[k] > 0 else -1
    return signs
