"""Dynamical mean-field theory of deep linear networks, against networks written out in NumPy, and the exact limit.

The slope of the mean distance to the limit over a factor 9 in width is known to 0.05 (its standard error over 24
networks at each width, whose distances spread by 0.4 of themselves), so a tolerance of 0.2 is four of them: a true
slope fails less than once in 10,000, and slopes of 0 or -1 pass as rarely.
"""

from functools import cache
from typing import Any

import numpy as np
import pytest

import ntksym as ns
from ntksym.errors import DynamicsError

pytest.importorskip("jax", reason='needs the extra "networks"')

X = np.array([[1.0, -0.5, 0.25], [0.5, 1.0, -0.75]])
Y = np.array([[0.8], [-0.5]])
OTHER = np.array([[0.3, 0.3, 1.0]])
STEPS, LR = 20, 0.4
WIDTHS, NETWORKS = (32, 96, 288), 24


def linear(depth: int, **options: Any) -> Any:
    return ns.zoo.load("mlp")(**{"phi": ns.activation("identity"), "depth": depth, "bias": False, **options})


@cache
def limit(depth: int) -> Any:
    return ns.dmft(linear(depth), (X, Y), STEPS, lr=LR, probe=OTHER, sizes={"d_in": 3})


def trained(depth: int, n: int, seed: int) -> tuple[Any, Any, Any]:
    """Outputs, and feature and gradient kernels at the end, of a network of width n under muP's rules for SGD."""
    random = np.random.default_rng((depth, n, seed))
    fans = [3, *[n] * depth]
    stds = [3**-0.5, *[n**-0.5] * (depth - 1), 1 / n]
    rates = [LR * n, *[LR] * (depth - 1), LR / n]
    shapes = zip([*fans[1:], 1], fans, strict=True)
    weights = [s * random.standard_normal(shape) for s, shape in zip(stds, shapes, strict=True)]
    outputs = []
    for step in range(STEPS + 1):
        seen = [np.concatenate([X, OTHER]).T]
        for w in weights:
            seen.append(w @ seen[-1])
        back = [np.ones((1, 3))]
        for w in reversed(weights[1:]):
            back.append(w.T @ back[-1])
        back.reverse()
        outputs.append(seen[-1][0])
        if step < STEPS:
            error = (seen[-1][0] - [*Y[:, 0], 0]) / 2 * [1, 1, 0]
            for k, rate in enumerate(rates):
                weights[k] -= rate * (back[k] * error) @ seen[k].T
    H = np.array([h.T @ h / n for h in seen[1:-1]])
    return np.array(outputs), H, np.array([n * g.T @ g for g in back[:-1]])


@pytest.mark.parametrize("depth", [2, 3])
def test_networks_approach_it_like_the_root_of_the_width(depth: int) -> None:
    theory = limit(depth)
    wanted = (
        theory.outputs,
        theory.feature_kernels[:, -1, :, -1],
        theory.gradient_kernels[:, -1, :, -1],
    )
    distances = np.array(
        [
            np.mean(
                [
                    [np.linalg.norm(a - b) for a, b in zip(trained(depth, n, k), wanted, strict=True)]
                    for k in range(NETWORKS)
                ],
                axis=0,
            )
            for n in WIDTHS
        ]
    )
    slopes = np.polyfit(np.log(WIDTHS), np.log(distances), 1)[0]
    assert slopes == pytest.approx(-0.5, abs=0.2)
    # what it is about moves by far more than the networks stray: kernels of every layer
    for kernels in (theory.feature_kernels, theory.gradient_kernels):
        assert (np.linalg.norm(kernels[:, -1, :, -1] - kernels[:, 0, :, 0], axis=(1, 2)) > 0.1).all()


def test_kernels_between_two_times_are_symmetric_and_tell_that_features_turn() -> None:
    theory = limit(2)
    assert np.allclose(theory.feature_kernels, theory.feature_kernels.transpose(0, 3, 4, 1, 2), atol=1e-12)
    # by Cauchy and Schwarz, and not by equality: the layer has turned
    H = theory.feature_kernels[1]
    turned = H[-1, 0, 0, 0] / np.sqrt(H[-1, 0, -1, 0] * H[0, 0, 0, 0])
    assert 0.5 < turned < 0.99


def test_one_hidden_layer_is_the_exact_limit() -> None:
    exact = ns.wide_limit(linear(1), [(X, Y)], STEPS, lr=LR, sizes={"d_in": 3}, probe=np.concatenate([X, OTHER]))
    found = limit(1)
    assert np.allclose(found.outputs, exact.outputs[..., 0], rtol=1e-11, atol=1e-13)
    assert np.allclose(found.losses, exact.losses, rtol=1e-11)
    inputs = np.concatenate([X, OTHER])
    H = np.einsum("tatb->tab", found.feature_kernels[0])
    assert np.allclose(H, inputs @ exact.gram("input.w") @ inputs.T, rtol=1e-11)
    G = np.einsum("tatb->tab", found.gradient_kernels[0])
    assert np.allclose(G, exact.gram("readout.w"), rtol=1e-11)


def test_the_start_is_that_of_random_weights() -> None:
    theory = limit(3)
    assert np.allclose(theory.outputs[0], 0)
    inputs = np.concatenate([X, OTHER])
    assert np.allclose(theory.feature_kernels[:, 0, :, 0], inputs @ inputs.T / 3)
    assert np.allclose(theory.gradient_kernels[:, 0, :, 0], 1)


def test_a_probe_does_not_change_training() -> None:
    alone = ns.dmft(linear(2), (X, Y), 5, lr=LR, sizes={"d_in": 3})
    assert np.allclose(alone.outputs, limit(2).outputs[:6, :2], rtol=1e-12, atol=1e-14)


def test_mean_field_parametrization_is_the_same_limit() -> None:
    mfp = ns.dmft(linear(2), (X, Y), 3, lr=LR, sizes={"d_in": 3}, parametrization="mfp", probe=OTHER)
    assert np.array_equal(mfp.outputs, limit(2).outputs[:4])


@pytest.mark.parametrize(
    ("program", "words"),
    [
        (linear(2, phi=ns.activation("relu")), "not the product of its matrices"),
        (linear(2, d_out=2), "with one output"),
        (linear(2, bias=True), r"input\.b does not follow as a matrix"),
    ],
)
def test_other_programs_are_refused(program: Any, words: str) -> None:
    with pytest.raises(DynamicsError, match=words):
        ns.dmft(program, (X, Y), 2, lr=0.1, sizes={"d_in": 3})


def test_a_lazy_parametrization_is_refused() -> None:
    with pytest.raises(DynamicsError, match=r"input\.w has .* under ntp; features of all layers move"):
        ns.dmft(linear(2), (X, Y), 2, lr=0.1, sizes={"d_in": 3}, parametrization="ntp")
    with pytest.raises(DynamicsError, match="at least one step"):
        ns.dmft(linear(2), (X, Y), 0, lr=0.1, sizes={"d_in": 3})
