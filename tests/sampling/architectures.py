"""The architectures of the zoo at small sizes, with data for them."""

from typing import Any

import numpy as np

from ntksym import zoo
from ntksym.language import Program

LLAMA = dict.fromkeys(("grouped", "gated", "rotary", "rms", "qk_norm", "affine", "bias"), True)
SETTINGS: dict[str, dict[str, Any]] = {
    "transformer llama": LLAMA,
    "transformer tied": {"tied": True},
    "moe top": {"k": 2},
    "dit": {"zero": False},
    "resnet deep": {"block_depth": 2, "normalise": True},
    "cnn flat": {"pool": False},
}
SIZES = {"n": 8, "L": 3, "d_in": 5, "T": 6, "vocab": 11, "d_patch": 3, "d_cond": 4}


def architecture(name: str) -> Program:
    return zoo.load(name.split()[0])(**SETTINGS.get(name, {}))


def zoo_inputs(program: Program, sizes: dict[str, int], batch: int) -> dict[str, Any]:
    rng = np.random.default_rng(3)
    out = {}
    for node in program.inputs:
        shape = [int(axis.size.value(sizes)) for axis in node.type.positions]
        if node.attr("kind") == "tokens":
            out[node.name] = rng.integers(0, 11, [batch, *shape])
        else:
            coord = [] if node.attr("kind") == "graph" else [int(node.type.coord.value(sizes))]
            out[node.name] = rng.standard_normal([batch, *shape, *coord])
    return out


def zoo_sizes(program: Program) -> dict[str, int]:
    return {d.name: SIZES[d.name] for d in program.dims if d.equals is None and (d.default is None or d.name in SIZES)}
