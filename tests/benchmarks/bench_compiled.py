"""Compiled kernels of perceptrons against the limit, plain NumPy and neural-tangents, in one process run.

The limit is the product X X^T and writing two matrices; numbers are medians of five, ratios to the limit measured in
turns with them. The plain version is what a paper's
formulas look like in NumPy. neural-tangents runs in an interpreter of its own where the environment
variable NEURAL_TANGENTS_PYTHON names one (its version 0.6.5 needs jax 0.4), on the same inputs and the same cores,
beside a limit of its own.

pytest tests/benchmarks/bench_compiled.py -s -m bench
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from functools import partial
from math import nan
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import pytest

import ntksym as ns
from ntksym import zoo
from tests.benchmarks.turns import in_turns

pytestmark = pytest.mark.bench

N, D, REPEATS = 2000, 64, 5
X = np.random.default_rng(0).standard_normal((N, D))
SIGMA_W, SIGMA_B = 1.3, 0.3
PEER_DEPTH = 20
"""neural-tangents is not asked for more layers: at 100 its kernel takes more than twenty minutes to be compiled."""
CASES = {
    "relu, depth 3, no bias": ("relu", 3, False),
    "relu, depth 20, no bias": ("relu", 20, False),
    "relu, depth 100, no bias": ("relu", 100, False),
    "relu, depth 3": ("relu", 3, True),
    "relu, depth 20": ("relu", 20, True),
    "erf, depth 3": ("erf", 3, True),
    "gelu, depth 3": ("gelu", 3, True),
    "tanh, depth 3": ("tanh", 3, True),
    "silu, depth 3": ("silu", 3, True),
}


def limit() -> None:
    product = X @ X.T
    first, second = np.empty((N, N)), np.empty((N, N))
    first[:] = product
    second[:] = 1.0


def plain(depth: int, bias: bool) -> tuple[Any, Any]:
    """NNGP and NTK of a ReLU perceptron, as Cho & Saul 2009 and Jacot et al. 2018 write them."""
    b = SIGMA_B**2 if bias else 0.0
    K = SIGMA_W**2 * (X @ X.T) / D + b
    T = K.copy()
    for _ in range(depth):
        norms = np.sqrt(np.diag(K))
        scale = np.outer(norms, norms)
        theta = np.arccos(np.clip(K / scale, -1, 1))
        K = SIGMA_W**2 * scale * (np.sin(theta) + (np.pi - theta) * np.cos(theta)) / (2 * np.pi) + b
        T = K + SIGMA_W**2 * T * (np.pi - theta) / (2 * np.pi)
    return K, T


def neural_tangents() -> dict[str, float] | None:
    """Ratios to its own limit, by case, or None where there is no such interpreter."""
    python = os.environ.get("NEURAL_TANGENTS_PYTHON")
    if not python:
        return None
    with tempfile.TemporaryDirectory() as folder:
        np.save(Path(folder) / "x.npy", X)
        script = Path(__file__).with_name("neural_tangents_times.py")
        given = json.dumps(
            {
                name: [phi, depth, SIGMA_W, SIGMA_B if bias else 0.0]
                for name, (phi, depth, bias) in CASES.items()
                if depth <= PEER_DEPTH
            }
        )
        done = subprocess.run([python, str(script), folder, given], capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_perceptrons() -> None:
    """One line per case."""
    peer = neural_tangents() or {}
    print(f"\nN = {N}, d = {D}, {len(os.sched_getaffinity(0))} cores")
    heads = f"{'':26}{'ms':>6}{'limit':>7}{'x limit':>9}{'ns/pair/layer':>15}{'x numpy':>9}{'x neural-tangents':>19}"
    print(f"{heads}  plan")
    for name, (phi, depth, bias) in CASES.items():
        program = zoo.load("mlp")(depth=depth, phi=ns.activation(phi), bias=bias)
        kernel = ns.compiled_kernel(program, sigma_w=SIGMA_W, **({"sigma_b": SIGMA_B} if bias else {}))
        own, bound = in_turns([partial(kernel, X), limit], REPEATS)[:, 0]
        reference = in_turns([partial(plain, depth, bias)], 1)[0, 0] / own if phi == "relu" else nan
        other = peer[name] * bound / own if name in peer else nan
        parts = f"{own:6.0f}{bound:7.0f}{own / bound:9.1f}{own / N / N / depth * 1e6:15.2f}"
        plan = "one number" if kernel.plan.one_number else "pair by pair"
        print(f"{name:26}{parts}{reference:9.1f}{other:19.1f}  {plan}")


def test_first_call_in_a_second_process() -> None:
    """Imports, the cache on disk, and one call, in seconds; what derives and compiles is done by a first process."""
    lines = (
        "import time; start = time.perf_counter()",
        "import numpy as np, ntksym as ns",
        "from ntksym import zoo",
        "kernel = ns.compiled_kernel(zoo.load('mlp')(depth=3), sigma_w=1.3, sigma_b=0.3)",
        "kernel(np.random.default_rng(0).standard_normal((300, 64)))",
        "print(time.perf_counter() - start)",
    )
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "NTKSYM_CACHE": folder}
        times = []
        for _ in range(4):
            start = perf_counter()
            done = subprocess.run(
                [sys.executable, "-c", "\n".join(lines)], env=environment, capture_output=True, text=True, check=True
            )
            times.append((float(done.stdout), perf_counter() - start))
    print(
        "\nfirst process, then others (s; with the interpreter): " + "  ".join(f"{a:.2f} ({b:.2f})" for a, b in times)
    )


if __name__ == "__main__":
    test_perceptrons()
    test_first_call_in_a_second_process()
