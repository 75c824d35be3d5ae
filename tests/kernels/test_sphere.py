"""Kernels on a sphere: against the recursion evaluated on inputs of one norm, and the arc-cosine kernel by hand."""

import mpmath
import numpy as np
import pytest
import sympy

import ntksym as ns
from ntksym import zoo
from ntksym.errors import KernelError
from ntksym.kernels import kernel_recursion


def test_one_hidden_layer_of_relu() -> None:
    """With sigma_w^2 = 2 and q = 1: (sqrt(1 - c^2) + c (pi - acos c)) / pi times 2 (Cho and Saul 2009)."""
    rec = kernel_recursion(zoo.load("mlp")(depth=1, bias=False))
    kernel = rec.on_sphere(sigma_w=sympy.sqrt(2), q=1)
    c = kernel.c
    k0, k1 = (sympy.pi - sympy.acos(c)) / sympy.pi, (sympy.sqrt(1 - c**2) + c * (sympy.pi - sympy.acos(c))) / sympy.pi
    assert kernel.nngp.free_symbols == {c}
    for at in (sympy.Rational(-1), sympy.Rational(-1, 3), sympy.Rational(2, 7), sympy.Rational(1)):
        assert sympy.N((kernel.nngp - 2 * k1).subs(c, at), 30, chop=True) == pytest.approx(0, abs=1e-25)
        assert sympy.N((kernel.ntk - 2 * k1 - 2 * c * k0).subs(c, at), 30, chop=True) == pytest.approx(0, abs=1e-25)


@pytest.mark.parametrize(
    ("net", "settings", "copies"),
    [
        ("mlp", {"depth": 4}, {}),
        ("mlp", {"depth": 2, "phi": ns.activation("erf")}, {}),
        ("resnet", {}, {"L": 3}),
        ("resnet", {"normalise": True, "block_depth": 2}, {"L": 1}),
    ],
)
def test_against_the_recursion(net: str, settings: dict, copies: dict) -> None:
    """On (3, 4) and its images under exact rotations and reflections; cosines 1, 0.96, 0 and -1."""
    rec = kernel_recursion(zoo.load(net)(**settings))
    values = {"sigma_w": 1.5, "sigma_b": 0.25}
    kernel = rec.on_sphere(**copies)
    x = np.array([[3.0, 4.0], [4.0, 3.0], [-4.0, 3.0], [-3.0, -4.0]])
    expected = rec.evaluate(x, digits=25, **values, **copies)
    for j, other in enumerate(x):
        with mpmath.workdps(40):
            c = mpmath.mpf(float(x[0] @ other)) / 25
        found = kernel.evaluate(c, digits=25, q=12.5, **values)
        for name, matrix in (("nngp", expected.nngp), ("ntk", expected.ntk)):
            assert abs(found[name] - matrix[0, j]) < 1e-22 * abs(matrix[0, 0])


def test_deep_networks_do_not_swell() -> None:
    """Definitions grow in proportion to the depth, six with 31 operations a copy; one expression of it is refused."""
    rec = kernel_recursion(zoo.load("resnet")())
    kernel = rec.on_sphere(L=40, sigma_w=1, sigma_b=0)
    assert len(kernel.definitions) < 6 * 42
    assert sum(sympy.count_ops(d.expression) for d in kernel.definitions) < 31 * 42
    with pytest.raises(KernelError, match="too large for one expression"):
        _ = kernel.ntk


def test_refusals() -> None:
    with pytest.raises(KernelError, match="add L=10"):
        kernel_recursion(zoo.load("resnet")()).on_sphere()
    with pytest.raises(KernelError, match="plain vector"):
        kernel_recursion(zoo.load("gcn")()).on_sphere()
    with pytest.raises(KernelError, match="do not depend on sigma_x"):
        kernel_recursion(zoo.load("mlp")(depth=1)).on_sphere().evaluate(0.5, sigma_x=1)
