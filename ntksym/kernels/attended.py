"""Numbers for means over heads: softmax weights of Gaussian logits, by a grid in few directions, by samples in more."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ntksym.gaussian.evaluate import NOTES
from ntksym.gaussian.floats import Estimates, gridded_means
from ntksym.gaussian.sampled import sampled_means
from ntksym.kernels.labelled import Array, Labelled
from ntksym.records.evidence import Evidence
from ntksym.records.formula import HeadAverage

# a direction whose part of the logits' variance is smaller is rounding
_ROUNDING = 1e-13
# in more directions a grid takes more points than samples do
_MOST_DIRECTIONS = 2


def head_average(
    line: HeadAverage, arrays: Mapping[str, Labelled], first: Array, second: Array
) -> tuple[Labelled, Evidence]:
    """The numbers of a line for pairs of inputs; ``first`` and ``second`` say where the pairs (i, i) and (j, j) stand.

    In double precision. The evidence holds the largest bound of all entries.
    """
    left, right = [f"L:{a.name}" for a in line.layout.left], [f"R:{a.name}" for a in line.layout.right]
    keys = {f"L:{line.key}": "key", f"R:{line.key}": "key'"}
    alone = ({f"R:{a.name}": f"L:{a.name}" for a in line.layout.right}, {x: f"R:{x[2:]}" for x in left})

    def block(name: str, which: Any = slice(None), changes: Mapping[str, str] | None = None) -> Array:
        found = Labelled(arrays[name].labels, arrays[name].data[which]).relabelled({**keys, **(changes or {})})
        return found.arranged((*left, *right, "key", "key'")).astype(float)

    own, cross, other = line.logits
    blocks = [block(own, first, alone[0]), block(cross), block(other, second, alone[1]), block(line.values)]
    blocks += [block(line.slopes)] if line.slopes else []
    shape = np.broadcast_shapes(*(x.shape for x in blocks))
    count = shape[-1]
    a, c, b, values, *slopes = (np.broadcast_to(x, shape).reshape(-1, count, count) for x in blocks)
    seen = [_visible(line.query, tuple(left), tuple(right), side, shape) for side in "LR"]
    covariance = np.block([[a, c], [c.swapaxes(1, 2), b]])
    found = means(covariance, np.concatenate(seen, axis=1), values, slopes[0] if slopes else None)
    evidence = Evidence("exact", bound=0.0)
    if found.nodes > 1:
        evidence = Evidence(found.kind, nodes=found.nodes, bound=float(found.bound.max()), note=NOTES[found.kind])
    return Labelled((*left, *right), found.value.reshape(shape[:-2])), evidence


def _visible(query: str, left: tuple[str, ...], right: tuple[str, ...], side: str, shape: tuple[int, ...]) -> Array:
    """Whether each key is seen, rows by keys: with a causal mask, where its position is not beyond the query's."""
    count = shape[-1]
    if not query:
        return np.ones((int(np.prod(shape[:-2])), count), dtype=bool)
    label = f"{side}:{query}"
    length = shape[1 + (*left, *right).index(label)]
    seen = Labelled((label, "key"), np.tri(length, count, dtype=bool)[None]).arranged((*left, *right, "key"))
    return np.broadcast_to(seen, (*shape[:-2], count)).reshape(-1, count)


def means(covariance: Array, visible: Array, values: Array, slopes: Array | None = None) -> Estimates:
    """E[sum_jj' A_j V_jj' A'_j'] for each row, or with derivatives of the weights (see ``HeadAverage``).

    Args:
        covariance: of the logits of both points, rows by 2T by 2T; visible: rows by 2T.
        values, slopes: V and S, rows by T by T.
    """
    count = values.shape[1]
    A = _directions(covariance, visible)
    ranks = A.any(axis=1).sum(axis=1)
    hidden = np.where(visible, 0.0, -np.inf)[:, :, None]
    value, bound, nodes = np.zeros(len(A)), np.zeros(len(A)), 1
    for rank in np.unique(ranks):
        chosen = np.nonzero(ranks == rank)[0]

        def integrand(rows: Array, z: Array, chosen: Array = chosen) -> Array:
            of = chosen[rows]
            z = z + hidden[of]
            weights = _softmax(z[:, :count]), _softmax(z[:, count:])
            return _mixed(*weights, values[of]) if slopes is None else _changes(*weights, values[of], slopes[of])

        estimates = gridded_means if rank <= _MOST_DIRECTIONS else sampled_means
        found = estimates(integrand, A[chosen, :, :rank], np.zeros((len(chosen), 2 * count)))
        value[chosen], bound[chosen] = found[:2]
        nodes = max(nodes, found[2])
    return Estimates(value, bound, nodes, "sampled" if ranks.max() > _MOST_DIRECTIONS else "quadrature")


def _directions(covariance: Array, visible: Array) -> Array:
    """Columns a_k with logits sum_k a_k x_k for standard normal x, up to a common shift, which no softmax sees."""
    count = visible.shape[1] // 2
    centre = np.zeros_like(covariance)
    for half in (slice(0, count), slice(count, 2 * count)):
        seen = visible[:, half].astype(float)
        total = seen.sum(axis=1)[:, None, None]
        centre[:, half, half] = np.eye(count) * seen[:, None] - seen[:, :, None] * seen[:, None] / total
    sizes, vectors = np.linalg.eigh(centre @ covariance @ centre.swapaxes(1, 2))
    least = _ROUNDING * np.trace(covariance, axis1=1, axis2=2)[:, None]
    roots = np.sqrt(np.where(sizes > least, sizes, 0.0))
    return (vectors * roots[:, None])[:, :, ::-1]


def _softmax(logits: Array) -> Array:
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    return exponentials / exponentials.sum(axis=1, keepdims=True)


def _mixed(a: Array, b: Array, values: Array) -> Array:
    return (a * (values @ b)).sum(axis=1)


def _changes(a: Array, b: Array, values: Array, slopes: Array) -> Array:
    """The sum over k and k' of S_kk' a_k b_k' (V_kk' - (V b)_k - (a V)_k' + a V b)."""
    right, left = values @ b, values.swapaxes(1, 2) @ a
    both = (a * right).sum(axis=1, keepdims=True)
    return _mixed(a, b, slopes * values) + (a * ((both - right) * (slopes @ b) - slopes @ (b * left))).sum(axis=1)
