"""Networks that were really trained, written out in JAX, against the predicted mean and spread of the ensemble.

The number of standard errors is fixed beforehand: all statements of a test together are wrong about a true prediction
with a probability of 1e-4. The width adds an error of order 1/n, far below the standard errors of so few networks.
"""

from typing import Any

import numpy as np
import pytest
from scipy.stats import chi2, norm

import ntksym as ns
from tests.dynamics.arcsine import Arcsine

jax = pytest.importorskip("jax", reason='needs the extra "networks"')
pytest.importorskip("sklearn", reason='needs the extra "sklearn"')

SIGMA_W, SIGMA_B = 1.5, 0.3
FALSE_ALARMS = 1e-4
X = np.array([[1.0, 0.2], [-0.6, 0.9], [0.1, -1.2], [0.8, 1.1]])
TEST = np.array([[0.4, 0.6], [-1.0, -0.5], [1.5, -0.2]])
Y = np.array([1.0, -0.5, 0.3, 0.8])


def network(weights: Any, x: Any) -> Any:
    """One hidden layer of erf in unit Gaussians, the tangent parameterization."""
    first = SIGMA_W * x @ weights["w"].T / np.sqrt(x.shape[1]) + SIGMA_B * weights["b"]
    hidden = jax.scipy.special.erf(first)
    return SIGMA_W * hidden @ weights["v"] / np.sqrt(hidden.shape[1]) + SIGMA_B * weights["c"]


def trained(networks: int, width: int, time: float, ridge: float, rate: float) -> Any:
    """Outputs at the test inputs, (networks, 3), after gradient descent of a small rate, and at the start."""

    def loss(weights: Any, start: Any) -> Any:
        away = sum(((weights[name] - start[name]) ** 2).sum() for name in weights)
        return ((network(weights, X) - Y) ** 2).sum() / 2 + ridge * away / 2

    def one(key: Any) -> Any:
        keys = jax.random.split(key, 4)
        shapes = {"w": (width, 2), "b": (width,), "v": (width,), "c": ()}
        start = {name: jax.random.normal(k, shape) for k, (name, shape) in zip(keys, shapes.items(), strict=True)}

        def step(weights: Any, _: Any) -> Any:
            slopes = jax.grad(loss)(weights, start)
            return {name: weights[name] - rate * slopes[name] for name in weights}, None

        end, _ = jax.lax.scan(step, start, length=round(time / rate))
        return network(end, TEST), network(start, TEST)

    keys = jax.random.split(jax.random.key(11), networks)
    return [
        np.asarray(found, dtype=float) for found in jax.jit(lambda keys: jax.lax.map(one, keys, batch_size=8))(keys)
    ]


def agree(outputs: Any, mean: Any, std: Any) -> tuple[bool, bool]:
    """Whether the mean, and whether the variance, pass at the stated rate of false alarms, shared by all statements."""
    share = FALSE_ALARMS / (2 * len(mean))
    count = len(outputs)
    ratio = (count - 1) * outputs.var(0, ddof=1) / std**2
    low, high = chi2.ppf([share / 2, 1 - share / 2], count - 1)
    error = std / np.sqrt(count)
    near = np.abs(outputs.mean(0) - mean) <= norm.isf(share / 2) * error
    return bool(near.all()), bool(((ratio > low) & (ratio < high)).all())


@pytest.mark.parametrize(
    ("networks", "width", "time", "ridge"),
    [
        (64, 512, 1.0, 0.0),
        (64, 512, 1.0, 2.0),
        pytest.param(256, 1024, 1.0, 0.0, marks=pytest.mark.long),
        pytest.param(256, 1024, 20.0, 0.0, marks=pytest.mark.long),
        pytest.param(256, 1024, 20.0, 0.5, marks=pytest.mark.long),
    ],
)
def test_trained_networks_have_the_predicted_mean_and_spread(
    networks: int, width: int, time: float, ridge: float
) -> None:
    kernel = Arcsine(SIGMA_W, SIGMA_B)
    end, start = trained(networks, width, time, ridge, rate=0.01)

    def predicted(**parameters: Any) -> Any:
        return ns.NTKRegressor(kernel, **parameters).fit(X, Y).predict(TEST, return_std=True)

    assert agree(end, *predicted(time=time, ridge=ridge)) == (True, True)
    assert agree(start, *predicted(time=0)) == (True, True)
    # the same networks are enough to tell training from its beginning, and from training without the ridge
    assert agree(end, *predicted(time=0)) == (False, False)
    assert agree(end, *predicted(time=time if ridge else 0.25)) == (False, False)
