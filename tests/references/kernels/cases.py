"""The list of cases."""

from dataclasses import replace
from itertools import product
from typing import Any

from common import Case

HOMOGENEOUS = ("relu", "leaky_relu(0.1)", "leaky_relu(0.3)", "abs", "abrelu(-0.5, 1.5)", "identity")
BOUNDED = ("erf", "sin", "cos", "rbf", "gaussian", "sign", "step", "tanh", "sigmoid", "hard_tanh")
GROWING = ("gelu", "elu", "celu(0.5)", "selu", "silu", "softplus", "relu6")
STEEP = ("exp", "z**2", "z**3", "relu_power(2)", "relu_power(3)", "1 - 2*z + z**2/2")
HERMITE = ("(z**2 - 1)/sqrt(2)", "(z**3 - 3*z)/sqrt(6)")
DEEP = ("relu", "leaky_relu(0.1)", "erf", "sin", "gelu", "tanh")


def cases_of(
    net: str, inputs: str, sigmas: tuple[tuple[float, float], ...], parts: bool = False, **settings: Any
) -> list[Case]:
    """Every combination of the settings, each a tuple of values, with every pair (sigma_w, sigma_b)."""
    return [
        Case(net, dict(zip(settings, values, strict=True)), inputs, sigma_w, sigma_b, parts)
        for values in product(*settings.values())
        for sigma_w, sigma_b in sigmas
    ]


USUAL = ((1.5, 0.3), (0.9, 0.0))
BIASED = ((1.5, 0.3), (0.8, 0.5))

_ALL = [
    *cases_of("mlp", "points", ((1.5, 0.3),), phi=(*HOMOGENEOUS, *BOUNDED), depth=(1, 2, 3, 4, 5)),
    *cases_of("mlp", "points", ((1.2, 0.0),), phi=(*HOMOGENEOUS, *BOUNDED), depth=(1, 3)),
    *cases_of("mlp", "points", ((1.1, 0.2),), phi=GROWING, depth=(1, 2, 3)),
    *cases_of("mlp", "points", ((1.4, 0.0),), phi=GROWING, depth=(1, 2)),
    *cases_of("mlp", "points", ((0.5, 0.1), (0.4, 0.0)), phi=STEEP, depth=(1, 2)),
    *cases_of("mlp", "points", ((1.4, 0.1),), phi=DEEP, depth=(50,)),
    *cases_of("mlp", "points", USUAL, True, phi=("relu", "erf"), depth=(3,)),
    *cases_of("tied_mlp", "points", USUAL, phi=("relu", "erf"), depth=(3,)),
    *cases_of("normed_mlp", "nonzero", USUAL, phi=("relu", "erf", *HERMITE), depth=(1, 3)),
    *cases_of("post_norm_mlp", "nonzero", USUAL, phi=("relu", "tanh"), depth=(1, 2), centre=(True, False)),
    *cases_of("affine_norm_mlp", "nonzero", BIASED, True, phi=("relu", "erf")),
    *cases_of("self_skip", "points", BIASED, phi=("relu", "tanh", "gelu"), depth=(1, 2)),
    *cases_of("double", "points", USUAL),
    *cases_of("nested", "points", USUAL, inner=("relu", "sin"), outer=("tanh",), depth=(1, 2)),
    *cases_of("resnet", "points", BIASED, phi=("relu", "erf"), depth=(3,), wiring=("pre", "two_layer"), scale=("1/2",)),
    *cases_of("resnet", "nonzero", BIASED, phi=("relu", "erf"), depth=(3,), wiring=("pre_norm",), scale=("1/2",)),
    *cases_of("resnet", "points", ((1.5, 0.3),), True, phi=("relu",), depth=(4,), wiring=("pre",), scale=("1",)),
    *cases_of("post_resnet", "points", BIASED, phi=("relu", "tanh"), depth=(1, 3), scale=("1/2",)),
    *cases_of("activated_sum", "points", BIASED, phi=("relu", "tanh")),
    *cases_of("cnn", "images", USUAL, phi=("relu",), depth=(1, 2), kernel=(3,), stride=(1,),
              padding=("same", "circular"), head=("flatten", "pool")),
    *cases_of("cnn", "images", BIASED, phi=("erf",), depth=(2,), kernel=(2,), stride=(1,),
              padding=("same", "valid"), head=("pool", "avg")),
    *cases_of("cnn", "images", BIASED, phi=("relu",), depth=(2,), kernel=(3,), stride=(2,),
              padding=("same", "circular"), head=("flatten", "pool")),
    *cases_of("cnn", "odd_images", BIASED, phi=("relu",), depth=(1,), kernel=(3,), stride=(2,),
              padding=("valid",), head=("flatten", "pool")),
    *cases_of("cnn", "images", ((1.5, 0.3),), True, phi=("relu",), depth=(2,), kernel=(3,), stride=(1,),
              padding=("same",), head=("pool",)),
    *cases_of("gcn", "graphs", USUAL, phi=("relu", "erf"), depth=(1, 3)),
    *cases_of("attention", "sequences", ((0.8, 0.5), (0.9, 0.0)), phi=("relu",), causal=(True, False)),
    *cases_of("shared_attention", "sequences", USUAL, phi=("identity", "relu", "erf")),
    *cases_of("dropout", "points", USUAL, phi=("relu",), depth=(1, 3), rate=(0.25,)),
    *cases_of("rnn", "sequences", USUAL, True, phi=("relu", "erf", "tanh")),
    *cases_of("gru", "steps", USUAL),
    *cases_of("lstm", "steps", ((0.9, 0.0), (0.7, 0.4))),
    *cases_of("glu", "points", BIASED, phi=("silu", "gelu", "relu")),
    *cases_of("embedding", "tokens", USUAL, phi=("relu", "erf"), positional=(True, False)),
    *cases_of("transformer", "sequences", ((1.5, 0.3), (0.9, 0.0)), phi=("gelu", "relu"), activated=(True, False),
              norm=("layernorm", "rmsnorm"), scale=("1/2",)),
]  # fmt: skip

CASES = list({repr(replace(case, parts=False)): case for case in _ALL}.values())
"""Every case once, with its parts if it is listed with them."""
