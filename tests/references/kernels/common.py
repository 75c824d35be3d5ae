"""The reference cases: inputs, networks in words, settings; and how a file of answers is written.

Nothing of ntksym is imported here or by the two scripts that answer the cases, so the answers are independent
of it. Only NumPy is needed.
"""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent

CONVENTIONS = (
    "W ~ N(0, sigma_w^2/fan_in) with the data's dimension as the first fan-in (a lookup table: fan_in 1), "
    "b ~ N(0, sigma_b^2); the readout included, one output, all parameters trained. nngp is the covariance of the "
    "output, ntk the tangent kernel in the ntk parameterization: gradients by w, b ~ N(0, 1), where W = "
    "sigma_w/sqrt(fan_in) w and b is written sigma_b b, so that a dense layer contributes its own kernel, sigma_b^2 "
    "included. by_parameter holds the parts of ntk, copies of a repeated layer summed. In the standard "
    "parameterization the part of a matrix is fan_in/sigma_w^2 times that in the ntk one, the part of a bias "
    "1/sigma_b^2 times: parts with a wide fan-in diverge, so only the ntk ones are stored. depth counts "
    "nonlinearities. Matrices are symmetric; the rows of their upper triangles are stored, null where the source "
    "gives no number."
)

NETWORKS = {
    "mlp": "input = dense(d_in -> n); depth - 1 times: hidden = dense(phi(h)); readout = dense(phi(h), 1).",
    "tied_mlp": "As mlp, but all hidden layers are one: the same W and b are applied depth - 1 times.",
    "normed_mlp": "h = x; depth times: h = phi(layernorm(dense(h))), without gain and bias; readout = dense(h, 1).",
    "post_norm_mlp": "h = x; depth times: h = norm(phi(dense(h))), norm = layernorm or rmsnorm over the coordinates, "
    "without gain and bias; readout = dense(h, 1).",
    "affine_norm_mlp": "readout(phi(g * layernorm(input(x)) + b)), g one at the start and b ~ N(0, sigma_b^2), both "
    "trained; the part of g is that of gradients by g itself.",
    "self_skip": "h = input(x); depth - 1 times: h = hidden(h + phi(h)); readout(h + phi(h)).",
    "double": "readout(h + h), h = input(x): four times the kernel of h, not twice.",
    "nested": "mlp with the activation outer(inner(z)), one activation directly after another.",
    "resnet": "h = embed(x), dense; depth - 1 times h = h + scale * branch(h), fresh weights, then readout(phi(h)), or "
    "readout(phi(layernorm(h))) for pre_norm. branch: pre: down(phi(h)); pre_norm: down(phi(layernorm(h))); "
    "two_layer: down(phi(up(phi(h)))).",
    "post_resnet": "h = embed(x); depth times h = h + scale * phi(layer(h)), so that h is not Gaussian; readout(h).",
    "activated_sum": "h = phi(input(x)); readout(sin(h + hidden(h))): the skip into the sine is not Gaussian.",
    "cnn": "conv with n channels and phi, depth times (parameters input, then conv); then head: flatten, pool (global "
    "average pooling), or avg (average over windows of 2 along each axis with stride 2, then flatten); readout. "
    "fan_in of a conv: window * channels. padding same: zeros, (kernel - 1)//2 before; circular: the same window "
    "around a torus; valid: windows that fit. stride applies to the first conv.",
    "gcn": "depth times h = phi(A @ dense(h)), the bias inside of the sum over neighbours; mean over nodes; readout.",
    "attention": "embed = dense(x); attention(embed), H = 2 heads, logits q.k/d_head, independent q, k, no biases, "
    "causal or not; phi; mean over positions; readout. The logits vanish in the limit: attention is uniform.",
    "shared_attention": "h = phi(embed(x)); logits (W h_t).(W h_s)/n with one W of shape (n, n) for queries and keys; "
    "softmax over s; the weights mix value(h) = dense without bias; out = dense without bias; last position; "
    "readout. The weights of attention have a deterministic limit.",
    "dropout": "mlp with dropout after every phi, a mask for each input; nngp and ntk with the masks on, entries of "
    "the diagonal with the same mask on both sides.",
    "rnn": "z_t = W x_t + U h_{t-1} + b, h_t = phi(z_t), h_{-1} = 0, the same W, U, b at every step; readout(h_last).",
    "gru": "One step of a GRU from the state zero: h = sigmoid(W_z x + b_z) tanh(W_h x + b_h); readout(h).",
    "lstm": "One step of an LSTM from the state zero: h = sigmoid(o) tanh(sigmoid(i) tanh(g)) with i, o, g dense in x; "
    "readout(h).",
    "glu": "h = embed(x); down(phi(gate(h)) * up(h)), no biases in these three; readout.",
    "embedding": "h = lookup(table, token) with table entries N(0, sigma_w^2); optionally plus a trained vector for "
    "each position with entries N(0, 1); phi(hidden(h)); mean over positions; readout.",
    "transformer": "h = embed(x), or phi(embed(x)) if activated; twice: h = h + scale * attention(norm(h)), causal, "
    "H = 2, logits q.k/d_head, no biases; h = h + scale * down(phi(up(norm(h)))), no biases; readout(norm(h)) at "
    "the last position. norm: layernorm or rmsnorm without parameters.",
}
"""Every network in words; the names of its parameters are those that ntksym gives."""

# x, 2x, -x/2, close to x, another point, zero
X = np.array([1.0, -0.5, 0.25, 2.0])
POINTS = np.array([X, 2 * X, -0.5 * X, X + 1e-4 * np.array([0.5, 1.0, -0.25, 0.0]), [-0.5, 1.25, 0.75, 0.125], 0 * X])


def waves(*shape: int) -> np.ndarray:
    """Numbers of order one without a pattern, exact in a few binary digits."""
    steps = np.arange(np.prod(shape), dtype=float).reshape(shape)
    return np.round(64 * (np.sin(1.7 * steps + 0.4) + np.cos(0.6 * steps**1.3))) / 64


def family(*shape: int) -> np.ndarray:
    """Four inputs: one, its double, its negative, another."""
    first, second = waves(2, *shape)
    return np.stack([first, 2 * first, -first, second])


INPUTS: dict[str, dict[str, np.ndarray]] = {
    "points": {"x": POINTS},
    "nonzero": {"x": POINTS[:5]},
    "steps": {"x": POINTS[[0, 2, 4]][:, None]},
    "sequences": {"x": family(3, 4)},
    "images": {"x": family(4, 4, 2)[[0, 1, 3]]},
    "odd_images": {"x": family(5, 4, 2)[[0, 3]]},
    "graphs": {"x": family(3, 4), "adjacency": np.array([[0.5, 0.5, 0.0], [0.25, 0.5, 0.25], [0.0, 0.5, 0.5]])},
    "tokens": {"tokens": np.array([[0, 1, 2], [0, 1, 2], [2, 1, 0], [3, 3, 4]])},
}


@dataclass(frozen=True)
class Case:
    """One network with its settings, inputs by name, and hyperparameters."""

    net: str
    settings: dict[str, Any]
    inputs: str
    sigma_w: float
    sigma_b: float
    parts: bool = field(default=False)


@dataclass(frozen=True)
class Answer:
    """nngp and ntk (float arrays, batch x batch), its parts if asked for, and a bound on the relative error."""

    nngp: np.ndarray
    ntk: np.ndarray
    error: float
    by_parameter: dict[str, np.ndarray] = field(default_factory=dict)


def _triangle(matrix: np.ndarray) -> list[list[float | None]]:
    rows = [[float(entry) for entry in row[i:]] for i, row in enumerate(matrix)]
    return [[entry if np.isfinite(entry) else None for entry in row] for row in rows]


def _entry(case: Case, answer: Answer) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "settings": case.settings,
        "inputs": case.inputs,
        "sigma_w": case.sigma_w,
        "sigma_b": case.sigma_b,
        "error": answer.error,
        "nngp": _triangle(answer.nngp),
        "ntk": _triangle(answer.ntk),
    }
    if case.parts:
        entry["by_parameter"] = {name: _triangle(part) for name, part in sorted(answer.by_parameter.items())}
    return entry


def write(folder: str, header: dict[str, Any], cases: Iterable[Case], answer: Callable[[Case], Answer]) -> None:
    """One file for each network, ``folder/net.json``; each is written whole."""
    where = HERE / folder
    where.mkdir(exist_ok=True)
    files: dict[str, list[str]] = {}
    for case in cases:
        files.setdefault(case.net, []).append(json.dumps(_entry(case, answer(case)), allow_nan=False))
        print(case.net, case.settings, case.sigma_w, case.sigma_b, flush=True)
    for net, entries in files.items():
        head = {**header, "conventions": CONVENTIONS, "network": net, "architecture": NETWORKS[net]}
        lines = ",\n".join(entries)
        text = f'{json.dumps(head, indent=1)[:-2]},\n "cases": [\n{lines}\n]}}\n'
        new = where / f"{net}.json.new"
        new.write_text(text, encoding="utf-8")
        new.replace(where / f"{net}.json")


def write_inputs() -> None:
    """inputs.json: the inputs of all cases by name."""
    plain = {name: {key: array.tolist() for key, array in given.items()} for name, given in INPUTS.items()}
    (HERE / "inputs.json").write_text(json.dumps(plain) + "\n", encoding="utf-8")
