"""Drift: against networks trained by hand, slopes against exponents, and the record against its JSON."""

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from numpy.testing import assert_allclose

from ntksym import language as ns
from ntksym import zoo
from ntksym.errors import ValidationError
from ntksym.reporting.figures import image
from ntksym.validation.drift import drift
from ntksym.validation.drift_record import Drift, Quantity, log_slope

jax = pytest.importorskip("jax", reason='needs the extra "networks"')
pytest.importorskip("optax", reason='needs the extra "networks"')

SCHEMA = Path(__file__).parents[1] / "schemas" / "drift.schema.json"
X = np.array([[1.0, 0.0, 0.5], [0.3, -1.0, 0.2], [-0.7, 0.4, 1.1]])
Y = np.array([[1.0], [-1.0], [1.0]])
n = ns.dim("n")


@ns.program
def net(x: ns.Vector(3)) -> ns.Value:
    return ns.dense(ns.activation("tanh")(ns.dense(x, n, name="hidden", bias=False)), 1, name="readout", bias=False)


def measured(**options: Any) -> Drift:
    return drift(net, (X, Y), **{"widths": (32, 64, 128), "parametrization": "ntp", "lr": 0.3, "steps": 5, **options})


@pytest.fixture(scope="module")
def lazy() -> Drift:
    return measured(samples=64, alphas=(1.0, 10.0))


@pytest.fixture(scope="module")
def rich() -> Drift:
    return measured(parametrization="mup", samples=64)


# --- by hand ---------------------------------------------------------------------------------------------


def kernel(w: np.ndarray, a: np.ndarray, size: int) -> np.ndarray:
    h = w @ X.T
    slopes = a[0][:, None] / np.cosh(h) ** 2
    return (np.tanh(h).T @ np.tanh(h) + slopes.T @ slopes * (X @ X.T)) / size


def test_one_network_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every number of two networks of one width, from an implementation of a few lines."""
    seen: list[Any] = []
    module = drift.__globals__
    original = module["ensemble"]

    def noted(network: Any, *args: Any, **options: Any) -> Any:
        seen.append((network, options["seed"]))
        return original(network, *args, **options)

    monkeypatch.setitem(module, "ensemble", noted)
    alpha, size, lr = 3.0, 16, 0.3
    found = measured(widths=(size, 2 * size), alphas=(alpha,), samples=2, lr=lr, steps=3)
    network, seed = seen[0]
    drifts, alignments, losses = [], [], []
    for i in range(2):
        key = jax.random.fold_in(jax.random.key(seed), i)
        weights = network.init(jax.random.fold_in(key, 0))
        w, a = (np.asarray(weights[name]) for name in ("hidden.w", "readout.w"))
        w0, a0 = w, a

        def output(w: np.ndarray, a: np.ndarray) -> np.ndarray:
            return np.tanh(X @ w.T) @ a.T / size**0.5

        course, k0, f0, h0 = [], kernel(w, a, size), output(w, a), X @ w.T
        aligned, left = [], []
        for step in range(4):
            k, residual = kernel(w, a, size), alpha * (output(w, a) - f0) - Y
            aligned.append((Y.T @ k @ Y).item() / (np.linalg.norm(k) * 3))
            left.append(0.5 * np.mean(residual**2))
            h = X @ w.T
            changes = ((k, k0), (h, h0), (np.tanh(h), np.tanh(h0)), (w, w0), (a, a0))
            if step:
                course.append([np.linalg.norm(x - y) / np.linalg.norm(y) for x, y in changes])
            back = residual / alpha / len(X)
            w, a = (
                w - lr * (back @ a / np.cosh(X @ w.T) ** 2).T @ X / size**0.5,
                a - lr * back.T @ np.tanh(X @ w.T) / size**0.5,
            )
        drifts.append(np.log(course))
        alignments.append(aligned)
        losses.append(left)
    names = ["kernel", "v1", "v2", "hidden.w", "readout.w"]
    assert [quantity.name for quantity in found.quantities] == names
    for q, name in enumerate(names):
        assert_allclose(found[name].drifts[0][0], np.exp(np.mean(drifts, 0))[:, q], rtol=1e-8)
        assert_allclose(found[name].errors[0][0], np.std(drifts, 0, ddof=1)[:, q] / 2**0.5, rtol=1e-6)
    assert_allclose(found.alignment[0][0], np.mean(alignments, 0), rtol=1e-9)
    assert_allclose(found.loss[0][0], np.mean(losses, 0), rtol=1e-9)


# --- exponents -------------------------------------------------------------------------------------------


def test_a_lazy_network_drifts_as_predicted(lazy: Drift) -> None:
    """The test of the record, with errors of 0.01 and a bias of finite width of 0.02: practically no false alarm.

    The kernel's slope, with an error of 0.06: within 0.15 and three errors, a false alarm once in 370 seeds at most.
    """
    for name in ("v1", "v2", "hidden.w", "readout.w"):
        assert lazy[name].predicted == Fraction(-1, 2)
        assert lazy.holds(name), lazy.slope(name)
    assert lazy["kernel"].predicted == -1
    slope = lazy.slope("kernel")
    assert abs(slope.value + 1) < 0.15 + 3 * slope.error
    assert slope.value + 3 * slope.error < -0.5


def test_a_large_output_scale_makes_networks_lazy(lazy: Drift) -> None:
    """Drifts fall like 1 / alpha (Chizat et al. 2019), while the loss of alpha (f - f_0) falls as before."""
    for name in ("v1", "v2", "hidden.w", "readout.w"):
        assert_allclose(lazy.slope_in_alpha(name, 10.0).value, -1, atol=0.05)
    assert lazy.slope_in_alpha("kernel", 1.0) is None
    ends = [curves[-1][-1] / curves[-1][0] for curves in lazy.loss]
    assert_allclose(ends[0], ends[1], rtol=0.05)
    assert ends[0] < 0.8


def test_a_rich_network_moves_at_every_width(rich: Drift) -> None:
    """Exponents 0 hold under mup, and those of ntp do not."""
    found = rich
    assert [quantity.predicted for quantity in found.quantities] == [0, 0, 0, 0, 0]
    assert found.ok
    assert found.holds("v2")
    wrong = replace(found, quantities=tuple(replace(q, predicted=Fraction(-1, 2)) for q in found.quantities))
    assert wrong.holds("v2") is False
    assert not wrong.ok


@pytest.mark.long
@pytest.mark.parametrize("parametrization", ["ntp", "mup", "mfp"])
@pytest.mark.parametrize("phi", ["tanh", "relu"])
def test_two_hidden_layers_on_digits(parametrization: str, phi: str) -> None:
    """Every exponent, the kernel's too: 256 networks of widths 64 to 1024."""
    pytest.importorskip("sklearn", reason='needs the extra "sklearn"')
    program = zoo.load("mlp")(phi=ns.activation(phi))
    found = drift(program, widths=(128, 256, 512, 1024), parametrization=parametrization, samples=256)
    print(found)
    assert found.ok, str(found)
    assert all(found.holds(quantity.name) for quantity in found.quantities), str(found)


# --- the record ------------------------------------------------------------------------------------------


def test_slopes_of_known_lines() -> None:
    widths, errors = (64, 128, 256, 512), np.array([0.1, 0.2, 0.1, 0.3])
    exact = log_slope(widths, 3.0 * np.array(widths) ** -0.75, errors)
    assert_allclose(exact.value, -0.75, rtol=1e-12)
    x = np.log(widths)
    covariance = np.linalg.inv(np.vander(x, 2).T / errors**2 @ np.vander(x, 2))
    assert_allclose(exact.error, covariance[0, 0] ** 0.5, rtol=1e-10)
    bent = log_slope(widths, np.exp(0.1 * x**2), errors / 100)
    assert bent.error > 30 * log_slope(widths, np.exp(x), errors / 100).error


def test_the_record_is_its_json(lazy: Drift) -> None:
    data = json.loads(json.dumps(lazy.to_json()))
    assert Drift.from_json(data) == lazy
    jsonschema.validate(data, json.loads(SCHEMA.read_text()))
    for broken in ({}, [], {**data, "schema": "other"}, {**data, "widths": None, "more": 1}):
        with pytest.raises(ValidationError, match="not the JSON of a drift"):
            Drift.from_json(broken)


def test_the_table_says_what_was_found(lazy: Drift, rich: Drift) -> None:
    text = str(lazy)
    assert "in alpha" in text
    assert "alignment with the targets" in text
    assert "alpha" not in str(rich).splitlines()[2]
    with pytest.raises(KeyError, match=r"no quantity 'v9'; there are: kernel, v1, v2, hidden\.w, readout\.w"):
        lazy["v9"]
    with pytest.raises(ValidationError, match="alpha = 3 was not measured; measured are: 1, 10"):
        lazy.slope("kernel", 3.0)


def test_too_few_networks_tell_nothing(rich: Drift) -> None:
    noisy = Quantity("kernel", "kernel", Fraction(-1), (((0.1,), (0.05,), (0.02,)),), (((0.5,), (0.5,), (0.5,)),))
    record = replace(rich, quantities=(noisy,))
    assert record.holds("kernel") is None
    assert record.ok
    assert "too few networks to tell" in str(record)


def test_networks_that_give_nan_are_counted(rich: Drift) -> None:
    with pytest.raises(ValidationError, match="8 of 8 networks at n = 8 gave nan or infinity"):
        measured(widths=(8, 16), samples=8, lr=1e6, parametrization="mup", steps=20)
    assert "left out" not in str(rich)
    assert "left out: 3 at 32" in str(replace(rich, rejected=(3, 0, 0)))


def test_a_figure_is_drawn(lazy: Drift) -> None:
    assert image(lazy, "png").startswith(b"\x89PNG")
    assert image(lazy, "svg") == image(lazy, "svg")


def test_time_is_a_budget() -> None:
    found = measured(widths=(8, 16), samples=None, seconds=1e-3, steps=1)
    assert found.samples == 8


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"widths": (64,)}, "at least two growing sizes"),
        ({"alphas": (0.0,)}, "different positive numbers"),
        ({"steps": 0}, "at least one step"),
        ({"samples": 8, "seconds": 1.0}, "both given"),
    ],
)
def test_what_is_wrong_is_said(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        measured(**options)


def test_what_does_not_fit_is_said() -> None:
    with pytest.raises(ValidationError, match=r"the targets have the shape \(3,\); the outputs .* \(3, 1\)"):
        drift(net, (X, Y[:, 0]))
    with pytest.raises(ValidationError, match="under ntp training of moe is unstable as n grows"):
        drift(zoo.load("moe"), (X, Y), parametrization="ntp")
