"""A multilayer perceptron of finite width, written out in NumPy: the witness of the derivations about it."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from math import sqrt
from typing import Any

import numpy as np

Array = Any
Exponents = Mapping[str, Fraction]

WIDTHS = (64, 128, 256, 512, 1024)
INPUTS, OUTPUTS = 8, 16
LAYERS = ("input", "hidden", "readout")
PARAMETERS = tuple(f"{layer}.{part}" for layer in LAYERS for part in "wb")

DATA = np.random.default_rng(0)
X, Y = DATA.standard_normal((4, INPUTS)), DATA.standard_normal((4, OUTPUTS))


def forward(w: Mapping[str, Array]) -> dict[str, Array]:
    h1 = X @ w["input.w"].T + w["input.b"]
    h2 = np.tanh(h1) @ w["hidden.w"].T + w["hidden.b"]
    return {"h1": h1, "h2": h2, "f": np.tanh(h2) @ w["readout.w"].T + w["readout.b"]}


def loss(w: Mapping[str, Array]) -> float:
    return float(np.sum((forward(w)["f"] - Y) ** 2) / (2 * len(Y)))


def backward(w: Mapping[str, Array]) -> dict[str, Array]:
    """The gradients of the loss in the parameters and, under h1 and h2, in the hidden values."""
    v = forward(w)
    a1, a2 = np.tanh(v["h1"]), np.tanh(v["h2"])
    f = (v["f"] - Y) / len(Y)
    h2 = f @ w["readout.w"] * (1 - a2**2)
    h1 = h2 @ w["hidden.w"] * (1 - a1**2)
    out = {"h1": h1, "h2": h2}
    for layer, g, a in (("input", h1, X), ("hidden", h2, a1), ("readout", f, a2)):
        out[f"{layer}.w"], out[f"{layer}.b"] = g.T @ a, g.sum(0)
    return out


def grown(width: int, power: Fraction) -> float:
    """1 at the smallest width, then growing with the given exponent."""
    return float((width / WIDTHS[0]) ** float(power))


def drawn(width: int, seed: int, init: Exponents) -> dict[str, Array]:
    """Gaussian weights; at the smallest width of std 1 / sqrt(fan-in), the readout a fifth of it, and biases zero.

    The small readout keeps the initial output, which must vanish with width, small beside the targets everywhere.
    """
    random = np.random.default_rng((width, seed))
    fans = {"input": (width, INPUTS), "hidden": (width, width), "readout": (OUTPUTS, width)}
    out = {}
    for layer, (rows, cols) in fans.items():
        std = grown(width, init[layer]) / sqrt(min(cols, WIDTHS[0])) / (5 if layer == "readout" else 1)
        out[f"{layer}.w"] = std * random.standard_normal((rows, cols))
        out[f"{layer}.b"] = np.zeros(rows)
    return out


def trained(
    w: Mapping[str, Array],
    rates: Mapping[str, float],
    epsilons: Mapping[str, float] | None = None,
    steps: int = 3,
    multipliers: Mapping[str, float] | None = None,
) -> list[dict[str, Array]]:
    """Weights before and after each step: SGD, or Adam where epsilons are given; parameters without a rate stand.

    With multipliers M the network holds W = M w, and the numbers w are trained.
    """
    mean, square = dict.fromkeys(w, 0.0), dict.fromkeys(w, 0.0)
    history = [dict(w)]
    for t in range(1, steps + 1):
        gradients, after = backward(history[-1]), dict(history[-1])
        for name, rate in rates.items():
            scale = multipliers[name] if multipliers else 1.0
            g = scale * gradients[name]
            if epsilons:
                mean[name] = 0.9 * mean[name] + 0.1 * g
                square[name] = 0.99 * square[name] + 0.01 * g**2
                g = mean[name] / (1 - 0.9**t) / (np.sqrt(square[name] / (1 - 0.99**t)) + epsilons[name])
            after[name] = after[name] - scale * rate * g
        history.append(after)
    return history


def size(value: Array) -> float:
    """The root mean square of the entries."""
    return float(np.sqrt(np.mean(np.square(value))))


def moved(history: list[dict[str, Array]]) -> dict[str, float]:
    """How far each value has moved from its start after each step."""
    start = forward(history[0])
    later = [(t, forward(w)) for t, w in enumerate(history) if t]
    return {f"{name}, step {t}": size(values[name] - start[name]) for t, values in later for name in values}
