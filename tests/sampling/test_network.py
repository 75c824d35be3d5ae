"""Drawing, dropout, forms of weights, and what a network says when something does not fit."""

import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from ntksym import language as ns
from ntksym import zoo
from ntksym.errors import ProgramError, SamplingError
from ntksym.language.activations import activations
from ntksym.sampling import network
from ntksym.sampling.functions import jax_function
from ntksym.sampling.rules import rules
from tests.language.programs import PROGRAMS, SIZES, inputs_for, sizes_for

ROOT = Path(__file__).parents[2]


def test_without_jax_the_extra_is_named() -> None:
    script = (
        "import sys; sys.modules['jax'] = None\n"
        "from ntksym import sampling, zoo\n"
        "try: sampling.network(zoo.load('mlp'), {'n': 4})\n"
        "except Exception as error: print(type(error).__name__, error)"
    )
    child = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert child.stdout.startswith("NtksymError this needs jax"), child.stderr
    assert "pip install 'ntksym[networks]'" in child.stdout


def test_importing_the_room_loads_nothing_heavy() -> None:
    script = (
        "import sys, ntksym.sampling; "
        "print(sorted({'jax', 'optax', 'scipy', 'sympy', 'distributed', 'rich'} & set(sys.modules)))"
    )
    child = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert child.stdout == "[]\n", child.stderr


jax = pytest.importorskip("jax", reason='needs the extra "networks"')

RESNET = PROGRAMS["resnet"]


@pytest.fixture(scope="module")
def net():
    return network(RESNET, sizes_for(RESNET))


def test_weights_have_the_stated_spread() -> None:
    program = zoo.load("mlp")(depth=2)
    model = network(program, {"n": 400, "d_in": 100})
    weights = model.init(0, sigma_w=1.5, sigma_b=0.5)
    for name, std in (("input.w", 0.15), ("layer.hidden.w", 0.075), ("readout.w", 0.075), ("input.b", 0.5)):
        array = np.asarray(weights[name])
        # the spread of N numbers has a relative error of 1 / sqrt(2 N); four of those
        assert abs(array.std() / std - 1) < 4 / (2 * array.size) ** 0.5
    assert not np.any(model.init(0)["input.b"])
    flat = np.concatenate([np.ravel(model.init(0)[name]) for name in ("input.w", "layer.hidden.w")])
    assert len(np.unique(flat)) > 0.99 * len(flat)


def test_seeds_repeat_and_differ(net) -> None:
    first, again, other = net.init(0), net.init(jax.random.key(0)), net.init(1)
    for name in first:
        assert_array_equal(first[name], again[name])
    assert np.abs(first["embed.w"] - other["embed.w"]).min() > 0


def test_both_forms_of_weights_are_taken(net) -> None:
    weights, x = net.init(0), inputs_for(RESNET, 2)
    copies = net.copies(weights)
    assert set(copies) == set(ns.draw(RESNET, sizes_for(RESNET)))
    assert copies["block[2].mlp.up.w"].shape == (12, 8)
    assert_array_equal(net.apply(copies, x), net.apply(weights, x))
    for name, array in net.stacked(copies).items():
        assert_array_equal(array, weights[name])


def test_a_network_can_be_pickled(net) -> None:
    again = pickle.loads(pickle.dumps(net))
    assert again.identity == net.identity
    assert again.identity != network(RESNET, {**sizes_for(RESNET), "n": 9}).identity


def test_compilation_does_not_grow_with_depth() -> None:
    program, sizes = PROGRAMS["resnet"], sizes_for(PROGRAMS["resnet"])
    texts = []
    for depth in (2, 64):
        model = network(program, {**sizes, "L": depth})
        x = inputs_for(program, 2)
        texts.append(str(jax.make_jaxpr(lambda w, m=model, x=x: m.apply(w, x))(model.init(0))))
    short, long = (text.count("\n") for text in texts)
    assert short == long


def test_no_blocks_at_all() -> None:
    @ns.program
    def empty(x: ns.Vector(3)):
        return ns.repeat(ns.fixed("L"), lambda h: ns.dense(h, 3, name="w"), x)

    model = network(empty, {"L": 0})
    assert_array_equal(model.apply(model.init(0), np.ones(3)), np.ones(3))
    assert model.copies(model.init(0)) == {}
    with pytest.raises(SamplingError, match=r"is repeated L = 2\.5 times"):
        network(empty, {"L": 2.5})


def test_dropout_keeps_the_mean_and_the_stated_share() -> None:
    @ns.program
    def drop(x: ns.Vector(10_000)):
        return ns.repeat(2, lambda h: ns.dropout(h, 0.25), x, name="twice")

    model = network(drop, {})
    assert_array_equal(model.apply({}, np.ones(10_000)), np.ones(10_000))
    y = np.asarray(model.apply({}, np.ones(10_000), key=1))
    assert set(np.unique(y.round(5))) == {0.0, np.float32(16 / 9).round(5)}
    # two layers with coins of their own keep 9/16; four standard errors
    assert abs((y > 0).mean() - 9 / 16) < 4 * (9 / 16 * 7 / 16 / 10_000) ** 0.5
    assert_array_equal(y, model.apply({}, np.ones(10_000), key=1))
    assert np.any(y != model.apply({}, np.ones(10_000), key=2))


def test_a_missing_rule_is_named_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(rules, "normalise")
    model = network(RESNET, sizes_for(RESNET))
    with pytest.raises(SamplingError, match=r'the sampler has no rule for the operation normalise; .*@rule\("normal'):
        model.apply(model.init(0), inputs_for(RESNET))


def test_what_does_not_fit_is_said(net) -> None:
    weights, x = net.init(0), np.zeros(5)
    for call, message in (
        (lambda: net.apply(weights, np.zeros(4)), r"the input x: \[d_in\] has the shape \(4,\); expected \(5,\)"),
        (lambda: net.apply(weights, (x, x)), r"has the inputs x, but got 2 arrays"),
        (lambda: net.apply(weights, {"y": x}), r"has the inputs x, but got: y"),
        (lambda: net.apply({}, x), r"the weights lack embed\.w"),
        (lambda: net.apply({**weights, "z": x}, x), r"no weight z"),
        (lambda: net.apply({**weights, "embed.w": x}, x), r"embed\.w has the shape \(5,\); expected \(8, 5\)"),
        (lambda: net.values(weights, x, labels=("v99",)), r"resnet has no value v99; it has: x, v1"),
        (lambda: net.init(0, sigma_v=1.0), r"resnet has no sigma_v; it has: sigma_b, sigma_w"),
        (lambda: net.init(0, sigma_w=-1.0), r"sigma_w=-1\.0 is not a standard deviation"),
        (lambda: network(RESNET, SIZES, dtype="float16"), r"dtype='float16' is not known"),
        (lambda: network(RESNET, sizes_for(RESNET), settings={"w": None}), r"resnet has no parameter w"),
    ):
        with pytest.raises((SamplingError, ProgramError), match=message):
            call()


def test_tokens_outside_of_the_table_are_found() -> None:
    program = PROGRAMS["accumulating"]
    model, inputs = network(program, sizes_for(program)), inputs_for(program)
    bad = {**inputs, "tokens": inputs["tokens"] + 9}
    with pytest.raises(SamplingError, match=r"py:\d+: token indices from 9 to \d+, but the table has 0 to 10"):
        model.apply(model.init(0), bad)
    with pytest.raises(SamplingError, match="token indices, which are integers"):
        model.apply(model.init(0), {**inputs, "tokens": np.zeros(6)})


# --- activations -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(activations()))
def test_activations_and_their_slopes_are_those_of_numpy(name: str) -> None:
    phi = activations()[name]
    z = np.concatenate([np.linspace(-6, 6, 40), [-300.0, -31.0, 31.0, 300.0]])
    with np.errstate(all="ignore"):
        exact, near = phi(z), [phi(z + step) for step in (-1e-5, 1e-5)]
    function = jax_function(phi.expr, phi.symbols)
    with jax.enable_x64(True) if hasattr(jax, "enable_x64") else jax.experimental.enable_x64(True):
        value, slope = jax.jvp(function, (z,), (np.ones_like(z),))
    assert_allclose(value, exact, rtol=1e-12, atol=1e-13)
    difference = (near[1] - near[0]) / 2e-5
    ordinary = np.isfinite(difference) & np.isfinite(exact) & (np.abs(exact) < 1e6)
    assert_allclose(np.asarray(slope)[ordinary], difference[ordinary], rtol=1e-5, atol=1e-6)
    assert np.isfinite(slope)[ordinary].all()
