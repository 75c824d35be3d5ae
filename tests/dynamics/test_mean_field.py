"""Mean-field dynamics: particles against closed equations, these against each other, and against finite networks.

Statements about means of eight copies are made at six standard errors (t with seven degrees of freedom): each is wrong
about what is true less than once in 1,000, with fixed seeds.
"""

from functools import cache
from typing import Any

import numpy as np
import pytest

import ntksym as ns
from ntksym.errors import DynamicsError

pytest.importorskip("jax", reason='needs the extra "networks"')

X = np.array([[1.0, -0.5], [0.5, 1.0], [-0.3, -0.8]])
Y = np.array([[0.8], [-0.5], [0.4]])
TIMES = (0.0, 1.0, 3.0)
n = ns.dim("n")


@ns.program
def squares(x: ns.Vector("d_in")) -> ns.Value:
    """A mean of squares of hidden units."""
    h = ns.dense(x, n, name="input", bias=False)
    return n**-1 * ns.contract(h, h)


def perceptron(phi: str) -> Any:
    return ns.zoo.load("mlp")(phi=ns.activation(phi), depth=1, bias=False)


@cache
def solved(program: Any, particles: int | None = None) -> Any:
    return ns.mean_field(program, (X, Y), TIMES, particles=particles, sizes={"d_in": 2})


@pytest.mark.parametrize(
    "program",
    [pytest.param(perceptron("identity"), id="linear", marks=pytest.mark.long), pytest.param(squares(), id="squares")],
)
def test_particles_follow_the_closed_equation(program: Any) -> None:
    closed, moved = solved(program), solved(program, 256)
    # outputs are of order one half, so the statement has power
    assert (moved.standard_error < 0.01).all()
    assert (abs(moved.outputs - closed.outputs) < 6 * moved.standard_error + 1e-9).all()
    assert np.allclose(moved.moments, closed.moments, atol=5e-3)
    # it has learned something meanwhile
    assert np.abs(closed.moments[-1] - closed.moments[0]).max() > 0.1


def test_squares_by_hand() -> None:
    """dG/dt = -2 (S G + G S) with S = sum over data of dL/df x x^T, by Euler steps of two sizes, extrapolated."""

    def euler(steps: int) -> Any:
        G = np.eye(2) / 2
        for _ in range(steps):
            slope = (np.einsum("ap,pq,aq->a", X, G, X) - Y[:, 0]) / 3
            change = 2 * np.einsum("a,ap,aq->pq", slope, X, X) @ G
            G = G - TIMES[-1] / steps * (change + change.T)
        return G

    G = 2 * euler(8000) - euler(4000)
    assert np.allclose(solved(squares()).moments[-1], G, atol=1e-6)


def test_the_linear_flow_is_the_limit_of_small_steps() -> None:
    program = perceptron("identity")
    far = [
        ns.wide_limit(program, [(X, Y)], round(TIMES[-1] / lr), lr=lr, sizes={"d_in": 2}).outputs[-1]
        for lr in (0.01, 0.005)
    ]
    assert np.allclose(2 * far[1] - far[0], solved(program).outputs[-1], atol=1e-4)
    assert np.abs(far[0] - solved(program).outputs[-1]).max() < 0.01


def test_units_of_a_linear_layer_conserve_what_gradient_flow_conserves() -> None:
    """d/dt (E[v v] - tr E[u u]) = 0: both layers grow together."""
    G = solved(perceptron("identity")).moments
    assert np.allclose(G[:, 2, 2] - G[:, 0, 0] - G[:, 1, 1], 0.0, atol=1e-7)
    assert G[-1, 2, 2] > 1.05 * G[0, 2, 2]


def mean_error(width: int, networks: int, lr: float = 0.02) -> float:
    """The mean distance between outputs at the last time of tanh networks in NumPy, in mfp, and of particles."""
    wanted = solved(perceptron("tanh"), 256).outputs[-1][:, 0]
    random = np.random.default_rng(width)
    u, v = random.standard_normal((networks, width, 2)) / 2**0.5, random.standard_normal((networks, width))
    for _ in range(round(TIMES[-1] / lr)):
        h = np.tanh(X @ u.swapaxes(1, 2))
        slope = ((h @ v[:, :, None])[..., 0] / width - Y[:, 0]) / 3
        back = slope[:, :, None] * (1 - h**2) * v[:, None]
        v = v - lr * np.einsum("ka,kan->kn", slope, h)
        u = u - lr * np.einsum("kan,ap->knp", back, X)
    f = (np.tanh(X @ u.swapaxes(1, 2)) @ v[:, :, None])[..., 0] / width
    return float(np.linalg.norm(f - wanted, axis=1).mean())


def test_networks_approach_the_particles_like_the_root_of_the_width() -> None:
    """The slope's standard error is 0.04 for 64 networks over a factor 16, so 0.16 is four of them."""
    widths = (32, 128, 512)
    errors = [mean_error(width, 64) for width in widths]
    assert np.polyfit(np.log(widths), np.log(errors), 1)[0] == pytest.approx(-0.5, abs=0.16)
    moved = solved(perceptron("tanh"), 256)
    assert moved.losses[-1] < 0.5 * moved.losses[0]
    assert np.linalg.norm(moved.units[-1] - moved.units[0]) > 0.2 * np.linalg.norm(moved.units[0])


def test_what_cannot_be_answered_is_refused() -> None:
    data = X, Y
    with pytest.raises(DynamicsError, match="moves particles"):
        ns.mean_field(perceptron("tanh"), data, TIMES, sizes={"d_in": 2})
    with pytest.raises(DynamicsError, match="do not move"):
        ns.mean_field(perceptron("tanh"), data, TIMES, sizes={"d_in": 2}, particles=4, parametrization="ntp")
    with pytest.raises(DynamicsError, match="power of two"):
        ns.mean_field(perceptron("tanh"), data, TIMES, sizes={"d_in": 2}, particles=100)
    with pytest.raises(DynamicsError, match="times must be"):
        ns.mean_field(squares, data, [1.0, 0.5], sizes={"d_in": 2})
