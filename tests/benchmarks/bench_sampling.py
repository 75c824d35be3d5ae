"""Networks per second of ``ensemble`` against a loop written by hand in JAX for the same networks.

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
jnp = jax.numpy

pytestmark = pytest.mark.bench

D_IN, BATCH, CHUNK = 64, 8, 32
PIXELS, CHANNELS, CLASSES = 8, 3, 10
TOKENS, VOCAB, HEADS, BLOCKS = 16, 64, 4, 2
rng = np.random.default_rng(0)
VECTORS = rng.standard_normal((BATCH, D_IN)).astype(np.float32)
IMAGES = rng.standard_normal((BATCH, PIXELS, PIXELS, CHANNELS)).astype(np.float32)
TEXTS = rng.integers(0, VOCAB, (BATCH // 2, TOKENS))

Weights = dict[str, Any]
Forward = Callable[[Weights, Any], Any]


# --- by hand: the shapes of the weights, each with its fan-in, and the forward pass -----------------------------------


def mlp_shapes(n: int) -> dict[str, tuple[tuple[int, ...], int]]:
    return {"a": ((n, D_IN), D_IN), "b": ((n, n), n), "c": ((1, n), n)}


def mlp(w: Weights, x: Any) -> Any:
    return jax.nn.relu(jax.nn.relu(x @ w["a"].T) @ w["b"].T) @ w["c"].T


def cnn_shapes(n: int) -> dict[str, tuple[tuple[int, ...], int]]:
    hidden = ((3, 3, n, n), 9 * n)
    return {"a": ((3, 3, CHANNELS, n), 9 * CHANNELS), "b": hidden, "c": hidden, "d": ((n, CLASSES), n)}


def cnn(w: Weights, x: Any) -> Any:
    for name in "abc":
        x = jax.lax.conv_general_dilated(x, w[name], (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))
        x = jax.nn.relu(x)
    return x.mean((1, 2)) @ w["d"]


def transformer_shapes(n: int) -> dict[str, tuple[tuple[int, ...], int]]:
    out = {"embed": ((VOCAB, n), 1), "position": ((TOKENS, n), 1), "readout": ((n, VOCAB), n)}
    for name, wide, fan_in in (("qkv", 3 * n, n), ("o", n, n), ("up", 4 * n, n), ("down", n, 4 * n)):
        out[name] = ((BLOCKS, fan_in, wide), fan_in)
    return out


def transformer(w: Weights, tokens: Any) -> Any:
    causal = np.tril(np.ones((TOKENS, TOKENS), bool))

    def norm(h: Any) -> Any:
        return jax.nn.standardize(h, epsilon=1e-5)

    h = w["embed"][tokens] + w["position"]
    for i in range(BLOCKS):
        qkv = (norm(h) @ w["qkv"][i]).reshape(*h.shape[:-1], 3, HEADS, -1)
        q, k, v = (qkv[..., j, :, :] for j in range(3))
        logits = jnp.einsum("bthd,bshd->bhts", q, k) / q.shape[-1]
        mixed = jnp.einsum("bhts,bshd->bthd", jax.nn.softmax(jnp.where(causal, logits, -jnp.inf)), v)
        h = h + mixed.reshape(h.shape) @ w["o"][i] / BLOCKS**0.5
        h = h + jax.nn.gelu(norm(h) @ w["up"][i], approximate=False) @ w["down"][i] / BLOCKS**0.5
    return norm(h) @ w["readout"]


def output_kernel(forward: Forward, weights: Weights, x: Any) -> Any:
    f = forward(weights, x)
    return jnp.tensordot(f, f, (-1, -1)) / f.shape[-1]


def tangent(forward: Forward, weights: Weights, x: Any) -> Any:
    slopes = jax.vmap(jax.grad(lambda w, x: forward(w, x)[0]), (None, 0))(weights, x)
    return sum(s.reshape(BATCH, -1) @ s.reshape(BATCH, -1).T for s in slopes.values())


def by_hand(samples: int, shapes: Any, statistic: Callable[[Weights], Any], over: Any) -> Callable[[], Any]:
    """A jitted function of a chunk of keys, its moments summed in a Python loop."""

    def drawn(key: Any) -> Weights:
        keys = jax.random.split(key, len(shapes))
        draws = zip(keys, shapes.items(), strict=True)
        return {name: jax.random.normal(key, shape) / fan_in**0.5 for key, (name, (shape, fan_in)) in draws}

    @jax.jit
    def chunk(keys: Any) -> Any:
        found = over(lambda key: statistic(drawn(key)), keys)
        return found.sum(0), (found**2).sum(0)

    def run() -> Any:
        total = 0.0, 0.0
        for start in range(0, samples, CHUNK):
            keys = jax.vmap(jax.random.fold_in, (None, 0))(jax.random.key(0), start + np.arange(CHUNK))
            first, second = chunk(keys)
            total = total[0] + np.asarray(first, float), total[1] + np.asarray(second, float)
        return total[0] / samples

    return run


# --- the rows ---------------------------------------------------------------------------------------------------------

SIDES: dict[str, tuple[Any, Forward, Any, dict[str, int]]] = {
    "mlp": (mlp_shapes, mlp, VECTORS, {"d_in": D_IN}),
    "cnn": (cnn_shapes, cnn, IMAGES, {}),
    "transformer": (transformer_shapes, transformer, TEXTS, {"L": BLOCKS, "vocab": VOCAB}),
}
ROWS = [
    *[("mlp", what, n, samples) for what in ("kernel", "tangent kernel") for n, samples in ((64, 2048), (256, 256))],
    ("mlp", "kernel", 1024, 32),
    ("mlp", "tangent kernel", 1024, 32),
    ("cnn", "kernel", 64, 128),
    ("cnn", "kernel", 128, 64),
    ("transformer", "kernel", 128, 32),
    ("transformer", "kernel", 256, 32),
]


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


def all_at_once(function: Callable[[Any], Any], keys: Any) -> Any:
    return jax.vmap(function)(keys)


@pytest.mark.parametrize(("name", "what", "n", "samples"), ROWS)
def test_throughput(name: str, what: str, n: int, samples: int) -> None:
    """Against the faster of two loops that one would write: a chunk mapped at once, or a network after another."""
    shapes, forward, x, sizes = SIDES[name]
    net = network(zoo.load(name)(bias=False), {"n": n, **sizes})
    mine = kernel(net.labels[-1]) if what == "kernel" else TangentKernel()
    theirs = output_kernel if what == "kernel" else tangent
    hands = [
        by_hand(samples, shapes(n), lambda weights: theirs(forward, weights, x), over)
        for over in (all_at_once, jax.lax.map)
    ]
    found, *known = seconds(lambda: ensemble(net, samples, x, mine), *hands)
    at_once, in_turn = (samples / time for time in known)
    print(
        f"\n{name}, {what}, n = {n}: {samples / found:.0f} networks/s, "
        f"by hand {at_once:.0f} at once, {in_turn:.0f} in turn: {min(known) / found:.2f} times"
    )
    # both are means over different networks: six standard errors of their difference
    estimate, truth = ensemble(net, samples, x, mine), hands[0]()
    apart = np.abs(estimate.mean.reshape(truth.shape) - truth)
    assert (apart < 6 * 2**0.5 * estimate.standard_error.reshape(truth.shape)).all()
