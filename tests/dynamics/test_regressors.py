"""The estimators: scikit-learn's own checks, and what a user may hand to them."""

import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

import ntksym as ns
from ntksym.dynamics import gaussian_process, gradient_flow
from ntksym.errors import DynamicsError, KernelError
from tests.dynamics.arcsine import Arcsine

pytest.importorskip("sklearn", reason='needs the extra "sklearn"')

from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.utils.estimator_checks import parametrize_with_checks

ROOT = Path(__file__).parents[2]
rng = np.random.default_rng(2)
X, TEST = rng.standard_normal((8, 3)), rng.standard_normal((5, 3))
Y = np.stack([np.sin(X.sum(1)), X[:, 0] ** 2], axis=1)
KERNEL = Arcsine()
BOTH = [ns.NNGPRegressor(KERNEL, ridge=0.01), ns.NTKRegressor(KERNEL, ridge=0.01, time=2.0)]


@parametrize_with_checks([ns.NNGPRegressor(KERNEL), ns.NTKRegressor(KERNEL, time=5.0), ns.NTKRegressor()])
def test_it_is_an_estimator_of_scikit_learn(estimator: Any, check: Any) -> None:
    check(estimator)


def test_without_scikit_learn_they_name_what_to_install() -> None:
    script = """
import sys
sys.modules["sklearn"] = None
import ntksym as ns
from ntksym.dynamics import gaussian_process
for name in ("NNGPRegressor", "NTKRegressor", "CovarianceFunction"):
    try:
        getattr(ns, name)
    except ns.errors.NtksymError as error:
        print(error)
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.count("sklearn, which is not installed: pip install 'ntksym[sklearn]'") == 3


# --- predictions -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", BOTH)
@pytest.mark.parametrize("targets", [Y[:, 0], Y, Y[:, :1]])
def test_mean_spread_and_covariance_are_those_of_the_posterior(model: Any, targets: Any) -> None:
    model = clone(model).fit(X, targets)
    learn = gaussian_process if isinstance(model, ns.NNGPRegressor) else gradient_flow
    expected = learn(KERNEL(X), targets, 0.01, *([2.0] if learn is gradient_flow else []))
    cross, prior = KERNEL(TEST, X), KERNEL(TEST, get="nngp")
    mean, std = model.predict(TEST, return_std=True)
    assert std.shape == mean.shape == (5, *targets.shape[1:])
    assert_allclose(mean, expected.mean(cross), rtol=1e-13)
    assert_allclose(std.T, np.sqrt(expected.variance(cross, np.diag(prior))) * np.ones_like(std.T), rtol=1e-13)
    mean, covariance = model.predict(TEST, return_cov=True)
    assert covariance.shape == (5, *mean.shape)
    assert_allclose(covariance.T, expected.covariance(cross, prior) * np.ones_like(covariance.T), rtol=1e-13)
    assert (model.predict(TEST) == mean).all()


@pytest.mark.parametrize("model", BOTH)
def test_it_learns_and_its_spread_is_small_where_there_are_data(model: Any) -> None:
    targets = Y[:, 0]
    model = clone(model).set_params(ridge=1e-6, **({"time": None} if hasattr(model, "time") else {})).fit(X, targets)
    assert model.score(X, targets) > 0.999
    near, far = (model.predict(inputs, return_std=True)[1] for inputs in (X, 3 * TEST))
    assert near.max() < 0.02 < far.min()


@pytest.mark.parametrize("model", BOTH)
def test_one_input_is_enough(model: Any) -> None:
    model = clone(model).fit(X[:1], Y[:1, 0])
    assert model.predict(TEST).shape == (5,)


@pytest.mark.parametrize("model", BOTH)
def test_inputs_may_have_positions(model: Any) -> None:
    """A kernel of images gets images."""

    class OfImages(Arcsine):
        def __call__(self, X1: Any, X2: Any = None, get: Any = ("nngp", "ntk")) -> Any:
            assert np.ndim(X1) == 3
            return super().__call__(np.reshape(X1, (len(X1), -1)), None if X2 is None else X2.reshape(len(X2), -1), get)

        def diagonal(self, X: Any, get: Any = ("nngp", "ntk")) -> Any:
            return super().diagonal(X.reshape(len(X), -1), get)

    flat, images = rng.standard_normal((6, 4)), OfImages()
    expected = clone(model).fit(flat, Y[:6]).predict(flat[:2] + 0.1, return_std=True)
    model = clone(model).set_params(kernel=images).fit(flat.reshape(6, 2, 2), Y[:6])
    assert (np.array(model.predict(flat[:2].reshape(2, 2, 2) + 0.1, return_std=True)) == np.array(expected)).all()


@pytest.mark.parametrize("model", BOTH)
def test_integers_and_strided_inputs_give_the_same_numbers(model: Any) -> None:
    whole = rng.integers(-3, 4, (8, 3))
    expected = clone(model).fit(whole.astype(float), Y[:, 0]).predict(TEST)
    wide = np.zeros((16, 6), dtype=np.int32)
    wide[::2, ::2] = whole
    for inputs in (whole, whole.tolist(), wide[::2, ::2], np.asfortranarray(whole)):
        assert (clone(model).fit(inputs, Y[:, 0]).predict(TEST) == expected).all()


# --- kernels of programs ---------------------------------------------------------------------------------


def test_by_default_the_kernel_is_that_of_the_zoo_s_mlp_for_inputs_of_any_dimension() -> None:
    recursion = ns.kernel_recursion(ns.zoo.load("mlp")())
    for inputs, sigma_w in ((X, 1.0), (X[:, :2], 1.7)):
        values = {"sigma_w": sigma_w, "sigma_b": 0.2}
        gram, cross = (
            recursion.evaluate(inputs, **values),
            recursion.evaluate(TEST[:, : inputs.shape[1]], inputs, **values),
        )
        for model, kernel in ((ns.NNGPRegressor, "nngp"), (ns.NTKRegressor, "ntk")):
            matrix, rows = (getattr(found, kernel).astype(float) for found in (gram, cross))
            expected = rows @ np.linalg.solve(matrix + 0.1 * np.eye(8), Y)
            found = model(hyperparameters=values, ridge=0.1).fit(inputs, Y).predict(TEST[:, : inputs.shape[1]])
            assert_allclose(found, expected, rtol=1e-10, atol=1e-12)


def test_architecture_program_recursion_and_compiled_kernel_are_the_same_kernel() -> None:
    architecture, values = ns.zoo.load("mlp"), {"sigma_w": 1.3}
    program = architecture(depth=1)
    recursion = ns.kernel_recursion(program)
    models = [ns.NTKRegressor(kernel, hyperparameters=values) for kernel in (program, recursion)]
    models.append(ns.NTKRegressor(recursion.compile(**values)))
    models = [pickle.loads(pickle.dumps(model.fit(X, Y))) for model in map(clone, models)]
    expected = models[0].predict(TEST, return_std=True)
    for model in models[1:]:
        assert (np.array(model.predict(TEST, return_std=True)) == np.array(expected)).all()
    deeper = clone(ns.NTKRegressor(architecture, hyperparameters=values)).fit(X, Y)
    at_default = ns.NTKRegressor(architecture(), hyperparameters=values).fit(X, Y)
    assert (deeper.predict(TEST) == at_default.predict(TEST)).all()
    assert abs(deeper.predict(TEST) - expected[0]).max() > 1e-2 * abs(expected[0]).max()  # two layers, not one


# --- the same on the way -------------------------------------------------------------------------------


@pytest.mark.parametrize("model", BOTH)
def test_clones_and_pickles_predict_the_same(model: Any) -> None:
    fitted = clone(model).fit(X, Y)
    expected = fitted.predict(TEST, return_std=True)
    again = clone(fitted)
    assert repr(again.get_params()) == repr(model.get_params())
    with pytest.raises(NotFittedError):
        again.predict(TEST)
    for other in (again.fit(X, Y), pickle.loads(pickle.dumps(fitted))):
        for found, number in zip(other.predict(TEST, return_std=True), expected, strict=True):
            assert (found == number).all()


@pytest.mark.parametrize("model", BOTH)
def test_hyperparameters_are_those_of_the_kernel_at_them(model: Any) -> None:
    found = clone(model).set_params(hyperparameters={"sigma_w": 2.0}).fit(X, Y).predict(TEST)
    expected = clone(model).set_params(kernel=KERNEL.at(sigma_w=2.0)).fit(X, Y).predict(TEST)
    assert (found == expected).all()


def test_a_search_can_choose_among_hyperparameters_and_times() -> None:
    grid = {"hyperparameters": [None, {"sigma_w": 0.5}], "time": [0.0, 10.0], "ridge": [0.01]}
    search = GridSearchCV(ns.NTKRegressor(KERNEL), grid, cv=2).fit(X, X[:, 0])
    assert search.best_params_["time"] == 10.0


# --- what is refused -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"ridge": -1}, "ridge=-1 must be a number of at least 0"),
        ({"ridge": "small"}, "ridge='small' must be"),
        ({"ridge": np.inf}, "ridge=inf must be"),
        ({"ridge": True}, "ridge=True must be"),
        ({"time": -0.1}, "time=-0.1 must be a number of at least 0, or None"),
        ({"time": np.nan}, "time=nan must be"),
        ({"kernel": "rbf"}, "expected a compiled kernel, a kernel recursion or a program, not str"),
        ({"hyperparameters": [("sigma_w", 1.0)]}, "hyperparameters=.* must be a mapping"),
        ({"kernel": Arcsine(outputs=("nngp",))}, "gives nngp, not nngp and ntk"),
    ],
)
def test_parameters_out_of_range(parameters: dict[str, Any], message: str) -> None:
    with pytest.raises((DynamicsError, KernelError), match=message):
        ns.NTKRegressor(**{"kernel": KERNEL, **parameters}).fit(X, Y)


@pytest.mark.parametrize("model", BOTH)
def test_data_that_cannot_be_used(model: Any) -> None:
    model = clone(model)
    for inputs, targets, message in [
        (np.empty((0, 3)), np.empty(0), "0 sample"),
        (np.where(X > 1, np.nan, X), Y, "NaN"),
        (X, np.where(Y > 0.5, np.inf, Y), "infinity"),
        (X, Y[:-1], "inconsistent numbers of samples"),
        (X[:, 0], Y, "2D array"),
    ]:
        with pytest.raises(ValueError, match=message):
            model.fit(inputs, targets)
    model.fit(X, Y)
    with pytest.raises(ValueError, match=r"2 features, but .* expecting 3"):
        model.predict(TEST[:, :2])
    with pytest.raises(DynamicsError, match="one of return_std, return_cov"):
        model.predict(TEST, return_std=True, return_cov=True)


def test_repeated_inputs_need_a_ridge() -> None:
    twice = np.concatenate([X, X])
    targets = np.concatenate([Y, Y + 0.1])
    with pytest.raises(DynamicsError, match=r"singular.*ridge"):
        ns.NNGPRegressor(KERNEL, ridge=0).fit(twice, targets)
    mean = ns.NNGPRegressor(KERNEL, ridge=1e-8).fit(twice, targets).predict(X)
    assert_allclose(mean, Y + 0.05, rtol=1e-5, atol=1e-5)


def test_unknown_hyperparameters_are_refused_by_the_kernel() -> None:
    with pytest.raises((KernelError, TypeError), match="sigma_q"):
        ns.NNGPRegressor(KERNEL, hyperparameters={"sigma_q": 1.0}).fit(X, Y)
