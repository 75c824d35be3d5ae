"""How fast compiled kernels of convolutional networks are, against the same kernels in plain vectorised NumPy.

ReLU, images of 8x8x3, three layers of 3x3, N = 32, read out from all positions (Flatten) or from their mean. Printed as
ratios of times measured in one process, medians of many that take turns: a machine that others use is not equally fast
all the time. Never asserted.

pytest tests/benchmarks/bench_compiled_cnn.py -s -m bench
"""

from __future__ import annotations

import numpy as np
import pytest

from ntksym import zoo
from ntksym.kernels import compiled_kernel
from tests.benchmarks.turns import in_turns

pytestmark = pytest.mark.bench

N, SIZE, DEPTH, SIGMA_W, SIGMA_B = 32, 8, 3, 1.4, 0.3


def window_mean(k: np.ndarray) -> np.ndarray:
    """Means over windows of 3x3 positions, moved together along rows and columns of one point or of both."""
    padded = np.pad(k, [(0, 0)] * 2 + [(1, 1)] * (k.ndim - 2))
    out = np.zeros_like(k)
    for a in range(3):
        for b in range(3):
            window = (slice(a, a + SIZE), slice(b, b + SIZE)) * ((k.ndim - 2) // 2)
            out += padded[(slice(None), slice(None), *window)]
    return out / 9


def plain(x: np.ndarray, pool: bool) -> tuple[np.ndarray, np.ndarray]:
    """NNGP and NTK with arccos, line by line, for all pairs of images at once."""
    padded = np.pad(x, [(0, 0), (1, 1), (1, 1), (0, 0)])
    patches = [padded[:, a : a + SIZE, b : b + SIZE] for a in range(3) for b in range(3)]
    flat = np.concatenate(patches, axis=-1).reshape(len(x), SIZE * SIZE, -1)
    own = (flat * flat).mean(-1).reshape(len(x), SIZE, SIZE)
    if pool:
        rows = flat.reshape(-1, flat.shape[-1])
        products = (rows @ rows.T / rows.shape[-1]).reshape(len(x), SIZE * SIZE, len(x), SIZE * SIZE)
        k = products.transpose(0, 2, 1, 3).reshape(len(x), len(x), *(SIZE,) * 4)
    else:
        k = np.einsum("npd,mpd->nmp", flat, flat, optimize=True).reshape(len(x), len(x), SIZE, SIZE) / flat.shape[-1]
    left = (slice(None), None, ..., None, None) if pool else (slice(None), None)
    right = (None, slice(None), None, None) if pool else (None, slice(None))
    k, own = SIGMA_W**2 * k + SIGMA_B**2, SIGMA_W**2 * own + SIGMA_B**2
    t = k
    for layer in range(DEPTH):
        if layer:
            k = SIGMA_W**2 * window_mean(k) + SIGMA_B**2
            t = k + SIGMA_W**2 * window_mean(t)
            own = SIGMA_W**2 * window_mean(own[None])[0] + SIGMA_B**2
        norm = np.sqrt(own[left] * own[right])
        c = np.clip(k / norm, -1, 1)
        angle = np.pi - np.arccos(c)
        k = norm * (np.sqrt(1 - c * c) + angle * c) / (2 * np.pi)
        t = t * angle / (2 * np.pi)
        own = own / 2
    axes = tuple(range(2, k.ndim))
    nngp = SIGMA_W**2 * k.mean(axes) + SIGMA_B**2
    return nngp, nngp + SIGMA_W**2 * t.mean(axes)


@pytest.mark.parametrize("pool", [False, True])
def test_against_numpy(pool: bool) -> None:
    x = np.random.default_rng(0).standard_normal((N, SIZE, SIZE, 3))
    kernel = compiled_kernel(zoo.load("cnn")(pool=pool, depth=DEPTH), sigma_w=SIGMA_W, sigma_b=SIGMA_B)
    for ours, theirs in zip(kernel(x), plain(x, pool), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-7)  # arccos loses half of the digits on the diagonal
    numpy, compiled = in_turns([lambda: plain(x, pool), lambda: kernel(x)], 3 if pool else 101)
    print(
        f"\n{'mean over positions' if pool else 'Flatten':20}NumPy {numpy[0]:8.1f} ms, compiled {compiled[0]:7.1f} ms: "
        f"{numpy[0] / compiled[0]:5.1f} times as fast, {numpy[1] / compiled[1]:5.1f} times per processor"
    )
