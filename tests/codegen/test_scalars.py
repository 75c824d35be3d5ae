"""Functions of generated loops, against mpmath."""

import math

import mpmath
import numpy as np
import pytest

from ntksym.codegen import scalars
from ntksym.codegen.backends import _mirrored
from ntksym.codegen.functions import angles, jax_functions, numpy_functions

POINTS = [0.0, 1e-300, 1e-17, 1e-9, 1e-3, 0.1, 0.41, 0.415, 0.9, 1.0, 1.1, 2.4, 2.5, 30.0, 1e9, 1e200]


def test_the_angle_is_the_arc_tangent() -> None:
    rng = np.random.default_rng(0)
    pairs = [(y, x) for y in POINTS for x in POINTS if x or y] + [
        tuple(abs(rng.standard_normal(2))) for _ in range(500)
    ]
    for y, x in pairs:
        expected = float(mpmath.atan2(y, x))
        assert scalars.angle(y, x) == pytest.approx(expected, rel=4e-16, abs=0)
    assert scalars.angle(0.0, 0.0) == 0


@pytest.mark.parametrize("x", [-1.0, -0.9, -0.3, -1e-12, 0.0, 1e-12, 0.3, 0.7, 0.99999999, 1.0])
def test_arc_sine_and_cosine(x: float) -> None:
    assert scalars.asin(x) == pytest.approx(math.asin(x), rel=5e-16, abs=0)
    assert scalars.acos(x) == pytest.approx(math.acos(x), rel=5e-16, abs=1e-300)


def test_beyond_one_is_one() -> None:
    assert scalars.asin(1 + 1e-15) == math.pi / 2
    assert scalars.acos(-1 - 1e-15) == math.pi


@pytest.mark.parametrize("kind", ["loops", "arrays"])
def test_angles_of_close_inputs_come_from_their_difference(kind: str) -> None:
    rng = np.random.default_rng(1)
    x = rng.standard_normal((1, 64))
    steps = [1e-1, 1e-4, 1e-8, 1e-12]
    y = np.concatenate([sign * x + step * rng.standard_normal((1, 64)) for sign in (1, -1) for step in steps])
    norms = [np.sqrt((a * a).sum(1)) for a in (x, y)]
    given = x @ y.T / 64, x, y, 8 / norms[0], 8 / norms[1]
    c, g = np.empty((1, 8)), np.empty((1, 8))
    if kind == "loops":
        scalars.angles(*given, c, g)
    else:
        c, g = angles(*given)
    with mpmath.workdps(60):
        for j in range(8):
            products = [mpmath.fdot(a, b) for a, b in ((x[0], y[j]), (x[0], x[0]), (y[j], y[j]))]
            cosine = products[0] / mpmath.sqrt(products[1] * products[2])
            # what counts is the angle, the root of g: it is known to 1e-15
            assert np.sqrt(g[0, j]) == pytest.approx(float(mpmath.sqrt(1 - abs(cosine))), rel=1e-12, abs=4e-16)
            assert c[0, j] == pytest.approx(float(cosine), rel=4e-16)


def test_a_block_of_a_symmetric_matrix_stands_on_both_sides() -> None:
    rng = np.random.default_rng(2)
    whole = rng.standard_normal((70, 70))
    expected = np.tril(whole, -1) + np.tril(whole, -1).T
    for place in (scalars.mirrored, _mirrored):
        found = np.zeros((70, 70))
        for i, j in ((0, 0), (33, 0), (33, 33)):
            place(np.ascontiguousarray(whole[i : i + 37 if i else 33, j : j + 37 if j else 33]), found, i, j)
        np.fill_diagonal(found, 0)
        assert (found == expected).all()


@pytest.mark.parametrize("kind", ["numpy", "jax"])
def test_all_arrays_know_the_same_functions(kind: str) -> None:
    if kind == "jax":
        pytest.importorskip("jax", reason='needs the extra "networks"')
    functions = {"numpy": numpy_functions, "jax": jax_functions}[kind]()
    assert numpy_functions().keys() - functions.keys() <= {"coefficients", "squares"}  # of single inputs
    for f in scalars.FUNCTIONS:
        assert f.__name__ in functions
    x = np.array([0.25, 0.5])
    assert np.allclose(np.asarray(functions["asin"](x), float), np.arcsin(x), atol=1e-6)
    assert np.allclose(np.asarray(functions["less"](x, 0.3, x, -x), float), [0.25, -0.5])
    assert np.allclose(np.asarray(functions["inverse"](np.array([0.0, 2.0])), float), [0, 0.5])
