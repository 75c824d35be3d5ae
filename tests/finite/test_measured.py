"""Every tensor against finite networks, by automatic differentiation and extrapolation in 1/n.

Standard errors come from 32 groups of networks, so deviations over them are Student's t with 31 degrees of freedom for
one width, and with more for several; z-scores are the normal numbers of the same probability. Components of one
network's tensors are correlated, so limits are set for single scores: a correct tensor exceeds 4 in one of 184
components once in 86 runs (independent components; less often for correlated ones), and 5 once in 9500. Seeds are
fixed. The residual network is the only witness of terms that perceptrons do not have.
"""

import numpy as np
import pytest

pytest.importorskip("jax")

from scipy.special import ndtr, ndtri, stdtr

import ntksym as ns
from ntksym.finite.tensors import CORRECTIONS, VERTICES
from ntksym.sampling.accumulators import GROUPS
from ntksym.zoo import load
from tests.finite import measured

SIGMAS = {"sigma_w": 1.3, "sigma_b": 0.3}
FIRST = sorted((*CORRECTIONS, *"VDFAB"))
ALL = sorted((*CORRECTIONS, *VERTICES))


def z_scores(phi, depth, names, widths, samples, terms, seed):
    record = ns.finite_width(load("mlp")(phi=ns.activation(phi), depth=depth))
    found = record.evaluate(measured.INPUTS, tensors=names, **SIGMAS)
    expected = np.concatenate([found.at(name, 1.0).ravel() for name in names])
    values, errors = measured.extrapolated(
        phi,
        depth,
        widths,
        samples,
        (found.nngp[-1], found.ntk[-1]),
        **SIGMAS,
        terms=terms,
        higher=names == ALL,
        seed=seed,
    )
    fixed = errors == 0
    np.testing.assert_allclose(values[fixed], expected[fixed], atol=1e-12)
    t = (values - expected)[~fixed] / errors[~fixed]
    return np.sign(t) * -ndtri(stdtr(GROUPS - 1, -abs(t)))


@pytest.mark.parametrize("phi", ["tanh", pytest.param("relu", marks=pytest.mark.long)])
def test_kernels_and_their_fluctuations_at_layer_3(phi):
    z = z_scores(phi, 2, FIRST, (8, 16), 400, 1, seed=11)
    assert len(z) >= 80
    assert np.abs(z).max() < 5


@pytest.mark.long
@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("phi", ["tanh", "relu", "gelu", "sin", "erf"])
def test_every_tensor_at_layers_2_to_4(phi, depth):
    """With one hidden layer nothing is to be extrapolated; with more, two further terms in 1/n are."""
    seed = 100 * depth + sum(map(ord, phi))
    z = z_scores(phi, depth, ALL, (8, 12, 20, 32), 3000, 0 if depth == 1 else 2, seed)
    assert len(z) > 100
    assert np.abs(z).max() < 4
    assert 0.4 < np.sqrt((z**2).mean()) < 1.6


@pytest.mark.long
def test_a_residual_network_by_validation():
    """False-alarm rate 0.001. Its mean kernel has the term of a coordinate's own part in what it was drawn with."""
    network = load("resnet")(phi=ns.tanh)
    record = ns.finite_width(network, sizes={"L": 2})
    found = ns.validate(
        network,
        record,
        widths=(16, 24, 32, 64),
        dim="n",
        sizes={"L": 2, "d_in": 3},
        inputs=measured.INPUTS,
        samples=20000,
        sigmas=SIGMAS,
    )
    assert all(check.verdict == "agrees" for check in found.checks)


def kernels_of_residual_networks(n, samples, f, copies, rng):
    """Empirical kernels at the output of networks h + phi-branch, drawn layer by layer from their conditional law."""
    x, C_W, C_b = measured.INPUTS, SIGMAS["sigma_w"] ** 2, SIGMAS["sigma_b"] ** 2
    h = rng.standard_normal((samples, n, 2)) @ np.linalg.cholesky(C_b + C_W * x @ x.T / x.shape[1]).T
    for step in range(copies + 1):
        s = f(h)
        G = C_b + C_W * np.einsum("mia,mib->mab", s, s) / n
        if step < copies:
            root = np.linalg.cholesky(G + 1e-13 * np.eye(2))
            h = h + copies**-0.5 * np.einsum("mab,mib->mia", root, rng.standard_normal(h.shape))
    return G


def gelu(z):
    return z * ndtr(z)


@pytest.mark.parametrize(
    ("phi", "f"),
    [
        ("tanh", np.tanh),
        pytest.param("gelu", gelu, marks=pytest.mark.long),
        pytest.param("relu", lambda z: np.maximum(z, 0), marks=pytest.mark.long),
    ],
    ids=["tanh", "gelu", "relu"],
)
def test_mean_and_covariance_of_the_kernel_of_a_residual_network(phi, f):
    """Nine numbers, each extrapolated from two widths; five standard errors: false alarms once in 190000 runs.

    Without the part of a coordinate in its own kernel, G1 of tanh would be off by six standard errors.
    """
    copies, rng = 2, np.random.default_rng(3)
    record = ns.finite_width(load("resnet")(phi=ns.activation(phi)), sizes={"L": copies})
    found = record.evaluate(measured.INPUTS, tensors=("V", "G1"), **SIGMAS)
    pairs = ((0, 0), (0, 1), (1, 1))
    expected = [found.at("G1", 1.0)[p] for p in pairs]
    expected += [found.at("V", 1.0)[(*p, *q)] for i, p in enumerate(pairs) for q in pairs[i:]]
    rows, errors = [], []
    for n in (16, 32):
        G = kernels_of_residual_networks(n, 3_000_000 // n, f, copies, rng)
        d = np.stack([G[:, a, b] - found.nngp[-1][a, b] for a, b in pairs])
        off = d - d.mean(1, keepdims=True)
        terms = np.concatenate([d, [off[i] * off[j] for i in range(3) for j in range(i, 3)]])
        rows.append(n * terms.mean(1))
        errors.append(n * terms.std(1) / terms.shape[1] ** 0.5)
    z = (2 * rows[1] - rows[0] - expected) / np.hypot(2 * errors[1], errors[0])
    assert np.abs(z).max() < 5


def tangents_of_residual_networks(n, samples, copies, rng):
    """E of products of (f, derivative of f) at one input, given all but the last weights, for GELU.

    The pair (z, derivative of z along a random direction of all weights) is drawn layer by layer from its exact law.
    """
    x, C_W, C_b = measured.INPUTS[0], SIGMAS["sigma_w"] ** 2, SIGMAS["sigma_b"] ** 2
    own = C_b + C_W * x @ x / len(x)
    h = rng.standard_normal((samples, n, 2)) * own**0.5
    for step in range(copies + 1):
        z, along = h[..., 0], h[..., 1]
        s = gelu(z)
        p = ndtr(z) + z * np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)
        pair = np.stack([s, p * along], -1)
        G = C_W * np.einsum("mia,mib->mab", pair, pair) / n + C_b * np.eye(2)
        G[:, 1, 1] += C_W * (s**2).mean(1)
        if step < copies:
            root = np.linalg.cholesky(G)
            h = h + copies**-0.5 * np.einsum("mab,mib->mia", root, rng.standard_normal(h.shape))
    return G


def test_tangent_kernels_of_a_residual_network():
    """Theta1, D, F and A + 2B at one input, to five standard errors: false alarms once in 400000 runs."""
    copies, rng = 2, np.random.default_rng(5)
    record = ns.finite_width(load("resnet")(phi=ns.gelu), sizes={"L": copies})
    found = record.evaluate(measured.INPUTS[:1], **SIGMAS)
    one = {name: found.at(name, 1.0).item() for name in FIRST}
    expected = np.array([one["Theta1"], one["D"], one["F"], one["A"] + 2 * one["B"]])
    rows, errors = [], []
    for n in (32, 64):
        G = tangents_of_residual_networks(n, 1_500_000 // n, copies, rng)
        zz, za, aa = (
            G[:, i, j] - m for i, j, m in ((0, 0, found.nngp[-1].item()), (0, 1, 0), (1, 1, found.ntk[-1].item()))
        )
        terms = np.stack([aa, (zz - zz.mean()) * (aa - aa.mean()), za**2, (aa - aa.mean()) ** 2])
        rows.append(n * terms.mean(1))
        errors.append(n * terms.std(1) / terms.shape[1] ** 0.5)
    z = (2 * rows[1] - rows[0] - expected) / np.hypot(2 * errors[1], errors[0])
    assert np.abs(z).max() < 5
