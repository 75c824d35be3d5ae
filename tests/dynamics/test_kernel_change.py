"""The 1/n change of the tangent kernel in training, against networks in NumPy that were trained.

Networks come in pairs with opposite readouts, whose mean is one sample. Two widths are extrapolated; six numbers at
each of two times, and one for all together, are compared at five standard errors: a false alarm is rarer than one in
100,000.
"""

from functools import cache
from typing import Any

import numpy as np
import pytest

import ntksym as ns
from ntksym.errors import DynamicsError

X = np.array([[1.0, -0.5], [0.5, 1.0], [-0.3, -0.8]])
Y = np.array([0.8, -0.5, 0.4])
TIMES = (0.5, 1.5)
SIGMA, STEP, PAIRS = 1.3, 0.05, 4000
PERCEPTRON = ns.zoo.load("mlp")(phi=ns.activation("tanh"), depth=1, bias=False)


@cache
def predicted(times: tuple[float, ...] = TIMES) -> Any:
    return ns.kernel_change(PERCEPTRON, (X, Y), times, values={"sigma_w": SIGMA, "d_in": 2})


def fields(w: Any, v: Any) -> tuple[Any, Any, Any]:
    h = np.tanh(SIGMA / 2**0.5 * np.einsum("ap,knp->kan", X, w))
    return h, 1 - h**2, SIGMA / v.shape[1] ** 0.5 * np.einsum("kan,kn->ka", h, v)


def kernel(w: Any, v: Any) -> Any:
    h, slope, _ = fields(w, v)
    back = slope * v[:, None]
    scale = SIGMA**2 / v.shape[1]
    return scale * (np.einsum("kan,kbn->kab", h, h) + SIGMA**2 / 2 * np.einsum("kan,kbn->kab", back, back) * (X @ X.T))


def velocity(w: Any, v: Any) -> tuple[Any, Any]:
    h, slope, f = fields(w, v)
    e = (f - Y) / 3 * SIGMA / v.shape[1] ** 0.5
    by_w = np.einsum("kan,ap->knp", e[:, :, None] * slope, X) * v[:, :, None]
    return -SIGMA / 2**0.5 * by_w, -np.einsum("ka,kan->kn", e, h)


@cache
def measured(n: int, pairs: int) -> Any:
    """n times the change of the kernel at each time, of every pair of networks: (times, pairs, 3, 3)."""
    random = np.random.default_rng(n)
    w, v = random.standard_normal((pairs, n, 2)), random.standard_normal((pairs, n))
    w, v = np.concatenate([w, w]), np.concatenate([v, -v])
    start, found = kernel(w, v), []
    for step in range(1, round(TIMES[-1] / STEP) + 1):
        dw, dv = velocity(w, v)
        dw, dv = velocity(w + STEP / 2 * dw, v + STEP / 2 * dv)
        w, v = w + STEP * dw, v + STEP * dv
        if any(abs(step * STEP - t) < 1e-9 for t in TIMES):
            found.append(n * (kernel(w, v) - start).reshape(2, pairs, 3, 3).mean(0))
    return np.array(found)


@pytest.mark.parametrize("pairs", [PAIRS, pytest.param(5 * PAIRS, marks=pytest.mark.long)])
def test_networks_change_their_kernel_as_predicted(pairs: int) -> None:
    """The mean change at both times, entry by entry, and along the predicted one."""
    narrow, wide = measured(16, pairs), measured(64, pairs)
    expected = predicted().coefficient
    found = (4 * wide.mean(1) - narrow.mean(1)) / 3
    errors = np.sqrt((16 * wide.var(1) + narrow.var(1)) / pairs) / 3
    assert (np.abs(found - expected) < 5 * errors).all()
    along = [np.einsum("tkab,tab->k", c, expected) / (expected**2).sum() for c in (narrow, wide)]
    error = np.sqrt((16 * along[1].var() + along[0].var()) / pairs) / 3
    assert error < 0.1 * np.sqrt(PAIRS / pairs)
    assert abs((4 * along[1].mean() - along[0].mean()) / 3 - 1) < 5 * error


@pytest.mark.long
def test_the_change_falls_like_one_over_n() -> None:
    """Slope of the norm of E[K(t) - K(0)] at the last time over a factor four; its error is 0.04."""
    widths = (16, 32, 64)
    sizes = [np.linalg.norm(measured(n, PAIRS)[-1].mean(0)) / n for n in widths]
    assert np.polyfit(np.log(widths), np.log(sizes), 1)[0] == pytest.approx(-1.0, abs=0.2)


def test_a_linear_unit_by_hand() -> None:
    """f = sum v u x / sqrt(n) with one input x = 1, by the exact equations of its moments, to order 1/n.

    K = <uu + vv> and e = f - y obey K' = -4 e f / n and f' = -K e. So K^2 - 4 f^2 / n is conserved, and to leading
    order K - K(0) = (f^2 - f(0)^2) / n where K(0) = 2, averaged over f(0) ~ N(0, 1).
    """
    linear = ns.zoo.load("mlp")(phi=ns.activation("identity"), depth=1, bias=False)
    y, times = 0.7, (0.0, 0.3, 1.0, 5.0)
    found = ns.kernel_change(linear, (np.array([[1.0]]), np.array([y])), times, values={"d_in": 1})
    decay = np.exp(-2 * np.array(times))
    squared = y**2 * (1 - decay) ** 2 + decay**2  # E[f(t)^2] with f = y + (f(0) - y) exp(-2 t)
    assert np.allclose(found.coefficient[:, 0, 0], squared - 1.0, rtol=1e-9, atol=1e-12)
    assert np.allclose(found.at(50.0), found.coefficient / 50)
    assert found.ntk[0, 0] == pytest.approx(2.0)


def test_two_equal_inputs_have_a_singular_kernel_and_a_finite_answer() -> None:
    linear = ns.zoo.load("mlp")(phi=ns.activation("identity"), depth=1, bias=False)
    one = ns.kernel_change(linear, (np.array([[1.0]]), np.array([0.7])), [1.0], values={"d_in": 1})
    two = ns.kernel_change(linear, (np.array([[1.0], [1.0]]), np.array([0.7, 0.7])), [1.0], values={"d_in": 1})
    assert np.allclose(two.coefficient, one.coefficient[0, 0, 0], rtol=1e-7)


def test_what_does_not_fit_is_named() -> None:
    with pytest.raises(DynamicsError, match="2 targets for 3 inputs"):
        ns.kernel_change(PERCEPTRON, (X, Y[:2]), [1.0], values={"d_in": 2})
    with pytest.raises(DynamicsError, match="times must be"):
        ns.kernel_change(PERCEPTRON, (X, Y), [-1.0], values={"d_in": 2})
