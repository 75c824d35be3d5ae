"""The 1/n tensors measured on finite networks: by automatic differentiation, without anything of ntksym.finite.

Sums over weights in the tangent kernel and its differentials are derivatives along gradients.
"""

from dataclasses import dataclass
from itertools import product

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

import ntksym as ns
from ntksym.zoo import load

OUTPUTS = 3
INPUTS = np.array([[0.7, -0.4, 0.8], [-0.3, 0.9, 0.6]])
QUADS = tuple(product((0, 1), repeat=4))


@dataclass(frozen=True)
class Unit:
    """A parameter as its standard deviation times a standard Gaussian."""

    multiplier: float
    init_std: float = 1.0
    lr: None = None
    eps: None = None
    weight_decay: None = None


def network(phi, depth, n, sigma_w, sigma_b):
    program = load("mlp")(phi=ns.activation(phi), depth=depth, d_out=OUTPUTS)
    sizes = {"n": n, "d_in": INPUTS.shape[1]}
    plain = ns.network(program, sizes, dtype="float64")
    stds = {}
    for node in program.parameters:
        fan_in = float(plain.numbers.number(program.fan_in(node)))
        stds[node.name] = Unit((sigma_w if node.name.endswith(".w") else sigma_b) / fan_in**0.5)
    return ns.network(program, sizes, dtype="float64", settings=stds)


@dataclass(frozen=True)
class Products:
    """Of one network: kernel, tangent kernel, and products of two coordinates, averaged over pairs of these."""

    higher: bool = True

    def __call__(self, network, weights, inputs, key):
        def outputs(w):
            return network.forward(w, inputs, None, frozenset())[0]

        slopes = jax.jacrev(outputs)(weights)
        parts = {name: s.reshape(*s.shape[:2], -1) for name, s in slopes.items()}
        H = sum(jnp.einsum("aip,bjp->aibj", s, s) for s in parts.values())
        f = outputs(weights)
        # given the last hidden layer the outputs are Gaussian with the covariance G, so f f may be replaced by G
        G = sum(jnp.einsum("aip,bip->iab", s, s)[0] for name, s in parts.items() if name.startswith("readout"))
        diagonal = jnp.einsum("aibi->iab", H)
        found = {
            "G": G,
            "H": diagonal.mean(0),
            "GG": jnp.einsum("ab,cd->abcd", G, G),
            "GH": jnp.einsum("ab,cd->abcd", G, diagonal.mean(0)),
            "HH": apart("iab,jcd->abcd", diagonal, diagonal),
            "F": apart("ia,jc,ibjd->abcd", f.T, f.T, H.transpose(1, 0, 3, 2)),
            "B": apart("iajb,icjd->acbd", H.transpose(1, 0, 3, 2), H.transpose(1, 0, 3, 2)),
        }
        return found | (differentials(lambda w: outputs(w)[:, :2], weights) if self.higher else {})


def apart(text, *arrays):
    """The mean over pairs of different coordinates i, j of an einsum that keeps them."""
    inside, out = text.split("->")
    every = jnp.einsum(f"{inside}->ij{out}", *arrays)
    n = every.shape[0]
    return (every.sum((0, 1)) - jnp.einsum("iiabcd->abcd", every)) / (n * (n - 1))


def differentials(outputs, weights):
    """P, Q, R, S, T, U of one network from its differentials: derivatives along gradients are sums over weights."""
    flat, restored = ravel_pytree(weights)

    def z(w):  # the values [i, a] of coordinate i at input a
        return outputs(restored(w)).T

    value, slope = z(flat), jax.jacrev(z)(flat)
    count = value.size
    gradients = slope.reshape(count, -1)

    def along(function, direction):
        return lambda w: jax.jvp(function, (w,), (direction,))[1]

    # curved[g] is the derivative of all gradients along gradient g; thrice[g, h, k] that of all values along three
    curved = jax.vmap(lambda g: jax.jacrev(along(z, g))(flat).reshape(count, -1))(gradients)

    def third(g, h, k):
        return along(along(along(z, g), h), k)(flat).reshape(count)

    thrice = jax.vmap(jax.vmap(jax.vmap(third, (None, None, 0)), (None, 0, None)), (0, None, None))(*[gradients] * 3)
    shape = value.shape
    dH = jnp.einsum("gzp,hp->zgh", curved, gradients).reshape(shape * 3)
    ddI = jnp.moveaxis(thrice, -1, 0).reshape(shape * 4)
    ddII = jnp.einsum("gxp,hyp->xygh", curved, curved).reshape(shape * 4)
    return {
        "P": apart("iajbjcid->abcd", jnp.einsum("iajbkc,ld->iajbkcld", dH, value)),
        "Q": apart("iaibjcjd->abcd", jnp.einsum("iajbkc,ld->iajbkcld", dH, value)),
        "R": apart("iaibjcjd->abcd", ddI),
        "S": apart("iaibjcjd->abcd", ddII),
        "T": apart("iajcibjd->abcd", ddII),
        "U": apart("iajcjdib->abcd", ddII),
    }


def tensors(summary, limits):
    """The tensors divided by n, from averages: corrections and covariances."""
    m = summary.mean
    G, H = m["G"], m["H"]
    found = {
        "G1": G - limits[0],
        "Theta1": H - limits[1],
        "V": m["GG"] - np.einsum("ab,cd->abcd", G, G),
        "D": m["GH"] - np.einsum("ab,cd->abcd", G, H),
        "A": m["HH"] - np.einsum("ab,cd->abcd", H, H),
        **{name: m[name] for name in "FBPQRSTU" if name in m},
    }
    return np.concatenate([np.asarray(found[name]).ravel() for name in sorted(found)])


def extrapolated(phi, depth, widths, samples, limits, sigma_w, sigma_b, *, terms, higher=True, seed=0):
    """n times the tensors as n -> infinity, with standard errors: a polynomial in 1/n through several widths."""
    values = []
    for k, n in enumerate(widths):
        found = ns.ensemble(
            network(phi, depth, n, sigma_w, sigma_b), samples, INPUTS, Products(higher), seed=1000 * seed + k
        )
        values.append(n * found.pseudo_values(lambda summary: tensors(summary, limits)))
    values = np.array(values)
    x = np.array([[n**-k for k in range(terms + 1)] for n in widths])
    errors = values.std(1, ddof=1) / values.shape[1] ** 0.5
    measured, error = np.empty(values.shape[2]), np.empty(values.shape[2])
    for i in range(len(measured)):
        if not errors[:, i].any():  # the same in every network
            measured[i], error[i] = values[0, 0, i], 0.0
            continue
        weighted = x / errors[:, i, None]
        solve = np.linalg.pinv(weighted)[0] / errors[:, i]
        measured[i] = solve @ values[:, :, i].mean(1)
        error[i] = np.hypot.reduce(solve * errors[:, i])
    return measured, error
