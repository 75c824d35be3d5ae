"""The 1/n recursions of a perceptron as they are written by hand, evaluated without ntksym: an independent witness.

Products of derivatives of the activation at the inputs are polynomials in symbols f[k, a], the k-th derivative at input
a; brackets are Gauss-Hermite sums. Smooth activations and two inputs only.
"""

from functools import cache
from itertools import product

import numpy as np
import sympy as sp

POINTS = 160
HIGHEST = 8
NAMES = (*"VDFABPQRSU", "T_")


@cache
def f(k, a):
    return sp.Symbol(f"f{k}_{a}")


def d(expr, *inputs):
    """The derivative of a polynomial in the f by the preactivations of these inputs."""
    for a in inputs:
        expr = sp.expand(sum(sp.diff(expr, f(k, a)) * f(k + 1, a) for k in range(HIGHEST)))
    return expr


class Layer:
    """Brackets at one layer: the activation's derivatives on a Gauss-Hermite grid."""

    def __init__(self, phi, K):
        z = sp.Symbol("z")
        x, w = np.polynomial.hermite_e.hermegauss(POINTS)
        w = w / w.sum()
        A = np.linalg.cholesky(K)
        grid = np.stack(np.meshgrid(x, x, indexing="ij")).reshape(2, -1)
        self.weights = np.outer(w, w).ravel()
        points = A @ grid
        self.values = {}
        for k in range(HIGHEST + 1):
            g = sp.lambdify(z, sp.diff(phi(z), z, k), ["numpy", "scipy"])
            for a in (0, 1):
                self.values[f(k, a)] = np.broadcast_to(g(points[a]), points[a].shape)
        self.known = {}

    def __call__(self, expr):
        expr = sp.expand(expr)
        if expr not in self.known:
            total = 0.0
            for monomial, number in expr.as_coefficients_dict().items():
                value = self.weights * float(number)
                for symbol, power in monomial.as_powers_dict().items():
                    if symbol != 1:
                        value = value * self.values[symbol] ** int(power)
                total += value.sum()
            self.known[expr] = total
        return self.known[expr]


INPUTS = (0, 1)
PAIRS = tuple(product(INPUTS, repeat=2))
ALL = tuple(product(INPUTS, repeat=4))


def recursion(phi, K, T, C_b, C_W, l_b, l_W, layers, r=1.0):
    """All tensors at layers 1, 2, ...: dicts of arrays; those of layer l + 1 carry 1/n_l."""
    four = np.zeros((2,) * 4)
    state = {name: four.copy() for name in NAMES}
    state |= {"K": K, "T": T, "G1": np.zeros((2, 2)), "T1": np.zeros((2, 2))}
    found = [state]
    for layer in range(1, layers):
        state = step(phi, state, C_b, C_W, l_b, l_W, r if layer > 1 else 0.0)
        found.append(state)
    return found


def step(phi, old, C_b, C_W, l_b, l_W, r):
    E = Layer(phi, old["K"])
    T, V, G1, T1 = (old[name] for name in ("T", "V", "G1", "T1"))
    D, F, A, B = (old[name] for name in "DFAB")
    s, p, s2 = ([f(k, a) for a in INPUTS] for k in range(3))

    def Om(a, b):
        return l_W * s[a] * s[b] + C_W * float(T[a, b]) * p[a] * p[b]

    def Psi(a, b):
        return l_W * s[b] * p[a] + C_W * float(T[a, b]) * p[b] * s2[a]

    new = {name: np.zeros((2,) * 4) for name in NAMES}
    new["K"] = np.array([[C_b + C_W * E(s[a] * s[b]) for b in INPUTS] for a in INPUTS])
    new["T"] = np.array([[l_b + l_W * E(s[a] * s[b]) + C_W * E(p[a] * p[b]) * T[a, b] for b in INPUTS] for a in INPUTS])
    new["G1"], new["T1"] = np.zeros((2, 2)), np.zeros((2, 2))
    for a, b in PAIRS:
        ss, om = s[a] * s[b], Om(a, b)
        first, second = 0.0, 0.0
        for i, j in PAIRS:
            first += G1[i, j] / 2 * E(d(ss, i, j))
            second += G1[i, j] / 2 * E(d(om, i, j))
            second += C_W * E(d(p[a] * p[b], i, j)) * (D[i, j, a, b] / 2 + F[i, a, j, b])
        for i, j, k, l in ALL:
            first += V[i, j, k, l] / 8 * E(d(ss, i, j, k, l))
            second += V[i, j, k, l] / 8 * E(d(om, i, j, k, l))
        second += C_W * E(p[a] * p[b]) * T1[a, b]
        new["G1"][a, b], new["T1"][a, b] = r * C_W * first, r * second
    for x in ALL:
        a, b, c, e = x
        ss, tt = s[a] * s[b], s[c] * s[e]
        oo, qq = Om(a, b), Om(c, e)
        pab, pce = p[a] * p[b], p[c] * p[e]
        VV = VO = OO = DD = OD = DO = 0.0
        for i, j in PAIRS:
            DD += D[i, j, c, e] * E(d(ss, i, j))
            OD += D[i, j, c, e] * E(d(oo, i, j))
            DO += D[i, j, a, b] * E(d(qq, i, j))
            for k, l in PAIRS:
                v = V[i, j, k, l] / 4
                VV += v * E(d(ss, i, j)) * E(d(tt, k, l))
                VO += v * E(d(ss, i, j)) * E(d(qq, k, l))
                OO += v * E(d(oo, i, j)) * E(d(qq, k, l))
        new["V"][x] = C_W**2 * (E(ss * tt) - E(ss) * E(tt) + r * VV)
        new["D"][x] = C_W * (E(ss * qq) - E(ss) * E(qq)) + r * C_W * (VO + C_W / 2 * E(pce) * DD)
        new["A"][x] = E(oo * qq) - E(oo) * E(qq)
        new["A"][x] += r * (OO + C_W / 2 * (E(pce) * OD + E(pab) * DO) + C_W**2 * E(pab) * E(pce) * A[x])
        # F[1, 3, 2, 4] and B[1, 3, 2, 4]: here 1, 3, 2, 4 = a, b, c, e
        flow = sum(E(d(s[a] * p[b], i)) * E(d(s[c] * p[e], j)) * F[i, b, j, e] for i, j in PAIRS)
        new["F"][x] = C_W**2 * (E(s[a] * s[c] * p[b] * p[e]) * T[b, e] + r * flow)
        new["B"][x] = C_W**2 * (E(pab * pce) * T[a, c] * T[b, e] + r * E(pab) * E(pce) * B[x])
        higher(new, old, E, x, Psi, C_W, l_W, r)
    return new


def higher(new, old, E, x, Psi, C_W, l_W, r):
    """The differentials of the tangent kernel; the four indices are 0, 1, 2, 3, or 1, 2, 3, 4 for S, T, U."""
    s, p, s2, s3 = ([f(k, a) for a in INPUTS] for k in range(4))
    T, F, B, P, Q, R, S, TT, U = (old[name] for name in ("T", "F", "B", "P", "Q", "R", "S", "T_", "U"))
    a, b, c, e = x
    g = s2[a] * p[b] * p[c]
    flow = E(s2[a] * s[e]) * B[a, a, b, c] + sum(E(d(p[a] * s[e], i)) * P[a, b, c, i] for i in INPUTS)
    new["P"][x] = C_W**2 * (E(g * s[e]) * T[a, b] * T[a, c] + r * E(p[b] * p[c]) * flow)
    both = [(i, j) for i, j in PAIRS]
    inner = sum(T[a, b] * E(d(s2[a] * p[b], i)) * E(d(p[c] * s[e], j)) * F[i, a, j, c] for i, j in both)
    inner += sum(E(p[a] * p[b]) * E(d(s[e] * p[c], i)) * Q[a, b, c, i] for i in INPUTS)
    outer = sum(E(d(s[b] * p[a], i)) * E(d(s[e] * p[c], j)) * F[i, a, j, c] for i, j in both)
    new["Q"][x] = l_W * C_W * (E(p[a] * s[b] * p[c] * s[e]) * T[a, c] + r * outer)
    new["Q"][x] += C_W**2 * (E(g * s[e]) * T[a, b] * T[a, c] + r * inner)
    pp = E(p[c] * p[e])
    first = E(s2[a] * s[b]) * B[a, a, c, e] + sum(E(d(p[a] * s[b], i)) * P[a, c, e, i] for i in INPUTS)
    new["R"][x] = l_W * C_W * (E(s2[a] * s[b] * p[c] * p[e]) * T[a, c] * T[a, e] + r * pp * first)
    second = E(s3[a] * p[b]) * T[a, b] * B[a, a, c, e] + E(p[a] * p[b]) * R[x]
    second += T[a, b] * sum(E(d(s2[a] * p[b], i)) * P[a, c, e, i] for i in INPUTS)
    new["R"][x] += C_W**2 * (E(s3[a] * p[b] * p[c] * p[e]) * T[a, b] * T[a, c] * T[a, e] + r * pp * second)
    first = E(p[a] * p[b] * p[c] * p[e]) * T[a, c] * T[b, e] + r * E(p[a] * p[b]) * pp * B[x]
    second = E(s2[a] * s2[b] * p[c] * p[e]) * T[a, b] * T[a, c] * T[b, e]
    second += r * pp * (E(s2[a] * s2[b]) * T[a, b] * B[x] + E(p[a] * p[b]) * S[x])
    new["S"][x] = l_W * C_W * first + C_W**2 * second
    # T[1, 3, 2, 4]: here 1, 3, 2, 4 = a, b, c, e
    flow = sum(E(d(Psi(a, b), i)) * E(d(Psi(c, e), j)) * F[i, a, j, c] for i, j in both)
    flow += sum(C_W * E(p[c] * p[e]) * E(d(Psi(a, b), i)) * Q[c, e, a, i] for i in INPUTS)
    flow += sum(C_W * E(p[a] * p[b]) * E(d(Psi(c, e), i)) * Q[a, b, c, i] for i in INPUTS)
    flow += C_W**2 * E(p[a] * p[b]) * E(p[c] * p[e]) * TT[x]
    new["T_"][x] = E(Psi(a, b) * Psi(c, e)) * T[a, c] + r * flow
    # U[1, 4, 2, 3]: here 1, 4, 2, 3 = a, b, c, e
    source = E(s2[a] * s2[c] * p[e] * p[b]) * T[a, c] * T[a, e] * T[c, b]
    new["U"][x] = C_W**2 * (source + r * E(p[a] * p[b]) * E(p[c] * p[e]) * U[x])
