"""Closed forms in depth: against the recursion, run for several depths, and by hand."""

import numpy as np
import pytest
import sympy

import ntksym as ns
from ntksym import zoo
from ntksym.kernels import kernel_recursion
from ntksym.kernels.depth import ClosedForm

X = np.array([[1.0, -0.5, 0.25, 2.0], [0.5, 1.25, -0.75, 0.125]])


def number(form: ClosedForm, copies: int, gram: np.ndarray, **values: float) -> float:
    """The form at numbers; the only line from outside is the inner product of the inputs."""
    side = {"11": (0, 0), "12": (0, 1)}
    given = {}
    for symbol in form.expression.free_symbols - {form.copies}:
        name, _, which = symbol.name.partition("|")
        given[symbol] = sympy.Rational(gram[side[which]] if which else values[name])
    return float(form.at(copies).subs(given))


@pytest.mark.parametrize(
    ("phi", "sigma_w", "sigma_b", "sides"),
    [
        ("relu", 1.5, 0.5, ["11"]),
        ("relu", 1.5, 0.0, ["11"]),
        ("abs", 1.0, 0.5, ["11"]),
        ("identity", 1.5, 0.5, ["11", "12"]),
        ("identity", 1.0, 0.5, ["11", "12"]),
    ],
)
def test_perceptrons(phi: str, sigma_w: float, sigma_b: float, sides: list[str]) -> None:
    """The readout is as one copy more. For abs and identity sigma_w = 1 makes the growth factor one."""
    for depth in (2, 3, 7):
        rec = kernel_recursion(zoo.load("mlp")(depth=depth, phi=ns.activation(phi)))
        values = {"sigma_w": sigma_w, "sigma_b": sigma_b}
        expected = rec.evaluate(X, **values)
        forms = {form.symbol.name: form for form in rec.closed_forms()}
        assert set(forms) == {f"{name}|{side}" for name in ("K2", "T1") for side in sides}
        for name, form in forms.items():
            matrix = expected.nngp if name.startswith("K") else expected.ntk
            found = number(form, depth, X @ X.T / 4, **values)
            assert found == pytest.approx(float(matrix[0, int(name[-1]) - 1]), rel=1e-13)


@pytest.mark.parametrize("L", [1, 3, 10])
def test_residual_relu(L: int) -> None:
    """Branches of 1/sqrt(L): K grows by (1 + sigma_w^2 / 2L) a copy. The readout halves a K and passes on a T."""
    rec = kernel_recursion(zoo.load("resnet")(bias=False))
    forms = {form.symbol.name: form for form in rec.closed_forms()}
    expected = rec.evaluate(X, L=L, sigma_w=1.5)
    K, T = (number(forms[name], L, X @ X.T / 4, L=L, sigma_w=1.5) for name in ("K2|11", "T1|11"))
    assert pytest.approx(2.25 * (X[0] @ X[0] / 4) * (1 + 1.125 / L) ** L, rel=1e-13) == K
    assert pytest.approx(float(expected.nngp[0, 0]), rel=1e-13) == 2.25 * K / 2
    assert pytest.approx(float(expected.ntk[0, 0]), rel=1e-13) == 2.25 * (K + T) / 2


def test_no_closed_form() -> None:
    """Neither the diagonal nor pairs of inputs are affine for tanh."""
    assert kernel_recursion(zoo.load("mlp")(depth=3, phi=ns.activation("tanh"))).closed_forms() == ()
