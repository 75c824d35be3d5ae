"""A norm over merged positions: its mean and its power are averages over them."""

import numpy as np
import pytest

import ntksym as ns
from ntksym.kernels import kernel_recursion

n = ns.dim("n")


@ns.program
def flat_norm(x: ns.Image(4, 4, 3)):
    h = ns.relu(ns.conv(x, n, 3, name="conv"))
    return ns.dense(ns.layernorm(ns.flatten(h)), 1, name="readout")


def windows(x: np.ndarray) -> np.ndarray:
    """Inputs by positions by the values in a window of 3 by 3, zero outside."""
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    return np.stack([padded[:, i : i + 3, j : j + 3].reshape(len(x), -1) for i in range(4) for j in range(4)], axis=1)


def test_layer_norm_over_flattened_images() -> None:
    x, w, b = np.random.default_rng(0).standard_normal((2, 4, 4, 3)), 1.3, 0.4
    patches = windows(x)
    K = w**2 * np.einsum("ipk,jpk->ijp", patches, patches) / patches.shape[-1] + b**2
    own = np.einsum("iip->ip", K)
    scale = np.sqrt(own[:, None] * own[None])
    c = np.clip(K / scale, -1, 1)
    second = (scale * (np.sqrt(1 - c**2) + c * (np.pi - np.arccos(c))) / (2 * np.pi)).mean(axis=-1)
    mean = np.sqrt(own / (2 * np.pi)).mean(axis=-1)
    centred = second - np.outer(mean, mean)
    expected = w**2 * centred / np.sqrt(np.outer(np.diag(centred), np.diag(centred))) + b**2
    found = kernel_recursion(flat_norm).evaluate(x, digits=None, sigma_w=w, sigma_b=b)
    assert found.nngp == pytest.approx(expected, rel=1e-12)
