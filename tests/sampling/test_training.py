"""Training against a loop written out in Optax, and the settings of a scaling table at work."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

from ntksym import language as ns
from ntksym.errors import SamplingError
from ntksym.sampling import ensemble, network, precision, train

jax = pytest.importorskip("jax", reason='needs the extra "networks"')
optax = pytest.importorskip("optax", reason='needs the extra "networks"')

n, L = ns.dims("n L")
rng = np.random.default_rng(0)
X, Y = rng.standard_normal((6, 4)), rng.standard_normal((6, 2))
BATCHES = [(X, Y), (X[::-1], -Y)]
SIZES = {"n": 5, "L": 3}


@ns.program
def net(x: ns.Vector(4)) -> ns.Value:
    def block(h: ns.Value) -> ns.Value:
        return h + ns.activation("tanh")(ns.dense(h, n, name="up"))

    h = ns.repeat(L, block, ns.dense(x, n, name="embed", bias=False))
    return ns.dense(h, 2, name="readout", trainable=False)


NAMES = ("embed.w", "block.up.w", "block.up.b", "readout.w", "readout.b")


def row(**numbers: Any) -> SimpleNamespace:
    plain = {"multiplier": 1.0, "init_std": 0.4, "lr": 0.1, "eps": 1e-6, "weight_decay": 0.2}
    return SimpleNamespace(**{**plain, **numbers})


def by_hand(weights: dict[str, Any], x: Any) -> Any:
    h = x @ weights["embed.w"].T
    for i in range(SIZES["L"]):
        h = h + jax.numpy.tanh(h @ weights["block.up.w"][i].T + weights["block.up.b"][i])
    return h @ weights["readout.w"].T + weights["readout.b"]


@pytest.mark.parametrize(
    ("name", "made"),
    [
        ("sgd", lambda: optax.sgd(0.1)),
        ("momentum", lambda: optax.sgd(0.1, momentum=0.9)),
        ("adam", lambda: optax.adam(0.1, eps=1e-6)),
        ("adamw", lambda: optax.adamw(0.1, eps=1e-6, weight_decay=0.2)),
        ("lion", lambda: optax.lion(0.1, weight_decay=0.2)),
    ],
)
def test_training_is_that_of_optax(name: str, made: Any) -> None:
    model = network(net, SIZES, settings={key: row() for key in NAMES}, dtype="float64")
    weights = model.init(1)
    found = train(model, weights, BATCHES, name, 3)
    frozen = {key: weights[key] for key in ("readout.w", "readout.b")}
    with precision("float64"):
        free, optimizer = {key: weights[key] for key in NAMES[:3]}, made()
        memory, losses = optimizer.init(free), []

        def loss(free: Any, x: Any, y: Any) -> Any:
            return 0.5 * ((by_hand({**free, **frozen}, x) - y) ** 2).sum(-1).mean()

        @jax.jit
        def update(free: Any, memory: Any, x: Any, y: Any) -> Any:
            value, slopes = jax.value_and_grad(loss)(free, x, y)
            steps, memory = optimizer.update(slopes, memory, free)
            return optax.apply_updates(free, steps), memory, value

        for step in range(3):
            free, memory, value = update(free, memory, *BATCHES[step % 2])
            losses.append(value)
        end, start = (np.asarray(jax.jit(by_hand)(w, X)) for w in ({**free, **frozen}, weights))
    assert_allclose(found.losses, losses, rtol=1e-12)
    for key, array in {**free, **frozen}.items():
        assert_allclose(found.weights[key], array, rtol=1e-10, atol=1e-12)
    label = model.labels[-1]
    assert_allclose(found.changes[label][-1], np.sqrt(np.mean((end - start) ** 2)), rtol=1e-10)
    assert_allclose(found.initial[label], np.sqrt(np.mean(start**2)), rtol=1e-10)
    inside = next(key for key, loops in model.plan.loops.items() if loops and key in found.changes)
    assert found.changes[inside].shape == (3, SIZES["L"])


def test_every_parameter_has_its_own_numbers() -> None:
    """One step of SGD moves each by its lr times its multiplier times the derivative by what is used."""
    plain = network(net, SIZES, dtype="float64")
    settings = {
        "embed.w": row(multiplier=3.0, init_std=0.1, lr=0.5),
        "block.up.w": row(multiplier=0.5, lr=0.25),
        "block.up.b": row(lr=None),
        "readout.w": row(multiplier=2.0),
        "readout.b": row(),
    }
    model = network(net, SIZES, settings=settings, dtype="float64")
    weights = model.init(2)
    assert abs(np.std(weights["embed.w"]) - 0.1) < 0.06
    effective = {name: settings[name].multiplier * array for name, array in weights.items()}
    assert_allclose(model.apply(weights, X), plain.apply(effective, X), rtol=1e-12)

    def loss(weights: Any) -> Any:
        return 0.5 * ((plain.apply(weights, X) - Y) ** 2).sum(-1).mean()

    with precision("float64"):
        slopes = {name: np.asarray(slope) for name, slope in jax.jit(jax.grad(loss))(effective).items()}
    found = train(model, weights, BATCHES[:1], "sgd", 1).weights
    assert_allclose(found["embed.w"], weights["embed.w"] - 0.5 * 3 * slopes["embed.w"], rtol=1e-9)
    assert_allclose(found["block.up.w"], weights["block.up.w"] - 0.25 * 0.5 * slopes["block.up.w"], rtol=1e-9)
    for name in ("block.up.b", "readout.w", "readout.b"):
        assert_allclose(found[name], weights[name])


def test_muon_moves_every_matrix_by_its_rate() -> None:
    """All singular values of the update are near lr (the iteration of five steps leaves them within 0.6 ... 1.3)."""
    model = network(net, SIZES, settings={key: row(weight_decay=0.0) for key in NAMES})
    recipe = {"embed.w": "muon", "block.up.w": "muon", "block.up.b": "adamw"}
    weights = model.init(3)
    found = train(model, weights, BATCHES, recipe, 1).weights
    moved = np.asarray(found["block.up.w"] - weights["block.up.w"]) / 0.1
    assert moved.shape == (3, 5, 5)
    sizes = np.linalg.svd(moved, compute_uv=False)
    assert sizes[:, 0].max() < 1.3
    assert sizes[:, :3].min() > 0.6
    with pytest.raises(SamplingError, match="muon updates matrices"):
        train(model, weights, BATCHES, "muon", 1)


def test_training_can_be_mapped_over_networks_and_rates() -> None:
    model = network(net, SIZES, settings={key: row(lr=0.05) for key in NAMES})

    def loss_after(network: Any, weights: Any, inputs: Any, key: Any) -> Any:
        def last(scale: Any) -> Any:
            return train(network, weights, [inputs], "adam", 5, labels=(), lr_scale=scale).losses[-1]

        return jax.vmap(last)(jax.numpy.array([0.0, 1.0]))

    estimate = ensemble(model, 32, (X, Y), loss_after)
    assert estimate.mean[1] < 0.9 * estimate.mean[0]


def test_a_tied_use_has_its_own_multiplier() -> None:
    @ns.program
    def tied(tokens: ns.Tokens(3)) -> ns.Value:
        h, table = ns.embedding(tokens, n, name="embed", vocab=7)
        return ns.tied_readout(h, table)

    tokens = np.array([[0, 6, 2]])
    settings = {"embed.w": row(multiplier=2.0, tied=(("v2", 0.25),))}
    model, plain = network(tied, {"n": 5}, settings=settings), network(tied, {"n": 5})
    weights = model.init(0)
    doubled = {"embed.w": 2 * weights["embed.w"]}
    assert_allclose(model.apply(weights, tokens), plain.apply(doubled, tokens) / 4, rtol=1e-5)
    with pytest.raises(SamplingError, match="has no value v9"):
        network(tied, {"n": 5}, settings={"embed.w": row(tied=(("v9", 0.25),))})


def test_classification_with_tokens() -> None:
    @ns.program
    def model(tokens: ns.Tokens(4)) -> ns.Value:
        h, _ = ns.embedding(tokens, n, name="embed", vocab=5)
        return ns.dense(h, 5, name="readout")

    tokens = rng.integers(0, 5, (3, 4))
    net = network(model, {"n": 8})
    found = train(net, net.init(0), [(tokens, tokens)], "adam", 30, loss="cross_entropy", lr=0.1)
    assert found.losses[-1] < 0.1 * found.losses[0]
    assert "tokens" not in found.changes
    with pytest.raises(SamplingError, match="from 0 to 9, but the table has 0 to 4"):
        train(net, net.init(0), [(tokens * 0 + [0, 1, 2, 9], tokens)], "adam", lr=0.1)


def test_what_is_wrong_is_said() -> None:
    model = network(net, SIZES)
    weights = model.init(0)
    for options, message in (
        ({}, r"embed\.w has no settings"),
        ({"optimizer": {"embed.w": "sgd"}, "lr": 1.0}, r"there is none for block\.up\.w"),
        ({"optimizer": "nag", "lr": 1.0}, r"no optimizer 'nag'; it has: sgd"),
        ({"loss": "hinge", "lr": 1.0}, r"loss='hinge' is not known"),
        ({"labels": ("v99",), "lr": 1.0}, r"has no value v99"),
        ({"steps": 0, "lr": 1.0}, r"one batch and one step"),
    ):
        with pytest.raises(SamplingError, match=message):
            train(model, weights, BATCHES, **options)
    with pytest.raises(SamplingError, match=r"the outputs have the shape \(6, 2\), the targets \(6,\)"):
        train(model, weights, [(X, Y[:, 0])], lr=1.0)
