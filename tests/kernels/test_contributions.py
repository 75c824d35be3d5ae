"""What every parameter adds to the NTK: against the stored references, in both parameterizations, and weighted."""

import mpmath
import numpy as np
import pytest

from ntksym import zoo
from ntksym.kernels import kernel_recursion
from tests.kernels.references import Reference, references

NAMES = ("mlp(phi=relu, depth=3)", "resnet(phi=relu", "cnn(phi=relu, depth=2, kernel=3, stride=1, padding=same")


def chosen() -> list[Reference]:
    """One case of each network."""
    found = [reference for reference in references() if reference.by_parameter]
    return [next(r for r in found if r.name.startswith(name)) for name in NAMES]


@pytest.mark.parametrize("reference", chosen(), ids=lambda reference: reference.name)
def test_stored_references(reference: Reference) -> None:
    rec = kernel_recursion(reference.program, sizes=reference.sizes)
    parts = rec.contributions(reference.inputs, digits=20, **reference.sigmas)
    assert set(parts) == set(reference.by_parameter)
    for name, part in parts.items():
        size = np.abs(reference.by_parameter[name]).max()
        assert np.abs(part.astype(float) - reference.by_parameter[name]).max() < 1e-12 * size


def test_standard_parameterization() -> None:
    """There the part of a matrix is fan_in / sigma_w^2 times as large, that of a bias 1 / sigma_b^2 times."""
    reference = chosen()[0]
    rec = kernel_recursion(reference.program, sizes=reference.sizes, parameterization="standard")
    n = 64
    parts = rec.contributions(reference.inputs, digits=20, n=n, **reference.sigmas)
    for name, part in parts.items():
        fan_in = reference.sizes.get("d_in", reference.inputs["x"].shape[-1]) if name == "input.w" else n
        bias = name.endswith(".b")
        factor = 1 / reference.sigma_b**2 if bias else fan_in / reference.sigma_w**2
        expected = factor * reference.by_parameter[name]
        assert np.abs(part.astype(float) - expected).max() < 1e-12 * np.abs(expected).max()
    whole = rec.evaluate(reference.inputs, digits=20, n=n, **reference.sigmas).ntk
    with mpmath.workdps(30):
        assert abs(whole - sum(parts.values())).max() < 1e-18 * abs(whole).max()


def test_rates_weigh_the_parts() -> None:
    program, x = zoo.load("mlp")(depth=2), np.array([[1.0, 2.0], [0.5, -1.0]])
    plain = kernel_recursion(program).contributions(x, sigma_b=0.5)
    rec = kernel_recursion(program, rates={"input.w": 3, "layer.hidden.w": "eta"})
    weighted = rec.contributions(x, sigma_b=0.5, eta=2)
    ratios = {name: float((weighted[name] / plain[name])[0, 1]) for name in plain}
    assert ratios == pytest.approx({**dict.fromkeys(plain, 1), "input.w": 3, "layer.hidden.w": 2}, rel=1e-14)
    ntk = rec.evaluate(x, sigma_b=0.5, eta=2).ntk
    assert abs(ntk - sum(weighted.values())).max() < 1e-14
