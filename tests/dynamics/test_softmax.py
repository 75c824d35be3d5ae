"""Gradient flow of the cross-entropy against small steps of a linear model, and against trained networks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

import ntksym as ns
from ntksym.dynamics.softmax import softmax_dynamics
from ntksym.errors import DynamicsError
from ntksym.records.predictions import Experiment
from ntksym.sampling import network, train
from ntksym.validation.measurements.trained import trained_settings
from tests.dynamics.arcsine import Arcsine

KERNEL = Arcsine()
rng = np.random.default_rng(1)
X, TEST = rng.standard_normal((6, 3)), rng.standard_normal((2, 3))
LABELS = np.array([0, 1, 2, 1, 0, 2])
START = 0.5 * rng.standard_normal((8, 3))


def stepped(steps: int, time: float) -> Any:
    """Small steps in the weights of f = f_0 + features w, with gradients by hand."""
    features = np.linalg.cholesky(KERNEL(np.concatenate([X, TEST])).ntk)
    w = np.zeros((8, 3))
    for _ in range(steps):
        exp = np.exp(START[:6] + features[:6] @ w)
        w -= time / steps * features[:6].T @ (exp / exp.sum(1, keepdims=True) - np.eye(3)[LABELS]) / 6
    return START + features @ w


def test_it_is_the_limit_of_small_steps() -> None:
    found = softmax_dynamics(KERNEL, X, LABELS, TEST, times=(0.0, 4.0), start=START)
    once, twice, four = (stepped(n, 4.0) for n in (500, 1000, 2000))
    # the first two orders of the step size are extrapolated away
    limit = (4 * (2 * four - twice) - (2 * twice - once)) / 3
    assert_allclose(np.concatenate([found.train[1], found.test[1]]), limit, atol=1e-6)
    assert_allclose(np.concatenate([found.train[0], found.test[0]]), START, atol=1e-12)


def test_logits_keep_their_sum_and_the_loss_falls_like_one_over_time() -> None:
    found = softmax_dynamics(KERNEL, X, LABELS, TEST, times=(0, 1, 10, 1e3, 1e4), start=START)
    assert_allclose(found.train.sum(-1), np.broadcast_to(START[:6].sum(-1), (5, 6)), atol=1e-7)
    assert (np.diff(found.losses) < 0).all()
    assert found.losses[-2] / found.losses[-1] == pytest.approx(10, rel=0.15)
    assert_allclose(found.probabilities.sum(-1), 1, rtol=1e-12)


def test_the_loss_at_the_start_is_the_logarithm_of_the_number_of_classes() -> None:
    assert softmax_dynamics(KERNEL, X, LABELS, times=(0.0, 1.0)).losses[0] == pytest.approx(np.log(3))


@pytest.mark.long
def test_wide_networks_follow() -> None:
    """Four networks of two widths: departures fall like n^-1/2, by 4; below half is asked for."""
    pytest.importorskip("jax", reason='needs the extra "networks"')
    program = ns.zoo.load("mlp")(phi=ns.erf, depth=1, d_out=3)
    lr, steps, far = 0.1, 20, []
    for width in (64, 1024):
        sizes = {"n": width, "d_in": 3}
        experiment = Experiment(X, "n", (width,), sigmas=KERNEL.values)
        rows = trained_settings(network(program, sizes), experiment, {"lr": lr})
        net = network(program, sizes, settings=rows)
        off = []
        for seed in range(4):
            weights = net.init(seed)
            start = np.asarray(net.apply(weights, np.concatenate([X, TEST])), dtype=float)
            done = train(net, weights, [(X, LABELS)], "sgd", steps, loss="cross_entropy", labels=())
            end = np.asarray(net.apply(done.weights, np.concatenate([X, TEST])), dtype=float)
            found = softmax_dynamics(KERNEL, X, LABELS, TEST, times=(lr * steps,), start=start)
            off.append(np.sqrt(((end - np.concatenate([found.train[0], found.test[0]])) ** 2).mean()))
        far.append(np.mean(off))
    assert far[1] < far[0] / 2
    assert far[1] < 0.06


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"labels": LABELS[:5]}, "6 inputs need as many classes"),
        ({"labels": LABELS / 2}, "whole numbers from 0"),
        ({"classes": 2}, "all labels below it"),
        ({"times": (1.0, 0.5)}, "growing times"),
        ({"times": ()}, "growing times"),
        ({"start": np.zeros((6, 3))}, "outputs at all inputs"),
    ],
)
def test_what_makes_no_sense_is_refused(asked: dict[str, Any], message: str) -> None:
    given: dict[str, Any] = {"labels": LABELS, "test": TEST, "times": (1.0,), **asked}
    with pytest.raises(DynamicsError, match=message):
        softmax_dynamics(KERNEL, X, **given)
