"""Derivatives of kernels by hyperparameters: against central differences of the kernels, and by hand."""

import mpmath
import numpy as np
import pytest

import ntksym as ns
from ntksym import zoo
from ntksym.errors import KernelError
from ntksym.kernels import kernel_recursion

X = np.array([[1, -0.5, 0.25, 2], [2, -1, 0.5, 4], [-0.5, 1.25, 0.75, 0.125], [0, 0, 0, 0], [-1, 0.5, -0.25, -2]])
"""Among them parallel and antiparallel inputs, and zero."""


@pytest.mark.parametrize(
    ("program", "name", "values", "sizes"),
    [
        (zoo.load("mlp")(depth=3), "sigma_w", {"sigma_w": 1.5, "sigma_b": 0.0}, {}),
        (zoo.load("mlp")(depth=3), "sigma_b", {"sigma_w": 1.5, "sigma_b": 0.5}, {}),
        (zoo.load("mlp")(depth=2, phi=ns.activation("erf")), "sigma_w", {"sigma_w": 1.5, "sigma_b": 0.5}, {}),
        (zoo.load("resnet")(), "sigma_w", {"sigma_w": 1.5, "sigma_b": 0.5}, {"L": 2}),
        (zoo.load("resnet")(normalise=True), "sigma_b", {"sigma_w": 1.5, "sigma_b": 0.5}, {"L": 2}),
    ],
    ids=["relu, no bias", "relu", "erf", "resnet", "normalised"],
)
def test_central_differences(program: ns.Program, name: str, values: dict, sizes: dict) -> None:
    """Steps of 1e-15 leave an error of 1e-29 or so beside numbers of at most a few hundred."""
    rec = kernel_recursion(program)
    found = rec.derivative(name).evaluate(X, digits=30, **values, **sizes)
    with mpmath.workdps(60):
        step, at = mpmath.mpf(10) ** -15, mpmath.mpf(values[name])
        low, high = (rec.evaluate(X, digits=40, **{**values, name: at + s}, **sizes) for s in (-step, step))
        for kernel in ("nngp", "ntk"):
            measured = (getattr(high, kernel) - getattr(low, kernel)) / (2 * step)
            assert abs(measured).max() > 1
            assert abs(measured - getattr(found, kernel)).max() < 1e-25


def test_relu_by_hand() -> None:
    """Without biases the kernel of k weight layers is proportional to sigma_w^(2k), and so is the NTK."""
    rec = kernel_recursion(zoo.load("mlp")(depth=2, bias=False))
    values, slopes = rec.evaluate(X, sigma_w=1.5), rec.derivative("sigma_w").evaluate(X, sigma_w=1.5)
    for kernel in ("nngp", "ntk"):
        expected = getattr(values, kernel) * 6 / 1.5
        assert abs(expected - getattr(slopes, kernel)).max() < 1e-14 * abs(expected).max()


def test_double_precision_agrees() -> None:
    rec = kernel_recursion(zoo.load("mlp")(depth=3)).derivative("sigma_w")
    precise, fast = (rec.evaluate(X, digits=d, sigma_w=1.5, sigma_b=0.5) for d in (20, None))
    assert np.abs(precise.ntk.astype(float) - fast.ntk).max() < 1e-9 * np.abs(fast.ntk).max()


def test_a_number_that_does_not_occur() -> None:
    rec = kernel_recursion(zoo.load("mlp")(depth=2))
    with pytest.raises(KernelError, match="no number 'sigma_c' to differentiate by; it has: sigma_b, sigma_w"):
        rec.derivative("sigma_c")
    with pytest.raises(KernelError, match="second derivatives"):
        rec.derivative("sigma_w").derivative("sigma_b")
