"""Finite networks whose parameters are standard normal variables, and their tangent kernels, in NumPy.

The witnesses of the derivations about kernels: gradients are written out by hand, nothing comes from ntksym.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import sqrt
from typing import Any

import numpy as np

Array = Any

X = np.array([[1.0, -0.5, 0.25], [0.5, 1.0, -0.75]])
"""Two inputs of three dimensions."""
INPUTS = X.shape[1]
PAIRS = {"x, x": (0, 0), "x, x'": (0, 1), "x', x'": (1, 1)}


def by_pair(kernel: Array) -> dict[str, float]:
    """The entries of a kernel of two inputs, by name."""
    return {name: float(kernel[pair]) for name, pair in PAIRS.items()}


def joined(parts: Sequence[Array]) -> Array:
    """All numbers of several arrays, one after the other."""
    return np.concatenate([np.ravel(part) for part in parts])


def parted(numbers: Array, like: Sequence[Array]) -> list[Array]:
    """Arrays of these shapes out of what ``joined`` made."""
    cuts = np.cumsum([np.size(part) for part in like])[:-1]
    return [part.reshape(np.shape(old)) for part, old in zip(np.split(numbers, cuts), like, strict=True)]


def differences(f: Callable[[Array], Array], at: Array, h: float = 1e-6) -> Array:
    """The derivatives of the entries of f by every number, by central differences: (entries, numbers)."""
    return np.array([(f(at + step) - f(at - step)) / (2 * h) for step in h * np.eye(len(at))]).T


@dataclass(frozen=True)
class Perceptron:
    """ReLU networks with ``depth`` hidden layers, each sigma_w / sqrt(fan-in) w φ(h) + sigma_b b; the first reads x."""

    sigma_w: float
    sigma_b: float
    depth: int

    def drawn(self, width: int, random: np.random.Generator) -> list[tuple[Array, Array]]:
        """Standard normal weights and biases of every layer."""
        sizes = [INPUTS, *[width] * self.depth, 1]
        return [(random.standard_normal((out, fan)), random.standard_normal(out)) for fan, out in pairwise(sizes)]

    def forward(self, weights: list[tuple[Array, Array]]) -> list[Array]:
        """Preactivations of all layers, the output last; each (inputs, coordinates)."""
        values, a = [], X
        for w, b in weights:
            values.append(self.sigma_w / sqrt(w.shape[1]) * a @ w.T + self.sigma_b * b)
            a = np.maximum(values[-1], 0)
        return values

    def tangent(self, weights: list[tuple[Array, Array]], layers: int) -> Array:
        """Θ of the first ``layers`` layers: (coordinates, inputs, coordinates, inputs), from layer to layer.

        Own weights add the products of what they read; derivatives by earlier ones pass through the layer's Jacobian.
        """
        values, a, theta = self.forward(weights), X, None
        for k in range(layers):
            w = weights[k][0]
            n, fan = w.shape
            own = self.sigma_w**2 / fan * a @ a.T + self.sigma_b**2
            passed: Array = 0.0
            if theta is not None:
                slope = (values[k - 1] > 0).astype(float)
                jacobian = self.sigma_w / sqrt(fan) * w[:, :, None] * slope.T  # (out, in, inputs)
                passed = np.einsum("ika,kalb->ialb", jacobian, theta, optimize=True)
                passed = np.einsum("ialb,jlb->iajb", passed, jacobian, optimize=True)
            theta = np.einsum("ij,ab->iajb", np.eye(n), own) + passed
            a = np.maximum(values[k], 0)
        return theta


def averages(
    measure: Callable[[int, int], Mapping[str, float]], width: int, seeds: int
) -> dict[str, tuple[float, float]]:
    """The mean over seeds and its standard error, of numbers by name."""
    runs = [measure(width, seed) for seed in range(seeds)]
    columns = {name: np.array([run[name] for run in runs]) for name in runs[0]}
    return {name: (float(x.mean()), float(x.std(ddof=1) / sqrt(seeds))) for name, x in columns.items()}


def extrapolated(
    measure: Callable[[int, int], Mapping[str, float]], width: int, seeds: int
) -> dict[str, tuple[float, float]]:
    """Limits at infinite width from this width and its double, with four and a half standard errors.

    A bias in 1/n is removed. Wrong in one of 100,000 numbers, and always the same one: seeds are fixed.
    """
    narrow, wide = averages(measure, width, seeds), averages(measure, 2 * width, seeds)
    out = {}
    for name, (mean, error) in wide.items():
        other, its_error = narrow[name]
        out[name] = (2 * mean - other, 4.5 * sqrt(4 * error**2 + its_error**2))
    return out
