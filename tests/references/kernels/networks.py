"""Kernels of the reference networks by plain recursions over streams.

A stream holds, for rows (input, position), the second moments K = E[h h'] of one coordinate in the limit, its mean,
and the tangent kernels T of one coordinate, one for each parameter. For an MLP these are the recursions of Jacot,
Gabriel and Hongler (2018) and Lee et al. (2019); the rest follows Yang (2019, 2020): dense layers make independent
Gaussian coordinates, anything linear in the positions is a matrix on both sides, and contributions of parameters
used at several places add up. Numbers are mpmath's (arrays of objects).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import duals
import mpmath as mp
import numpy as np
from common import Case

Array = np.ndarray
Parts = dict[str, Array]


def exact(array: Any) -> Array:
    """An array of mpmath numbers."""
    return np.vectorize(mp.mpf, otypes=[object])(np.asarray(array, dtype=object))


root = np.vectorize(mp.sqrt, otypes=[object])


@dataclass(frozen=True)
class Stream:
    """Rows x rows second moments and tangent kernels, and the means of the rows."""

    K: Array
    T: Parts
    mean: Array

    @property
    def total(self) -> Array:
        return sum(self.T.values(), 0 * self.K)


def data(rows: Array) -> Stream:
    """The inputs: inner products over the dimension."""
    rows = exact(rows)
    return Stream(rows @ rows.T / rows.shape[1], {}, exact(np.zeros(len(rows))))


def added(*parts: Parts) -> Parts:
    """Parameter by parameter."""
    names = {name for part in parts for name in part}
    return {name: sum(part[name] for part in parts if name in part) for name in names}


def scaled(parts: Parts, factor: Any) -> Parts:
    return {name: factor * part for name, part in parts.items()}


def dense(s: Stream, case: Case, name: str, bias: bool = True) -> Stream:
    w2, b2 = mp.mpf(str(case.sigma_w)) ** 2, mp.mpf(str(case.sigma_b)) ** 2
    parts = [scaled(s.T, w2), {f"{name}.w": w2 * s.K}]
    if bias:
        parts.append({f"{name}.b": b2 + 0 * s.K})
    return Stream(w2 * s.K + (b2 if bias else 0), added(*parts), exact(np.zeros(len(s.mean))))


def dual(phi: str, K: Array) -> tuple[Array, Array]:
    """The dual and the derivative's, entry by entry; symmetric."""
    value, slope = 0 * K, 0 * K
    for i in range(len(K)):
        for j in range(i, len(K)):
            value[i, j], slope[i, j] = duals.dual(phi, K[i, i], K[i, j], K[j, j])
            value[j, i], slope[j, i] = value[i, j], slope[i, j]
    return value, slope


def means(phi: str, K: Array) -> Array:
    if phi not in duals.FUNCTIONS:
        return np.full(len(K), mp.nan, dtype=object)  # asked for by no network
    return exact([duals.mean(phi, float(p)) for p in np.diag(K)])


def act(s: Stream, phi: str) -> Stream:
    """phi of a stream that is Gaussian with mean zero."""
    value, slope = dual(phi, s.K)
    return Stream(value, scaled(s.T, slope), means(phi, s.K))


def normalise(s: Stream, centre: bool) -> Stream:
    """Divided by the standard deviation, or by the root mean square; the adjoint's projections vanish in the limit."""
    K = s.K - np.outer(s.mean, s.mean) if centre else s.K
    size = root(np.outer(np.diag(K), np.diag(K)))
    mean = 0 * s.mean if centre else s.mean / root(np.diag(K))
    return Stream(K / size, scaled(s.T, 1 / size), mean)


def moved(s: Stream, A: Array) -> Stream:
    """Rows combined linearly by a matrix (new rows x rows)."""
    A = exact(A)
    return Stream(A @ s.K @ A.T, {name: A @ part @ A.T for name, part in s.T.items()}, A @ s.mean)


def joined(a: Stream, b: Stream, scale: Any = 1) -> Stream:
    """a + scale * b where the coordinates of b are independent of those of a, as behind a fresh dense layer."""
    cross = scale * (np.outer(a.mean, b.mean) + np.outer(b.mean, a.mean))
    return Stream(a.K + scale**2 * b.K + cross, added(a.T, scaled(b.T, scale**2)), a.mean + scale * b.mean)


def product(a: Stream, b: Stream) -> Stream:
    """a * b where the coordinates are independent."""
    return Stream(a.K * b.K, added(scaled(a.T, b.K), scaled(b.T, a.K)), a.mean * b.mean)


def each(batch: int, A: Array) -> Array:
    """A matrix on positions, for every input."""
    return np.kron(np.eye(batch), A)


def scale_of(case: Case) -> Any:
    top, _, below = case.settings["scale"].partition("/")
    return mp.mpf(top) / mp.mpf(below or 1)


Network = Callable[[Case, dict[str, Array]], Stream]
NETWORKS: dict[str, Network] = {}


def network(function: Network) -> Network:
    NETWORKS[function.__name__] = function
    return function


# --- vectors ---------------------------------------------------------------------------------------------


@network
def mlp(case: Case, given: dict[str, Array]) -> Stream:
    h = dense(data(given["x"]), case, "input")
    for _ in range(case.settings["depth"] - 1):
        h = dense(act(h, case.settings["phi"]), case, "layer.hidden")
    return dense(act(h, case.settings["phi"]), case, "readout")


@network
def tied_mlp(case: Case, given: dict[str, Array]) -> Stream:
    """Adjoints at different depths pass through different numbers of transposes, so they are uncorrelated."""
    return mlp(case, given)


@network
def normed_mlp(case: Case, given: dict[str, Array]) -> Stream:
    h = data(given["x"])
    for i in range(case.settings["depth"]):
        h = act(normalise(dense(h, case, "layer.hidden" if i else "input"), True), case.settings["phi"])
    return dense(h, case, "readout")


@network
def post_norm_mlp(case: Case, given: dict[str, Array]) -> Stream:
    h = data(given["x"])
    for i in range(case.settings["depth"]):
        h = dense(h, case, "layer.hidden" if i else "input")
        h = normalise(act(h, case.settings["phi"]), case.settings["centre"])
    return dense(h, case, "readout")


@network
def affine_norm_mlp(case: Case, given: dict[str, Array]) -> Stream:
    """y = x + b with x ~ N(0, rho), g = 1. Gain: E[phi'(y) phi'(y') x x'], where E[phi' phi' | Gaussian] is
    differentiated: with C = rho + sigma_b^2, Stein gives E[x x' F(y, y')] = rho E[F] + sum of rho rho E[second
    derivatives], here by finite differences of the derivative's dual, dF/dC_ij, exact to 20 digits."""
    phi, b2 = case.settings["phi"], mp.mpf(str(case.sigma_b)) ** 2
    x = normalise(dense(data(given["x"]), case, "input"), True)
    value, slope = dual(phi, x.K + b2)
    gain = 0 * x.K
    for i in range(len(gain)):
        for j in range(len(gain)):
            gain[i, j] = gain_part(phi, x.K[i, j], b2)
    parts = added(scaled(x.T, slope), {"norm.g": gain, "norm.b": b2 * slope})
    return dense(Stream(value, parts, 0 * x.mean), case, "readout")


def gain_part(phi: str, rho: Any, b2: Any) -> Any:
    """E[phi'(x + b) phi'(x' + b) x x'] for x, x' of variance one and covariance rho."""

    def slope(p: Any, r: Any, q: Any) -> Any:
        return duals.CLOSED[phi](p, r, q)[1]

    p, r = 1 + b2, rho + b2
    if abs(rho) > 1 - mp.mpf(10) ** -20:
        # x' = +-x: one Gaussian x, and b
        return gain_quadrature(phi, rho, b2)
    by_p = mp.diff(slope, (p, r, p), (1, 0, 0))
    by_r = mp.diff(slope, (p, r, p), (0, 1, 0))
    by_q = mp.diff(slope, (p, r, p), (0, 0, 1))
    # E[x x' F] = rho E[F] + sum_ij cov(x, y_i) cov(x', y_j) E[F_ij]; E[F_11] = 2 dE/dp, E[F_12] = dE/dr
    return rho * slope(p, r, p) + 2 * rho * (by_p + by_q) + (1 + rho**2) * by_r


def gain_quadrature(phi: str, rho: Any, b2: Any) -> Any:
    """The same as an integral: E[x x' | y, y'] is quadratic in y and y'."""
    rho, b2 = float(rho), float(b2)
    C = np.array([[1 + b2, rho + b2], [rho + b2, 1 + b2]])
    S = np.array([[1, rho], [rho, 1]])
    G = S @ np.linalg.pinv(C, rcond=1e-12)
    rest = (S - G @ S)[0, 1]
    slope = duals.FUNCTIONS[phi][1]
    total = 0.0
    for u, v, w in duals.quadrants(C[0, 0], C[0, 1], C[1, 1], duals.RESOLUTION[-1]):
        m, n = G @ np.stack([u, v])
        total += float(np.sum(w * slope(u) * slope(v) * (m * n + rest)))
    return mp.mpf(total)


@network
def self_skip(case: Case, given: dict[str, Array]) -> Stream:
    """h + phi(h) is one function of h."""
    skip = replace(case, settings={**case.settings, "phi": f"z + {case.settings['phi']}"})
    return mlp(skip, given)


@network
def double(case: Case, given: dict[str, Array]) -> Stream:
    h = dense(data(given["x"]), case, "input")
    return dense(Stream(4 * h.K, scaled(h.T, 4), h.mean), case, "readout")


@network
def nested(case: Case, given: dict[str, Array]) -> Stream:
    both = f"{case.settings['outer']}({case.settings['inner']})"
    return mlp(replace(case, settings={**case.settings, "phi": both}), given)


@network
def resnet(case: Case, given: dict[str, Array]) -> Stream:
    phi, wiring = case.settings["phi"], case.settings["wiring"]
    h = dense(data(given["x"]), case, "embed")
    for _ in range(case.settings["depth"] - 1):
        g = act(normalise(h, True) if wiring == "pre_norm" else h, phi)
        if wiring == "two_layer":
            g = act(dense(g, case, "block.up"), phi)
        h = joined(h, dense(g, case, "block.down"), scale_of(case))
    return dense(act(normalise(h, True) if wiring == "pre_norm" else h, phi), case, "readout")


@network
def post_resnet(case: Case, given: dict[str, Array]) -> Stream:
    h = dense(data(given["x"]), case, "embed")
    for _ in range(case.settings["depth"]):
        h = joined(h, act(dense(h, case, "block.layer"), case.settings["phi"]), scale_of(case))
    return dense(h, case, "readout")


@network
def activated_sum(case: Case, given: dict[str, Array]) -> Stream:
    """The derivative reaches the input layer directly, with the slopes of both activations, and through ``hidden``."""
    u = dense(data(given["x"]), case, "input")
    g = dense(act(u, case.settings["phi"]), case, "hidden")
    K, through_g, through_u = 0 * u.K, 0 * u.K, 0 * u.K
    for i in range(len(K)):
        for j in range(i, len(K)):
            moments = [float(M[a, b]) for M in (u.K, g.K) for a, b in ((i, i), (i, j), (j, j))]
            found = duals.sine_over_two_pairs(case.settings["phi"], moments)
            for M, number in zip((K, through_g, through_u), found, strict=True):
                M[i, j] = M[j, i] = mp.mpf(number)
    return dense(Stream(K, added(scaled(g.T, through_g), scaled(u.T, through_u)), 0 * u.mean), case, "readout")


@network
def glu(case: Case, given: dict[str, Array]) -> Stream:
    h = dense(data(given["x"]), case, "embed")
    gate = act(dense(h, case, "mlp.gate", bias=False), case.settings["phi"])
    gated = product(gate, dense(h, case, "mlp.up", bias=False))
    return dense(dense(gated, case, "mlp.down", bias=False), case, "readout")


@network
def dropout(case: Case, given: dict[str, Array]) -> Stream:
    phi, keep = case.settings["phi"], 1 - mp.mpf(str(case.settings["rate"]))
    factor = 1 + np.eye(len(given["x"]), dtype=int) * (1 / keep - 1)
    h = dense(data(given["x"]), case, "input")
    for i in range(case.settings["depth"]):
        h = act(h, phi)
        h = Stream(h.K * factor, scaled(h.T, factor), h.mean)
        h = dense(h, case, "readout" if i == case.settings["depth"] - 1 else "layer.hidden")
    return h
