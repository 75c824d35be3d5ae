"""Every layer of the interpreter against a version written by hand in NumPy."""

from collections.abc import Callable
from math import erf
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.signal import correlate

from ntksym import language as ns
from ntksym.language import InputType, Value
from ntksym.language.printing import labels
from tests.language.programs import PROGRAMS, inputs_for, sizes_for

rng = np.random.default_rng(11)
T, D = 5, 6
x_td = rng.standard_normal((T, D))


def evaluate(
    layer: Callable[[Value], Value], x: Any = x_td, kind: InputType | None = None, **sigmas: float
) -> tuple[Any, dict[str, Any]]:
    """The layer's output and its weights, by default for a sequence of vectors."""

    @ns.program
    def net(x: kind or ns.Sequence(*x.shape)):
        return layer(x)

    program = net()
    symbols = {node.attr("sigma") for node in program.parameters}
    weights = ns.draw(program, {}, seed=3, **{name: 0.7 for name in ("sigma_b",) if name in symbols}, **sigmas)
    # constant ones get values of their own, so that an error in their use shows
    for node in program.parameters:
        if node.attr("init") == "constant":
            weights[node.name] = rng.standard_normal(weights[node.name].shape)
    return ns.run(program, weights, x, {}), weights


def dense(x: Any, w: dict[str, Any], name: str) -> Any:
    return x @ w[f"{name}.w"].T + w.get(f"{name}.b", 0)


def softmax(x: Any) -> Any:
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def gelu(x: Any) -> Any:
    return x * (1 + np.vectorize(erf)(x / np.sqrt(2))) / 2


def silu(x: Any) -> Any:
    return x * sigmoid(x)


# --- dense layers and norms ---------------------------------------------------------------------------


def test_dense_and_readout() -> None:
    y, w = evaluate(lambda x: ns.dense(x, 3, name="a"))
    assert y.shape == (T, 3)
    assert_allclose(y, dense(x_td, w, "a"))
    y, w = evaluate(lambda x: ns.dense(x, 3, name="a", bias=False))
    assert_allclose(y, x_td @ w["a.w"].T)
    y, w = evaluate(lambda x: ns.readout(x, 2))
    assert_allclose(y, dense(x_td, w, "readout"))


def test_dense_for_each_expert() -> None:
    y, w = evaluate(lambda x: ns.dense(x, 3, name="a", index=ns.Axis("expert", ns.Size(2))))
    assert w["a.w"].shape == (2, 3, D)
    assert_allclose(y, np.stack([x_td @ w["a.w"][e].T + w["a.b"][e] for e in range(2)], axis=1))


def test_bias_gain_positional() -> None:
    y, w = evaluate(lambda x: ns.bias(x, name="b"))
    assert_allclose(y, x_td + w["b"])
    y, w = evaluate(lambda x: ns.gain(x, name="g"))
    assert_allclose(y, x_td * w["g"])
    y, w = evaluate(lambda x: ns.positional(x, "T", name="p"))
    assert w["p.w"].shape == (T, D)
    assert_allclose(y, x_td + w["p.w"])


def test_norms() -> None:
    centred = x_td - x_td.mean(1, keepdims=True)
    layer, rms = centred / centred.std(1, keepdims=True), x_td / np.sqrt((x_td**2).mean(1, keepdims=True))
    assert_allclose(evaluate(ns.layernorm)[0], layer)
    assert_allclose(evaluate(ns.rmsnorm)[0], rms)
    y, w = evaluate(lambda x: ns.layernorm(x, name="ln"))
    assert_allclose(y, layer * w["ln.g"] + w["ln.b"])
    y, w = evaluate(lambda x: ns.rmsnorm(x, name="ln"))
    assert_allclose(y, rms * w["ln.g"])


def test_batchnorm() -> None:
    centred = x_td - x_td.mean(0)
    batch = centred / centred.std(0)
    assert_allclose(evaluate(ns.batchnorm)[0], batch)
    y, w = evaluate(lambda x: ns.batchnorm(x, "T", name="bn"))
    assert_allclose(y, batch * w["bn.g"] + w["bn.b"])
    x = np.random.default_rng(0).normal(size=(3, 4, 5, 2))

    @ns.program
    def over_two(x: ns.Image(4, 5, 2)) -> ns.Value:
        return ns.batchnorm(x, "col")

    found = ns.run(over_two(), {}, x, {})
    assert_allclose(found, (x - x.mean(2, keepdims=True)) / x.std(2, keepdims=True))


def test_residual_mlp_glu_lora() -> None:
    assert_allclose(evaluate(lambda x: ns.residual(x, x * x, 0.5))[0], x_td + x_td**2 / 2)
    y, w = evaluate(lambda x: ns.mlp_block(x, 7, name="m"))
    assert_allclose(y, dense(gelu(dense(x_td, w, "m.up")), w, "m.down"))
    y, w = evaluate(lambda x: ns.glu(x, 7, name="m"))
    assert_allclose(y, dense(silu(dense(x_td, w, "m.gate")) * dense(x_td, w, "m.up"), w, "m.down"))
    y, w = evaluate(lambda x: ns.lora(x, 4, 2, name="l", scale=3))
    assert_allclose(y, x_td @ (w["l.w"] + 3 * w["l.b"] @ w["l.a"]).T)


def test_lora_starts_at_the_frozen_map() -> None:
    @ns.program
    def net(x: ns.Vector(D)):
        return ns.lora(x, 4, 2, name="l")

    weights = ns.draw(net(), {})
    assert_allclose(ns.run(net(), weights, x_td[0], {}), weights["l.w"] @ x_td[0])
    assert [node.name for node in net().parameters if not node.attr("trainable")] == ["l.w"]


# --- images -------------------------------------------------------------------------------------------

image = rng.standard_normal((7, 6, 3))


def convolved(x: Any, w: Any, mode: str) -> Any:
    """Each output channel with SciPy, whose windows are centred for odd kernels."""
    kernels = w.reshape(len(w), 3, 3, 3)
    return np.stack([correlate(x, kernel, mode)[:, :, x.shape[2] // 2] for kernel in kernels], axis=-1)


@pytest.mark.parametrize("stride", [1, 2])
def test_conv_against_scipy(stride: int) -> None:
    kind = ns.Image(7, 6, 3)
    y, w = evaluate(lambda x: ns.conv(x, 4, 3, name="c", stride=stride), image, kind)
    assert_allclose(y, convolved(image, w["c.w"], "same")[::stride, ::stride] + w["c.b"])
    y, w = evaluate(lambda x: ns.conv(x, 4, 3, name="c", stride=stride, padding="valid"), image, kind)
    valid = convolved(np.pad(image, ((0, 0), (0, 0), (1, 1))), w["c.w"], "same")[1:-1, 1:-1]
    assert_allclose(y, valid[::stride, ::stride] + w["c.b"])
    y, w = evaluate(lambda x: ns.conv(x, 4, 3, name="c", stride=stride, padding="circular"), image, kind)
    around = np.pad(image, ((1, 1), (1, 1), (0, 0)), "wrap")
    assert_allclose(y, convolved(around, w["c.w"], "same")[1:-1, 1:-1][::stride, ::stride] + w["c.b"])


def test_conv_along_one_axis_with_an_even_kernel() -> None:
    y, w = evaluate(lambda x: ns.conv(x, 4, 2, name="c"))
    ahead = np.vstack([x_td[1:], np.zeros(D)])
    assert_allclose(y, np.hstack([x_td, ahead]) @ w["c.w"].T + w["c.b"])


def test_pools_and_flatten() -> None:
    kind = ns.Image(7, 6, 3)
    windows = image[:6].reshape(3, 2, 3, 2, 3)
    assert_allclose(evaluate(ns.avg_pool, image, kind)[0], windows.mean((1, 3)))
    assert_allclose(evaluate(ns.global_avg_pool, image, kind)[0], image.mean((0, 1)))
    assert_allclose(evaluate(ns.flatten, image, kind)[0], image.ravel())


# --- attention ----------------------------------------------------------------------------------------


def rotated(x: Any) -> Any:
    """Row t of a matrix, as complex numbers, turned by t times a frequency for each pair."""
    z = x[:, 0::2] + 1j * x[:, 1::2]
    z = z * np.exp(1j * np.outer(np.arange(len(x)), 10_000.0 ** (-np.arange(z.shape[1]) * 2 / x.shape[1])))
    return np.stack([z.real, z.imag], -1).reshape(x.shape)


def attention(
    x: Any,
    w: Any,
    heads: int,
    kv: int,
    change: Callable[[Any], Any],
    scale: float,
    causal: bool,
    source: Any = None,
) -> Any:
    source = x if source is None else source
    d = x.shape[1] // heads
    q, k, v = dense(x, w, "a.q"), dense(source, w, "a.k"), dense(source, w, "a.v")
    out = []
    for head in range(heads):
        group = head // (heads // kv)
        mine, theirs = slice(d * head, d * head + d), slice(d * group, d * group + d)
        logits = change(q[:, mine]) @ change(k[:, theirs]).T * scale
        if causal:
            logits[np.triu_indices(len(x), 1)] = -np.inf
        out.append(softmax(logits) @ v[:, theirs])
    return dense(np.hstack(out), w, "a.o")


def same(x: Any) -> Any:
    return x


def unit_rms(x: Any) -> Any:
    return x / np.sqrt((x**2).mean(1, keepdims=True))


@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize(
    ("heads", "kv", "settings", "change", "scale"),
    [
        (1, 1, {}, same, 1 / 12),
        (3, 3, {}, same, 1 / 4),
        (3, 3, {"bias": True, "scale": 2}, same, 2),
        (6, 2, {"kv_heads": 2}, same, 1 / 2),
        (6, 1, {"kv_heads": 1, "rotary": True}, rotated, 1 / 2),
        (3, 3, {"rotary": True}, rotated, 1 / 4),
        (3, 3, {"qk_norm": True}, unit_rms, 1 / 4),
        (6, 3, {"kv_heads": 3, "qk_norm": True, "rotary": True}, lambda x: rotated(unit_rms(x)), 1 / 2),
    ],
)
def test_attention(
    heads: int, kv: int, settings: dict[str, Any], change: Callable[[Any], Any], scale: float, causal: bool
) -> None:
    x = rng.standard_normal((T, 12))
    y, w = evaluate(lambda x: ns.attention(x, heads, name="a", causal=causal, **settings), x)
    assert w["a.k.w"].shape == (12 * kv // heads, 12)
    assert_allclose(y, attention(x, w, heads, kv, change, scale, causal))


def test_cross_attention() -> None:
    x, source = rng.standard_normal((T, 4)), rng.standard_normal((3, 6))

    @ns.program
    def net(x: ns.Sequence("T", 4), source: ns.Sequence("S", 6)):
        return ns.attention(x, 2, name="a", context=source)

    sizes = {"T": T, "S": 3}
    weights = ns.draw(net(), sizes)
    y = ns.run(net(), weights, (x, source), sizes)
    assert_allclose(y, attention(x, weights, 2, 2, same, 1 / 2, False, source))


def test_a_causal_network_does_not_see_the_future() -> None:
    program = PROGRAMS["transformer"]
    sizes = sizes_for(program)
    weights = ns.draw(program, sizes)
    tokens = inputs_for(program)["tokens"]
    changed = tokens.copy()
    changed[-2:] = (changed[-2:] + 1) % sizes["vocab"]
    before, after = (ns.run(program, weights, t, sizes) for t in (tokens, changed))
    assert_allclose(before[:-2], after[:-2])
    assert abs(before[-1] - after[-1]).max() > 1e-3


def test_embedding_and_tied_readout() -> None:
    @ns.program
    def net(tokens: ns.Tokens("T")):
        h, table = ns.embedding(tokens, D, name="e")
        return ns.tied_readout(h, table)

    sizes, tokens = {"T": 3, "vocab": 9}, np.array([8, 0, 8])
    weights = ns.draw(net(), sizes)
    assert_allclose(ns.run(net(), weights, tokens, sizes), (weights["e.w"].T @ weights["e.w"])[tokens])


# --- recurrence ---------------------------------------------------------------------------------------


def gate(w: Any, name: str, x: Any, h: Any) -> Any:
    return w[f"{name}.w"] @ x + w[f"{name}.u"] @ h + w[f"{name}.b"]


def test_rnn() -> None:
    y, w = evaluate(lambda x: ns.rnn(x, 4, name="r"))
    h, states = np.zeros(4), []
    for x in x_td:
        h = np.tanh(gate(w, "r.h", x, h))
        states.append(h)
    assert_allclose(y, states)


def test_lstm() -> None:
    y, w = evaluate(lambda x: ns.lstm(x, 4, name="r"))
    h, c, states = np.zeros(4), np.zeros(4), []
    for x in x_td:
        i, f, o, g = (gate(w, f"r.{name}", x, h) for name in "ifog")
        c = sigmoid(f + 1) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        states.append(h)
    assert_allclose(y, states)


def test_gru() -> None:
    y, w = evaluate(lambda x: ns.gru(x, 4, name="g"))
    h, states = np.zeros(4), []
    for x in x_td:
        r, z = sigmoid(gate(w, "g.r", x, h)), sigmoid(gate(w, "g.z", x, h))
        candidate = np.tanh(w["g.h.w"] @ x + r * (w["g.h.u"] @ h) + w["g.h.b"])
        h = (1 - z) * h + z * candidate
        states.append(h)
    assert_allclose(y, states)


def test_ssm_is_a_convolution() -> None:
    y, w = evaluate(lambda x: ns.ssm(x, 3, name="s"))
    a, b, c, d = (w[f"s.{name}"] for name in "abcd")
    assert a.shape == (3, D)
    decay = np.exp(-np.log1p(np.exp(a)))
    expected = [sum((c * decay ** (t - s) * b).sum(0) * x_td[s] for s in range(t + 1)) + d * x_td[t] for t in range(T)]
    assert_allclose(y, expected)


# --- experts and graphs -------------------------------------------------------------------------------


@pytest.mark.parametrize("k", [None, 1, 2, 4])
def test_moe(k: int | None) -> None:
    y, w = evaluate(lambda x: ns.moe(x, 7, 4, name="m", k=k, phi="tanh", bias=True))
    for t, x in enumerate(x_td):
        scores = softmax(w["m.router.w"] @ x)
        scores[np.argsort(scores)[: 4 - (k or 4)]] = 0
        outputs = [w["m.down.w"][e] @ np.tanh(w["m.up.w"][e] @ x + w["m.up.b"][e]) + w["m.down.b"][e] for e in range(4)]
        assert_allclose(y[t], scores @ outputs / scores.sum())


def test_graph_conv() -> None:
    @ns.program
    def net(x: ns.Sequence("N", D), adjacency: ns.Graph("N")):
        return ns.graph_conv(x, adjacency, 4, name="g")

    adjacency = rng.random((T, T))
    weights = ns.draw(net(), {"N": T}, sigma_b=1.0)
    y = ns.run(net(), weights, {"adjacency": adjacency, "x": x_td}, {"N": T})
    assert_allclose(y, adjacency @ dense(x_td, weights, "g"))


# --- whole programs -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_batch_is_its_members(name: str) -> None:
    program = PROGRAMS[name]
    sizes = sizes_for(program)
    weights = ns.draw(program, sizes)
    inputs = inputs_for(program, batch=3)
    together = ns.run(program, weights, inputs, sizes)
    for i in range(3):
        alone = ns.run(program, weights, {key: array[i] for key, array in inputs.items()}, sizes)
        for batch, single in zip(*(o if isinstance(o, tuple) else (o,) for o in (together, alone)), strict=True):
            assert_allclose(batch[i], single, atol=1e-12)


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_value_has_the_shape_of_its_type(name: str) -> None:
    program = PROGRAMS[name]
    sizes = sizes_for(program)
    found = ns.values(program, ns.draw(program, sizes), inputs_for(program, batch=2), sizes)
    names = {label: i for i, label in labels(program).items()}
    for label, array in found.items():
        type = program.nodes[names[label.rpartition("].")[2]]].type
        shape = [int(axis.size.value(sizes)) for axis in type.positions]
        coord = [] if type.kind == "index" else [int(type.coord.value(sizes))]
        assert array.shape == (2, *shape, *coord), label


@pytest.mark.parametrize("name", PROGRAMS)
def test_single_precision_stays_single(name: str) -> None:
    program = PROGRAMS[name]
    sizes = sizes_for(program)
    inputs = {
        key: array.astype(np.float32) if array.dtype == float else array for key, array in inputs_for(program).items()
    }
    double = ns.run(program, ns.draw(program, sizes), inputs, sizes)
    single = ns.run(program, ns.draw(program, sizes, dtype="float32"), inputs, sizes)
    for a, b in zip(*(o if isinstance(o, tuple) else (o,) for o in (double, single)), strict=True):
        assert b.dtype == np.float32
        assert_allclose(b, a, rtol=1e-3, atol=1e-4)
