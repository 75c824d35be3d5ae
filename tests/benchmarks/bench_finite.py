"""1/n terms at pairs of inputs, 100 layers deep: compiled code against the plain recursion.

Printed, never asserted. One pair a call, and 200 pairs a call; the plain recursion takes one pair.

pytest tests/benchmarks/bench_finite.py -s -m bench
"""

from __future__ import annotations

from time import process_time

import numpy as np
import pytest

import ntksym as ns
from ntksym import zoo
from ntksym.finite.pairs import CompiledPairs

pytestmark = pytest.mark.bench

DEPTH, PAIRS, TURNS = 100, 200, 10
NUMBERS = {
    "relu": {"sigma_w": 2**0.5, "sigma_b": 0.0},
    "tanh": {"sigma_w": 1.0, "sigma_b": 0.0},
    "gelu": {"sigma_w": 1.4, "sigma_b": 0.1},
    "sin": {"sigma_w": 1.0, "sigma_b": 0.0},
    "erf": {"sigma_w": 0.9, "sigma_b": 0.0},
}


def timed(compiled: CompiledPairs, x: np.ndarray, y: np.ndarray) -> float:
    """The shortest processor time of several turns, in milliseconds: other work on the machine counts least."""
    times = []
    for _ in range(TURNS):
        start = process_time()
        compiled(x, y)
        times.append(process_time() - start)
    return 1000 * min(times)


def test_depth_100() -> None:
    """One line per activation."""
    rng = np.random.default_rng(0)
    x, y = (rng.standard_normal((PAIRS, 8)) for _ in range(2))
    print(f"\n{'phi':>6}{'one pair':>12}{'of many':>12}{'plain':>12}{'ratio':>8}{'largest difference':>20}")
    for phi, numbers in NUMBERS.items():
        record = ns.finite_width(zoo.load("mlp")(phi=ns.activation(phi), depth=DEPTH))
        compiled = record.compile(n=1000, **numbers)
        found = compiled(x[:1], y[:1])  # the first call compiles
        one, many = timed(compiled, x[:1], y[:1]), timed(compiled, x, y) / PAIRS
        start = process_time()
        expected = record.evaluate(np.stack([x[0], y[0]]), n=1000, **numbers)
        plain = 1000 * (process_time() - start)
        exact = {name: expected.at(name) for name in found.tensors}
        largest = max(np.abs(found.tensors[name][0] - t).max() / np.abs(t).max() for name, t in exact.items())
        print(f"{phi:>6}{one:9.2f} ms{many:9.2f} ms{plain:9.0f} ms{plain / one:8.0f}{largest:20.1e}")


if __name__ == "__main__":
    test_depth_100()
