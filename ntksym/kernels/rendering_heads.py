"""Means over the heads of attention with random logits, as a page shows them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ntksym._lazy import lazy
from ntksym.kernels.rendering_positions import Place, Positions
from ntksym.records.formula import HeadAverage

sympy = lazy("sympy")


@dataclass(frozen=True)
class Heads:
    """E[sum over keys of A_j A'_j' values], or of dA_j/du_k dA'_j'/du'_k' slopes values.

    A and A' are the softmax of u and u', Gaussian with mean zero and the covariance ``logits`` (of both points).
    ``keys`` are j and j'; ``changed`` k and k', empty without slopes; ``last`` the queries that keys do not exceed,
    empty without a mask.
    """

    keys: tuple[Any, Any]
    values: Any
    logits: Any
    last: tuple[Any, ...] = ()
    changed: tuple[Any, ...] = ()
    slopes: Any = None


def heads(positions: Positions, line: HeadAverage, place: Place) -> Heads:
    """A line at its place."""
    left, right = positions.indices.left(line.key), positions.indices.right(line.key)
    used = {*place.left.values(), *place.right.values()}
    j, m = (positions.indices.fresh(x, used) for x in (left, right))
    k, p = (positions.indices.fresh(x, {*used, j, m}) for x in (left, right))

    def read(name: str, first: Any, second: Any) -> Any:
        there = Place({**place.left, line.key: first}, {**place.right, line.key: second}, {}, place.points)
        return positions.read(name, there)

    return Heads(
        keys=(j, m),
        values=read(line.values, j, m),
        logits=read(line.logits[1], j, m),
        last=(place.left[line.query], place.right[line.query]) if line.query else (),
        changed=(k, p) if line.slopes else (),
        slopes=read(line.slopes, k, p) if line.slopes else None,
    )
