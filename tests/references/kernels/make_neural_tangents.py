"""Writes neural_tangents/*.json: the kernels of those reference cases that neural-tangents can treat.

Runs in an environment of its own, Python 3.11 with exactly

    neural-tangents==0.6.5 jax==0.4.25 jaxlib==0.4.25 numpy==1.26.4 scipy==1.12.0

    python tests/references/kernels/make_neural_tangents.py [network ...]

in float64. The networks that are not here it refuses or gets wrong: identity + identity, an activation after an
activation or beside its own argument, normalisation after an activation, shared weights. ``error`` is what is claimed
away from (anti)parallel inputs; there its own arccosine loses half of the digits. Where it gives no number (behind the
diagonal of a rectified monomial, for a polynomial's zero input) null is stored.
"""

import sys
import warnings
from fractions import Fraction
from importlib.metadata import version

import jax
import numpy as np
from cases import CASES
from common import INPUTS, NETWORKS, Answer, Case, write
from neural_tangents import stax

jax.config.update("jax_enable_x64", True)

ACTIVATIONS = {
    "identity": stax.Identity,
    "relu": stax.Relu,
    "leaky_relu(0.1)": lambda: stax.LeakyRelu(0.1),
    "leaky_relu(0.3)": lambda: stax.LeakyRelu(0.3),
    "abs": stax.Abs,
    "abrelu(-0.5, 1.5)": lambda: stax.ABRelu(-0.5, 1.5),
    "relu_power(2)": lambda: stax.RectifiedMonomial(2),
    "relu_power(3)": lambda: stax.RectifiedMonomial(3),
    "z**2": lambda: stax.Monomial(2),
    "z**3": lambda: stax.Monomial(3),
    "1 - 2*z + z**2/2": lambda: stax.Polynomial([1.0, -2.0, 0.5]),
    "(z**2 - 1)/sqrt(2)": lambda: stax.Hermite(2),
    "(z**3 - 3*z)/sqrt(6)": lambda: stax.Hermite(3),
    "erf": stax.Erf,
    "gelu": stax.Gelu,
    "sin": stax.Sin,
    "cos": stax.Cos,
    "rbf": lambda: stax.Rbf(0.5),
    "exp": stax.Exp,
    "gaussian": lambda: stax.Gaussian(1, -0.5),
    "sign": stax.Sign,
}


def phi(case: Case):
    return ACTIVATIONS[case.settings["phi"]]()


def dense(case: Case, bias: bool = True):
    return stax.Dense(1, W_std=case.sigma_w, b_std=case.sigma_b if bias else None)


def mlp(case: Case):
    return [dense(case), *[phi(case), dense(case)] * case.settings["depth"]]


def normed_mlp(case: Case):
    return [*[dense(case), stax.LayerNorm(eps=0), phi(case)] * case.settings["depth"], dense(case)]


def resnet(case: Case):
    norm = [stax.LayerNorm(eps=0)] if case.settings["wiring"] == "pre_norm" else []
    up = [dense(case), phi(case)] if case.settings["wiring"] == "two_layer" else []
    scale = float(Fraction(case.settings["scale"]))
    # the scale of the branch belongs to its last layer: it has no other way to stand in front of a Gaussian value
    down = stax.Dense(1, W_std=scale * case.sigma_w, b_std=scale * case.sigma_b)
    block = stax.serial(
        stax.FanOut(2),
        stax.parallel(stax.Identity(), stax.serial(*norm, phi(case), *up, down)),
        stax.FanInSum(),
    )
    return [dense(case), *[block] * (case.settings["depth"] - 1), *norm, phi(case), dense(case)]


def cnn(case: Case):
    settings = case.settings
    layers, size = [], settings["kernel"]
    for i in range(settings["depth"]):
        stride = 1 if i else settings["stride"]
        conv = stax.Conv(
            1, (size, size), (stride, stride), settings["padding"].upper(), W_std=case.sigma_w, b_std=case.sigma_b
        )
        layers += [conv, phi(case)]
    head = {
        "flatten": [stax.Flatten()],
        "pool": [stax.GlobalAvgPool()],
        "avg": [stax.AvgPool((2, 2), (2, 2)), stax.Flatten()],
    }[settings["head"]]
    return [*layers, *head, dense(case)]


def gcn(case: Case):
    layer = [dense(case), stax.Aggregate(aggregate_axis=1, batch_axis=0, channel_axis=2), phi(case)]
    return [*layer * case.settings["depth"], stax.GlobalAvgPool(), dense(case)]


def shared_attention(case: Case):
    attention = stax.GlobalSelfAttention(
        1, 1, 1, 1, linear_scaling=True, W_key_std=case.sigma_w, W_query_std=case.sigma_w,
        W_value_std=case.sigma_w, W_out_std=case.sigma_w, b_std=None,
    )  # fmt: skip
    return [dense(case), phi(case), attention, stax.Index((slice(None), -1)), dense(case)]


def dropout(case: Case):
    layer = [phi(case), stax.Dropout(1 - case.settings["rate"]), dense(case)]
    return [dense(case), *layer * case.settings["depth"]]


NETS = {f.__name__: f for f in (mlp, normed_mlp, resnet, cnn, gcn, shared_attention, dropout)}


def treated(case: Case) -> bool:
    """Whether the package has the network; XLA centres windows with a stride differently on an even length."""
    if case.net not in NETS or case.settings["phi"] not in ACTIVATIONS:
        return False
    hermite = case.settings["phi"] in ("(z**2 - 1)/sqrt(2)", "(z**3 - 3*z)/sqrt(6)")
    moved = case.net == "cnn" and case.settings["stride"] == 2 and case.settings["padding"] != "valid"
    return not moved and not (hermite and case.net != "normed_mlp")


def answer(case: Case) -> Answer:
    given = INPUTS[case.inputs]
    _, _, kernel_fn = stax.serial(*NETS[case.net](case))
    x = given["x"]
    more = {}
    if "adjacency" in given:
        graphs = np.repeat(given["adjacency"].T[None], len(x), axis=0)
        more = {"pattern": (graphs, graphs)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = kernel_fn(x, None, ("nngp", "ntk"), **more)
    return Answer(np.asarray(found.nngp), np.asarray(found.ntk), 1e-12)


if __name__ == "__main__":
    chosen = sys.argv[1:] or list(NETWORKS)
    packages = ("neural-tangents", "jax", "jaxlib", "numpy", "scipy")
    versions = {"python": sys.version.split()[0], **{name: version(name) for name in packages}}
    cases = [Case(**{**vars(case), "parts": False}) for case in CASES if case.net in chosen and treated(case)]
    write("neural_tangents", {"source": "neural-tangents 0.6.5", "versions": versions}, cases, answer)
