"""Networks per second of ``ensemble`` against a loop written by hand in JAX for the same multilayer perceptron.

pytest tests/benchmarks/bench_sampling.py -s -m bench
"""

from collections.abc import Callable
from time import perf_counter
from typing import Any

import numpy as np
import pytest

from ntksym import zoo
from ntksym.sampling import TangentKernel, ensemble, kernel, network

jax = pytest.importorskip("jax", reason='needs the extra "networks"')

pytestmark = pytest.mark.bench

D_IN, BATCH, CHUNK = 64, 8, 32
X = np.random.default_rng(0).standard_normal((BATCH, D_IN)).astype(np.float32)


def seconds(*runs: Callable[[], Any], times: int = 5) -> list[float]:
    """The shortest of some runs of each, in turn, after one that compiles."""
    out: list[list[float]] = [[] for _ in runs]
    for run in runs:
        run()
    for _ in range(times):
        for run, found in zip(runs, out, strict=True):
            start = perf_counter()
            run()
            found.append(perf_counter() - start)
    return [min(found) for found in out]


def drawn(key: Any, n: int) -> tuple[Any, Any, Any]:
    first, second, third = jax.random.split(key, 3)
    return (
        jax.random.normal(first, (n, D_IN)) / D_IN**0.5,
        jax.random.normal(second, (n, n)) / n**0.5,
        jax.random.normal(third, (1, n)) / n**0.5,
    )


def forward(weights: tuple[Any, Any, Any], x: Any) -> Any:
    a, b, c = weights
    return jax.nn.relu(jax.nn.relu(x @ a.T) @ b.T) @ c.T


def by_hand(samples: int, n: int, statistic: Callable[[Any], Any]) -> Callable[[], Any]:
    """A jitted vmap over a chunk of keys, its moments summed in a Python loop."""

    @jax.jit
    def chunk(keys: Any) -> Any:
        found = jax.vmap(lambda key: statistic(drawn(key, n)))(keys)
        return found.sum(0), (found**2).sum(0)

    def run() -> Any:
        total = 0.0, 0.0
        for start in range(0, samples, CHUNK):
            keys = jax.vmap(jax.random.fold_in, (None, 0))(jax.random.key(0), start + np.arange(CHUNK))
            first, second = chunk(keys)
            total = total[0] + np.asarray(first, float), total[1] + np.asarray(second, float)
        return total[0] / samples

    return run


def output_kernel(weights: Any) -> Any:
    f = forward(weights, X)
    return f @ f.T


def tangent(weights: Any) -> Any:
    slopes = jax.vmap(jax.grad(lambda w, x: forward(w, x)[0]), (None, 0))(weights, X)
    return sum(s.reshape(BATCH, -1) @ s.reshape(BATCH, -1).T for s in slopes)


@pytest.mark.parametrize("n", [64, 256, 1024])
@pytest.mark.parametrize("what", ["kernel", "tangent kernel"])
def test_throughput(n: int, what: str) -> None:
    samples = {64: 2048, 256: 256, 1024: 32}[n]
    net = network(zoo.load("mlp")(bias=False), {"n": n, "d_in": D_IN})
    mine, theirs = (kernel(net.labels[-1]), output_kernel) if what == "kernel" else (TangentKernel(), tangent)
    hand = by_hand(samples, n, theirs)
    found, known = seconds(lambda: ensemble(net, samples, X, mine), hand)
    print(
        f"\n{what}, n = {n}: {samples / found:.0f} networks/s, by hand {samples / known:.0f}: {known / found:.2f} times"
    )
    mean, truth = ensemble(net, samples, X, mine).mean.ravel(), hand().ravel()
    assert mean @ truth > 0.5 * (mean @ mean * truth @ truth) ** 0.5
