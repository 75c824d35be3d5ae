"""Kernels of the reference networks with positions: images, graphs, sequences. Rows are (input, position)."""

from math import pi, sqrt
from typing import Any

import duals
import mpmath as mp
import numpy as np
from common import Case
from networks import (
    Array,
    Stream,
    act,
    added,
    data,
    dense,
    each,
    exact,
    joined,
    moved,
    network,
    normalise,
    product,
    scale_of,
    scaled,
)


def rows(given: dict[str, Array]) -> Stream:
    x = given["x"]
    return data(x.reshape(-1, x.shape[-1]))


def pooled(s: Stream, batch: int, weights: Any = None) -> Stream:
    """One row for each input: the mean over positions, or the sum with weights."""
    P = len(s.mean) // batch
    return moved(s, each(batch, np.full((1, P), 1) / P if weights is None else np.atleast_2d(weights)))


def last(s: Stream, batch: int) -> Stream:
    return pooled(s, batch, np.eye(len(s.mean) // batch)[-1])


def attended(s: Stream, batch: int, causal: bool) -> Stream:
    """Uniform attention, over the past if causal."""
    P = len(s.mean) // batch
    A = exact(np.tril(np.ones((P, P))) if causal else np.ones((P, P)))
    return moved(s, each(batch, A / A.sum(1)[:, None]))


# --- images ----------------------------------------------------------------------------------------------


def windows(lengths: tuple[int, ...], kernel: int, stride: int, padding: str) -> tuple[tuple[int, ...], Array]:
    """The lengths that are left, and for each offset in the window the position that each new one reads, -1 outside."""
    before = 0 if padding == "valid" else (kernel - 1) // 2
    axes = []
    for n in lengths:
        count = (n - kernel) // stride + 1 if padding == "valid" else -(-n // stride)
        places = np.arange(count) * stride - before + np.arange(kernel)[:, None]
        axes.append(places % n if padding == "circular" else np.where((places >= 0) & (places < n), places, -1))
    first, second = axes[0][:, None, :, None], axes[1][None, :, None, :]
    both = np.where((first < 0) | (second < 0), -1, first * lengths[1] + second)
    return (axes[0].shape[1], axes[1].shape[1]), both.reshape(kernel**2, -1)


def read(s: Stream, batch: int, places: Array) -> Stream:
    """The rows at these positions of every input, zero for -1: multiplication by a matrix of zeros and ones."""
    P = len(s.mean) // batch
    index = np.concatenate([np.where(places < 0, -1, places + i * P) for i in range(batch)])
    inside = np.outer(index >= 0, index >= 0).astype(int)
    at = np.ix_(index, index)
    return Stream(s.K[at] * inside, {name: part[at] * inside for name, part in s.T.items()}, s.mean[index])


def over_windows(s: Stream, batch: int, offsets: Array) -> Stream:
    """The mean over the window of both sides' moments at equal offsets: what a dense layer on windows reads."""
    seen = [read(s, batch, places) for places in offsets]
    parts = added(*(t.T for t in seen))
    count = mp.mpf(len(seen))
    return Stream(sum(t.K for t in seen) / count, scaled(parts, 1 / count), seen[0].mean)


@network
def cnn(case: Case, given: dict[str, Array]) -> Stream:
    settings, batch = case.settings, len(given["x"])
    lengths: tuple[int, ...] = given["x"].shape[1:3]
    h = rows(given)
    for i in range(settings["depth"]):
        stride = 1 if i else settings["stride"]
        lengths, offsets = windows(lengths, settings["kernel"], stride, settings["padding"])
        h = act(dense(over_windows(h, batch, offsets), case, "layer.conv" if i else "input"), settings["phi"])
    if settings["head"] == "pool":
        return dense(pooled(h, batch), case, "readout")
    if settings["head"] == "avg":
        P = int(np.prod(lengths))
        lengths, offsets = windows(lengths, 2, 2, "valid")
        h = moved(h, each(batch, np.eye(P, dtype=int)[offsets].sum(0)) / 4)
    return dense(over_windows(h, batch, np.arange(np.prod(lengths))[:, None]), case, "readout")


# --- graphs and sequences --------------------------------------------------------------------------------


@network
def gcn(case: Case, given: dict[str, Array]) -> Stream:
    h, batch = rows(given), len(given["x"])
    for i in range(case.settings["depth"]):
        h = moved(dense(h, case, "layer.conv" if i else "input"), each(batch, given["adjacency"]))
        h = act(h, case.settings["phi"])
    return dense(pooled(h, batch), case, "readout")


@network
def attention(case: Case, given: dict[str, Array]) -> Stream:
    batch = len(given["x"])
    h = heads(dense(rows(given), case, "embed"), batch, case, case.settings["causal"])
    return dense(pooled(act(h, case.settings["phi"]), batch), case, "readout")


def heads(h: Stream, batch: int, case: Case, causal: bool) -> Stream:
    """Attention with vanishing logits; what reaches the queries and keys vanishes with d_head."""
    return dense(attended(dense(h, case, "attn.v", bias=False), batch, causal), case, "attn.o", bias=False)


@network
def shared_attention(case: Case, given: dict[str, Array]) -> Stream:
    """The logits converge to sigma_w^2 E[h_t h_s]; nothing flows back through them in the limit."""
    batch, P = given["x"].shape[:2]
    h = act(dense(rows(given), case, "embed"), case.settings["phi"])
    A = exact(np.zeros((batch * P, batch * P)))
    for i in range(batch):
        own = slice(i * P, (i + 1) * P)
        logits = dense(h, case, "qk", bias=False).K[own, own]
        power = np.vectorize(mp.exp, otypes=[object])(logits)
        A[own, own] = power / power.sum(1)[:, None]
    mixed = dense(moved(dense(h, case, "value", bias=False), A), case, "out", bias=False)
    return dense(last(mixed, batch), case, "readout")


@network
def transformer(case: Case, given: dict[str, Array]) -> Stream:
    settings, batch = case.settings, len(given["x"])
    centre = settings["norm"] == "layernorm"
    h = dense(rows(given), case, "embed")
    h = act(h, settings["phi"]) if settings["activated"] else h
    for _ in range(2):
        h = joined(h, heads(normalise(h, centre), batch, case, True), scale_of(case))
        g = act(dense(normalise(h, centre), case, "block.mlp.up", bias=False), settings["phi"])
        h = joined(h, dense(g, case, "block.mlp.down", bias=False), scale_of(case))
    return dense(last(normalise(h, centre), batch), case, "readout")


@network
def embedding(case: Case, given: dict[str, Array]) -> Stream:
    tokens = given["tokens"]
    batch, P = tokens.shape
    same = exact(tokens.ravel()[:, None] == tokens.ravel()).astype(object) * mp.mpf(str(case.sigma_w)) ** 2
    h = Stream(same, {"embed.w": same}, exact(np.zeros(batch * P)))
    if case.settings["positional"]:
        place = exact(np.kron(np.ones((batch, batch)), np.eye(P)))
        h = joined(h, Stream(place, {"position.w": place}, h.mean))
    return dense(pooled(act(dense(h, case, "hidden"), case.settings["phi"]), batch), case, "readout")


# --- recurrent networks ----------------------------------------------------------------------------------


@network
def rnn(case: Case, given: dict[str, Array]) -> Stream:
    """One stream over all (input, step); each pass fixes one more step. Adjoints of different steps are
    correlated only at equal distance to the output, which the shift on both sides keeps (Yang 2020, NTK of RNNs)."""
    batch, T = given["x"].shape[:2]
    read = dense(rows(given), case, "cell.h")
    z = read
    for _ in range(T - 1):
        before = moved(act(z, case.settings["phi"]), each(batch, np.eye(T, k=-1)))
        again = dense(before, case, "again", bias=False)
        parts = added(again.T, {"cell.h.u": again.T["again.w"]})
        del parts["again.w"]
        z = joined(read, Stream(again.K, parts, again.mean))
    return dense(last(act(z, case.settings["phi"]), batch), case, "readout")


@network
def gru(case: Case, given: dict[str, Array]) -> Stream:
    x = rows({"x": given["x"]})
    return dense(
        product(act(dense(x, case, "cell.z"), "sigmoid"), act(dense(x, case, "cell.h"), "tanh")), case, "readout"
    )


@network
def lstm(case: Case, given: dict[str, Array]) -> Stream:
    """c = sigmoid(i) tanh(g) is not Gaussian; E over (i, i', g, g') by the trapezoidal rule in four variables."""
    x = rows(given)
    gates = {name: dense(x, case, f"cell.{name}") for name in "iog"}
    K = gates["i"].K
    found = exact(np.zeros((3, *K.shape)))
    for i in range(len(K)):
        for j in range(i, len(K)):
            for M, number in zip(
                found, tanh_of_gated(*(float(K[a, b]) for a, b in ((i, i), (i, j), (j, j)))), strict=True
            ):
                M[i, j] = M[j, i] = mp.mpf(number)
    out = act(gates["o"], "sigmoid")
    value = Stream(found[0], added(scaled(gates["i"].T, found[1]), scaled(gates["g"].T, found[2])), out.mean)
    return dense(product(out, value), case, "readout")


def tanh_of_gated(p: float, r: float, q: float) -> list[float]:
    """With y = tanh(sigmoid(i) tanh(g)): E[y y'] and E of the derivatives' products, by i and by g."""
    h = 0.18 / duals.RESOLUTION[-1]
    x = np.arange(-round(8.4 / h), round(8.4 / h) + 1) * h
    w = h * np.exp(-x * x / 2) / sqrt(2 * pi)
    w2 = np.outer(w, w).ravel()
    u = sqrt(p) * np.repeat(x, len(x))
    v = r / sqrt(p) * np.repeat(x, len(x)) + sqrt(max(q - r * r / p, 0.0)) * np.tile(x, len(x))
    keep = w2 > 1e-18
    u, v, w2 = u[keep], v[keep], w2[keep]
    (s, ds), (t, dt) = duals.FUNCTIONS["sigmoid"], duals.FUNCTIONS["tanh"]
    su, sv, dsu, dsv, tu, tv, dtu, dtv = (f(z) for f in (s, ds, t, dt) for z in (u, v))
    totals = np.zeros(3)
    for at in np.array_split(np.arange(len(u)), 1 + len(u) // 500):
        y, z = np.tanh(np.outer(su[at], tu)), np.tanh(np.outer(sv[at], tv))
        slopes = (1 - y * y) * (1 - z * z)
        totals += [
            w2[at] @ ((y * z) @ w2),
            (w2[at] * dsu[at] * dsv[at]) @ (slopes @ (w2 * tu * tv)),
            (w2[at] * su[at] * sv[at]) @ (slopes @ (w2 * dtu * dtv)),
        ]
    return [float(total) for total in totals]
