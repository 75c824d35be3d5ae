"""Learning curves against drawn training sets, and drawn errors against errors at test inputs."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from jsonschema import validate as follows
from scipy.stats import norm

import ntksym as ns
from ntksym.dynamics.funk_hecke import gegenbauer
from ntksym.dynamics.learning_curves import LearningCurve, drawn_errors, effective_ridge, learning_curve
from ntksym.dynamics.spectrum import Spectrum
from ntksym.errors import DynamicsError

SCHEMAS = Path(__file__).parents[1] / "schemas"
TARGET = {0: 0.3, 1: 1.0, 2: 0.5, 4: 0.25}
FALSE_ALARMS = 1e-3


@cache
def spectrum(phi: str = "relu", d: int = 6, degrees: int = 8) -> Spectrum:
    found = ns.spectrum(ns.zoo.load("mlp")(phi=ns.activation(phi), depth=1), d=d, degrees=degrees)
    assert isinstance(found, Spectrum)
    return found


def within_error_bars(found: LearningCurve) -> bool:
    """All degrees of the target and one more, by the normal law; a false alarm in one of a thousand runs."""
    assert found.sampled is not None
    assert found.sampled_errors is not None
    degrees = [k for k in range(6) if k != 5 and (found.powers[k] or k == 3) and (found.sampled_errors[:, k] > 0).all()]
    z = (found.errors - found.sampled)[:, degrees] / found.sampled_errors[:, degrees]
    return bool((np.abs(z) < norm.isf(FALSE_ALARMS / 2 / z.size)).all())


CASES = [(0.0, 0.0), (0.1, 0.5)]


@pytest.mark.parametrize(("ridge", "noise"), CASES)
def test_sampled_regression_has_the_predicted_errors(ridge: float, noise: float) -> None:
    found = learning_curve(spectrum(), TARGET, (40, 100), ridge=ridge, noise=noise, samples=40)
    assert within_error_bars(found)
    # the same training sets tell the curve from that of a tenth more, or fewer, inputs
    other = learning_curve(spectrum(), TARGET, (50, 125), ridge=ridge, noise=noise)
    assert not within_error_bars(
        LearningCurve(**{**vars(found), "errors": other.errors, "effective_ridges": other.effective_ridges})
    )


@pytest.mark.long
@pytest.mark.parametrize("d", [5, 8, 12])
@pytest.mark.parametrize(("ridge", "noise"), CASES)
def test_curves_are_met_in_many_dimensions(d: int, ridge: float, noise: float) -> None:
    found = learning_curve(spectrum(d=d, degrees=12), TARGET, (40, 160), ridge=ridge, noise=noise, samples=60)
    assert within_error_bars(found)


def test_drawn_errors_are_those_at_test_inputs() -> None:
    """One training set, regression with the kernel itself, the squared error averaged over twenty thousand inputs."""
    record = spectrum()
    powers = np.array([TARGET.get(k, 0.0) for k in range(9)])
    found = drawn_errors(record, powers, 30, 0.2, 0.0, 1, 7)[0].sum()
    rng = np.random.default_rng([7, 30])
    points = rng.standard_normal((31, 6))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    test = np.random.default_rng(0).standard_normal((20_000, 6))
    test /= np.linalg.norm(test, axis=1, keepdims=True)
    sizes = np.sqrt(np.array(record.multiplicities) * powers)

    def target(x: Any) -> Any:
        return sum(s * p for s, p in zip(sizes, gegenbauer(6, x @ points[0]), strict=False))

    kernel = record.kernel.sampled
    weights = np.linalg.solve(kernel(points[1:] @ points[1:].T) + 0.2 * np.eye(30), target(points[1:]))
    squares = (kernel(test @ points[1:].T) @ weights - target(test)) ** 2
    # degrees above 8 are in the test error only: the regression's own, which are small
    assert found == pytest.approx(squares.mean(), abs=5 * squares.std() / 20_000**0.5 + 0.01 * squares.mean())


@pytest.mark.parametrize("ridge", [0.0, 0.3])
def test_the_effective_ridge_solves_its_equation(ridge: float) -> None:
    record = spectrum()
    values, counts = record.numbers()
    for p in (1, 30, 1000):
        K = effective_ridge(record, p, ridge)
        right = ridge + float(record.remaining) + (counts * values * K / (K + p * values)).sum()
        assert pytest.approx(right, rel=1e-10) == K


def test_no_inputs_learn_nothing_and_many_learn_everything() -> None:
    record = spectrum()
    few, many = learning_curve(record, TARGET, (1, 10**7)).total
    assert few == pytest.approx(sum(TARGET.values()), rel=0.15)
    assert many < 1e-4


def test_a_kernel_of_few_functions_learns_them_exactly() -> None:
    """Quadratic activations span degrees 0 to 2: more inputs than functions leave nothing to chance but noise."""
    record = spectrum("z**2 + z", 6)
    functions = sum(record.multiplicities[:3])
    found = learning_curve(record, {1: 1.0}, (2 * functions,), noise=0.5)
    assert found.effective_ridges[0] == 0
    # least squares: noise^2 N / (p - N) on average over Gaussian designs, to leading order
    assert found.total[0] == pytest.approx(0.25, rel=1e-9)
    assert learning_curve(record, {1: 1.0}, (2 * functions,)).total[0] == pytest.approx(0, abs=1e-12)


def test_large_degrees_are_learned_later() -> None:
    """Half of degree k is left where p lambda_k is the effective ridge: about d^k inputs."""
    found = learning_curve(spectrum(d=12), {1: 1.0, 2: 1.0, 4: 1.0}, (12, 144, 12**4))
    assert found.errors[0, 1] > found.errors[1, 1]
    assert (found.errors[1, [1, 2, 4]] == np.sort(found.errors[1, [1, 2, 4]])).all()
    assert found.errors[1, 4] > 0.9
    assert found.errors[2, 2] < 0.05


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"target": {9: 1.0}}, "degrees from 0 to 8"),
        ({"target": {1: -1.0}}, "mean squares"),
        ({"counts": ()}, "1 or more"),
        ({"counts": (0,)}, "1 or more"),
        ({"ridge": -1.0}, "at least 0"),
        ({"samples": 1}, "two training sets"),
    ],
)
def test_what_makes_no_sense_is_refused(asked: dict[str, Any], message: str) -> None:
    given: dict[str, Any] = {"target": TARGET, "counts": (10,), **asked}
    with pytest.raises(DynamicsError, match=message):
        learning_curve(spectrum(), **given)


def test_a_curve_of_gaussian_inputs_is_refused() -> None:
    gaussian = ns.spectrum(ns.zoo.load("mlp")(depth=1), "gaussian")
    assert isinstance(gaussian, Spectrum)
    with pytest.raises(DynamicsError, match="inputs on a sphere"):
        learning_curve(gaussian, TARGET, (10,))


def test_json_follows_the_schema() -> None:
    schema = json.loads((SCHEMAS / "learning_curve.schema.json").read_text(encoding="utf-8"))
    for samples in (0, 3):
        found = learning_curve(spectrum(), TARGET, (10, 20), samples=samples)
        follows(json.loads(json.dumps(found.to_json(), allow_nan=False)), schema)
        assert "inputs" in str(found)
