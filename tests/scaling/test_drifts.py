"""How far training carries a network: exponents, and a perceptron written out in NumPy that shows them."""

from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest

from ntksym import language as ns
from ntksym import zoo
from ntksym.language.activations import activations
from ntksym.language.expressions import parse
from ntksym.scaling.drifts import has_corner, predict_drifts

HALF = Fraction(1, 2)


def in_n(growths: tuple) -> dict[str, Fraction]:
    return {name: growth.linear["n"] for name, growth in growths}


@pytest.mark.parametrize(("name", "lazy"), [("ntp", True), ("sp", True), ("mup", False), ("mfp", False)])
def test_a_perceptron_is_lazy_or_rich(name: str, lazy: bool) -> None:
    found = predict_drifts(zoo.load("mlp")(phi=ns.activation("tanh")), parametrization=name)
    assert in_n(found.values) == {"v5": -HALF * lazy, "v8": -HALF * lazy}
    # entries of the update over those of the start; biases start at zero
    expected = {"input.w": -HALF * lazy, "layer.hidden.w": -1 if lazy else -HALF, "readout.w": -HALF * lazy}
    assert in_n(found.parameters) == expected
    assert found.kernel.linear == {"n": -1 if lazy else 0}


@pytest.mark.parametrize("optimizer", ["adam", "muon"])
def test_features_move_under_every_optimizer(optimizer: str) -> None:
    found = predict_drifts(zoo.load("resnet")(), optimizer=optimizer, large=["n"])
    assert set(in_n(found.values).values()) == {0}
    assert in_n(found.parameters)["block.down.w"] == -HALF


def test_a_corner_makes_the_kernel_move_more() -> None:
    for phi, exponent in (("tanh", -1), ("gelu", -1), ("elu", -1), ("relu", -HALF), ("abs", -HALF), ("selu", -HALF)):
        found = predict_drifts(zoo.load("mlp")(phi=ns.activation(phi)), parametrization="ntp")
        assert found.kernel.linear == {"n": exponent}, phi


def test_what_follows_a_narrow_value_is_left_open() -> None:
    """A function of three numbers that learns: its gradient, which stands in the kernel, changes by order one."""
    n, tanh = ns.dim("n"), ns.activation("tanh")

    @ns.program
    def net(x: ns.Vector(4)) -> ns.Value:
        code = tanh(ns.dense(ns.dense(x, n, name="wide"), 3, name="narrow"))
        return ns.dense(tanh(ns.dense(code, n, name="again")), 1, name="readout")

    assert predict_drifts(net, parametrization="ntp").kernel is None
    assert predict_drifts(net, parametrization="mup").kernel.linear == {"n": 0}


def test_what_powers_do_not_decide_is_left_open() -> None:
    for name in ("lora", "transformer"):
        lazy, rich = (predict_drifts(zoo.load(name)(), parametrization=p, large=["n"]) for p in ("ntp", "mup"))
        assert lazy.kernel is None
        assert rich.kernel.linear == {"n": 0}


def test_corners() -> None:
    found = {name for name, phi in activations().items() if len(phi.symbols) == 1 and has_corner(phi.expr)}
    assert found == {
        *("abrelu", "abs", "hard_sigmoid", "hard_tanh", "leaky_relu", "relu", "relu6", "selu", "sign", "step")
    }
    assert has_corner(parse("Max(x, y)", ("x", "y"))) is None
    assert has_corner(parse("Abs(z*sin(z) - 1)")) is None
    assert has_corner(parse("Abs(z)*z")) is False


# --- a witness -------------------------------------------------------------------------------------------

X = np.array([[1.0, 0.0, 0.5], [0.3, -1.0, 0.2], [-0.7, 0.4, 1.1]])
Y = np.array([1.0, -1.0, 1.0])
Map = Callable[[np.ndarray], np.ndarray]


def kernel(a: np.ndarray, w: np.ndarray, phi: Map, slope: Map) -> np.ndarray:
    h, n = w @ X.T, w.shape[1]
    u, v = phi(h), a[:, :, None] * slope(h)
    return (u.swapaxes(1, 2) @ u + (v.swapaxes(1, 2) @ v) * (X @ X.T)) / n


def log_drift(n: int, networks: int, phi: Map, slope: Map) -> np.ndarray:
    """Of sum_i a_i phi(w_i x) / sqrt(n) after ten steps of gradient descent, for many networks at once."""
    rng = np.random.default_rng(n)
    a, w = rng.standard_normal((networks, n)), rng.standard_normal((networks, n, 3))
    before = kernel(a, w, phi, slope)
    for _ in range(10):
        h = w @ X.T
        residual = np.einsum("si,sib->sb", a, phi(h)) / n**0.5 - Y
        back = residual[:, None, :] * slope(h) * a[:, :, None] / n**0.5
        a, w = a - 0.2 * np.einsum("sb,sib->si", residual, phi(h)) / n**0.5, w - 0.2 * back @ X
    after = kernel(a, w, phi, slope)
    return np.log(np.linalg.norm(after - before, axis=(1, 2)) / np.linalg.norm(before, axis=(1, 2)))


@pytest.mark.parametrize(
    ("name", "phi", "slope"),
    [
        ("tanh", np.tanh, lambda h: 1 / np.cosh(h) ** 2),
        ("relu", lambda h: np.maximum(h, 0), lambda h: (h > 0).astype(float)),
    ],
)
def test_the_kernel_of_a_perceptron_in_numpy(name: str, phi: Map, slope: Map) -> None:
    """Slopes are those predicted, within 0.1 besides four errors: a false alarm once in 15,000 changes of the seeds."""
    widths = (256, 512, 1024, 2048)
    logs = [log_drift(n, 200, phi, slope) for n in widths]
    x = np.log(widths) - np.mean(np.log(widths))
    found = x @ [part.mean() for part in logs] / (x @ x)
    error = np.sqrt(x**2 @ [part.var() / len(part) for part in logs]) / (x @ x)
    predicted = predict_drifts(zoo.load("mlp")(depth=1, phi=ns.activation(name)), parametrization="ntp").kernel
    assert error < 0.05
    assert abs(found - float(predicted.linear["n"])) < 0.1 + 4 * error
    # the other exponent is excluded
    assert abs(found + 1.5 + float(predicted.linear["n"])) > 0.1 + 4 * error
