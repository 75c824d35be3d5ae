"""Times of neural-tangents for ``bench_compiled.py``, run by an interpreter that has it: ratios to its own limit.

python neural_tangents_times.py FOLDER CASES, with x.npy in the folder and cases {name: [activation, depth, sigma_w,
sigma_b]} in JSON; prints {name: ratio} as its last line. Perceptrons that it has no closed form for are left out: its
quadrature is slow and off by a per cent.
"""

import json
import sys
from pathlib import Path
from statistics import median
from time import perf_counter

import jax
import numpy as np
from neural_tangents import stax

jax.config.update("jax_enable_x64", True)

folder, given = sys.argv[1:]
x = np.load(Path(folder) / "x.npy")
activations = {"relu": stax.Relu, "erf": stax.Erf, "gelu": stax.Gelu}


def timed(f, repeats=5):
    f()
    times = []
    for _ in range(repeats):
        start = perf_counter()
        f()
        times.append(perf_counter() - start)
    return median(times)


def limit():
    product = x @ x.T
    first, second = np.empty(product.shape), np.empty(product.shape)
    first[:] = product
    second[:] = 1.0


bound = timed(limit)
found = {}
for name, (phi, depth, sigma_w, sigma_b) in json.loads(given).items():
    if phi not in activations:
        continue
    layers = [layer for _ in range(depth) for layer in (stax.Dense(1, sigma_w, sigma_b), activations[phi]())]
    kernel = jax.jit(stax.serial(*layers, stax.Dense(1, sigma_w, sigma_b))[2], static_argnames="get")
    found[name] = (
        timed(lambda kernel=kernel: jax.block_until_ready(tuple(kernel(x, None, get=("nngp", "ntk"))))) / bound
    )
print(json.dumps(found))
