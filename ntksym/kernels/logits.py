"""Attention logits that stay random: sums of d_head random products at scale d_head^-1/2, anew in every head."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from ntksym.kernels.values import At, Graph
from ntksym.language.dims import ONE, Size


@dataclass(frozen=True)
class Logits:
    """L(i, j) = scale sum_c q_c(i) k_c(j) over the coordinates of a head.

    ``size`` is scale^2 times the number of these coordinates, of order one. Attention weights are the softmax of L
    along the axis ``key``; ``query`` is the axis whose position a key must not exceed, "" without a causal mask.
    """

    product: At
    queries: At
    keys: At
    size: Size
    key: str
    query: str


def growth(size: Size) -> int:
    """1 where a size grows with the large dimensions, -1 where it vanishes, 0 where it does neither."""
    powers = [power for dim, power in size.canonical.powers if dim.large]
    return 1 if any(p > 0 for p in powers) else -1 if powers else 0


def random_logits(graph: Graph, weights: At) -> Logits | None:
    """The logits that weights are the softmax of, if these are Gaussian in each of many heads; None otherwise."""
    softmax = _plain(graph, weights)
    if graph.node(softmax).op != "softmax":
        return None
    key, query = graph.node(softmax).attr("axis"), ""
    (found,) = graph.inputs(softmax)
    if graph.node(found).op == "mask" and graph.node(found).attr("key") == key:
        query = graph.node(found).attr("query")
        (found,) = graph.inputs(found)
    scale = ONE
    while graph.node(found).op == "linear" and len(graph.inputs(found)) == 1:
        scale = scale * graph.node(found).attr("coefficients")[0]
        (found,) = graph.inputs(found)
    if graph.node(found).op != "contract":
        return None
    queries, keys = graph.inputs(found)
    coordinates: Size = graph.node(queries).type.coord  # type: ignore[union-attr]
    many = any(growth(axis.size) > 0 for axis in graph.axes(found))
    if not many or growth(coordinates) <= 0 or growth(scale * coordinates ** Fraction(1, 2)) != 0:
        return None
    return Logits(found, queries, keys, (scale**2 * coordinates).canonical, key, query)


def _plain(graph: Graph, value: At) -> At:
    return _plain(graph, graph.inputs(value)[0]) if graph.node(value).op == "broadcast" else value
