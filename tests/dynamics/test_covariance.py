"""A compiled kernel inside of scikit-learn."""

import pickle
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

import ntksym as ns
from ntksym.errors import DynamicsError
from tests.dynamics.arcsine import Arcsine

pytest.importorskip("sklearn", reason='needs the extra "sklearn"')

from sklearn.base import clone
from sklearn.datasets import make_circles
from sklearn.gaussian_process import GaussianProcessClassifier, GaussianProcessRegressor
from sklearn.gaussian_process.kernels import WhiteKernel
from sklearn.kernel_ridge import KernelRidge
from sklearn.model_selection import GridSearchCV
from sklearn.svm import SVC

rng = np.random.default_rng(4)
X, TEST = rng.standard_normal((7, 3)), rng.standard_normal((5, 3))
Y = np.sin(X.sum(1))
KERNEL = Arcsine()
OUTPUTS = ["nngp", "ntk"]


@pytest.mark.parametrize("output", OUTPUTS)
def test_its_values_are_those_of_the_compiled_kernel(output: str) -> None:
    covariance = ns.CovarianceFunction(KERNEL, output)
    assert (covariance(X) == KERNEL(X, get=output)).all()
    assert (covariance(X, TEST) == KERNEL(X, TEST, get=output)).all()
    assert_allclose(covariance.diag(X), np.diag(covariance(X)), rtol=1e-14)
    assert not covariance.is_stationary()


def test_its_gradient_is_the_exact_one() -> None:
    """By the logarithms of sigma_w and sigma_b: the arcsine kernel differentiated by hand."""
    sigma_w, sigma_b = KERNEL.sigma_w, KERNEL.sigma_b
    products = X @ X.T / 3
    r, norm = sigma_w**2 * products + sigma_b**2, sigma_w**2 * np.diag(products) + sigma_b**2
    scale = np.sqrt(np.outer(1 + 2 * norm, 1 + 2 * norm))
    sine = 2 * r / scale

    def slope(r_slope: Any, norm_slope: Any) -> Any:
        log_scale = (norm_slope / (1 + 2 * norm))[:, None] + (norm_slope / (1 + 2 * norm))[None, :]
        return sigma_w**2 * 2 / np.pi * (2 * r_slope / scale - sine * log_scale) / np.sqrt(1 - sine**2)

    by_w = 4 * sigma_w**2 / np.pi * np.arcsin(sine) + slope(
        2 * sigma_w**2 * products, 2 * sigma_w**2 * np.diag(products)
    )
    by_b = 2 * sigma_b**2 + slope(2 * sigma_b**2, np.full(7, 2 * sigma_b**2))
    matrix, gradient = ns.CovarianceFunction(KERNEL)(X, eval_gradient=True)
    assert (matrix == KERNEL(X, get="nngp")).all()
    assert_allclose(gradient, np.stack([by_w, by_b], axis=-1), rtol=1e-9, atol=2e-10)


@pytest.mark.parametrize("output", OUTPUTS)
def test_the_kernel_of_a_program_has_the_gradient_of_its_differentiated_recursion(output: str) -> None:
    recursion = ns.kernel_recursion(ns.zoo.load("mlp")())
    covariance = ns.CovarianceFunction(recursion.compile(sigma_w=1.4, sigma_b=0.3), output)
    values = covariance.kernel.hyperparameters
    assert dict(values) == {"sigma_w": 1.4, "sigma_b": 0.3}
    slopes = (getattr(recursion.derivative(name).evaluate(X, **values), output).astype(float) for name in values)
    expected = np.stack([value * slope for value, slope in zip(values.values(), slopes, strict=True)], axis=-1)
    assert_allclose(covariance(X, eval_gradient=True)[1], expected, rtol=1e-9, atol=2e-10)
    for other in (clone(covariance), pickle.loads(pickle.dumps(covariance))):
        assert other == covariance


def test_what_was_not_set_is_a_hyperparameter_and_a_size_is_none() -> None:
    depth = ns.dim("L")

    @ns.program
    def deep(x: ns.Vector("d")) -> ns.Value:
        n = ns.dim("n")
        h = ns.repeat(depth, lambda h: ns.dense(ns.relu(h), n, name="up"), ns.dense(x, n, name="embed"))
        return ns.dense(h, 1, name="out")

    covariance = ns.CovarianceFunction(ns.kernel_recursion(deep).compile(sigma_b=0.5, L=3))
    assert dict(covariance.kernel.hyperparameters) == {"sigma_w": 1.0, "sigma_b": 0.5}
    moved = covariance.clone_with_theta(np.log([1.5, 0.4]))
    expected = ns.kernel_recursion(deep).evaluate(X, digits=None, sigma_w=1.5, sigma_b=0.4, L=3).nngp
    assert_allclose(moved(X), expected, rtol=1e-12)


def test_theta_is_a_round_trip() -> None:
    covariance = ns.CovarianceFunction(KERNEL)
    assert_allclose(covariance.theta, np.log([1.5, 0.3]), rtol=1e-15)
    moved = covariance.clone_with_theta(np.log([2.0, 0.7]))
    assert_allclose(moved(X), KERNEL.at(sigma_w=2.0, sigma_b=0.7)(X, get="nngp"), rtol=1e-14)
    assert covariance.kernel is KERNEL
    assert moved != covariance
    assert moved.clone_with_theta(covariance.theta).kernel.hyperparameters == pytest.approx(
        dict(KERNEL.hyperparameters)
    )
    assert_allclose(np.exp(covariance.bounds), [[0.01, 100], [0.01, 100]])
    assert repr(covariance) == "CovarianceFunction(nngp; sigma_w=1.5, sigma_b=0.3)"


def test_clones_pickles_and_parameters() -> None:
    covariance = ns.CovarianceFunction(KERNEL, "ntk", {"sigma_w": (1.0, 3.0)})
    for other in (clone(covariance), pickle.loads(pickle.dumps(covariance))):
        assert other == covariance
        assert other is not covariance
        assert (other(X) == covariance(X)).all()
    assert covariance.get_params()["sigma_w"] == 1.5
    assert set(covariance.get_params(deep=False)) == {"kernel", "output", "value_bounds"}
    changed = clone(covariance).set_params(sigma_w=2.5, output="nngp")
    assert (changed(X) == KERNEL.at(sigma_w=2.5)(X, get="nngp")).all()
    assert covariance.get_params()["sigma_w"] == 1.5
    with pytest.raises(ValueError, match="Invalid parameter sigma_q"):
        covariance.set_params(sigma_q=1.0)


def test_what_is_fixed_or_zero_is_not_fitted() -> None:
    covariance = ns.CovarianceFunction(KERNEL.at(sigma_b=0.0))
    assert covariance.theta.shape == (1,)
    assert covariance(X, eval_gradient=True)[1].shape == (7, 7, 1)
    by_name = ns.CovarianceFunction(KERNEL, value_bounds={"sigma_w": "fixed", "sigma_b": (0.1, 1.0)})
    assert_allclose(np.exp(by_name.bounds), [[0.1, 1.0]])
    fixed = ns.CovarianceFunction(KERNEL, value_bounds="fixed")
    assert fixed(X, eval_gradient=True)[1].shape == (7, 7, 0)


def test_a_gaussian_process_with_it_is_the_regressor() -> None:
    process = GaussianProcessRegressor(ns.CovarianceFunction(KERNEL), alpha=0.01, optimizer=None).fit(X, Y)
    ours = ns.NNGPRegressor(KERNEL, ridge=0.01).fit(X, Y)
    for found, expected in zip(ours.predict(TEST, True), process.predict(TEST, True), strict=True):
        assert_allclose(found, expected, rtol=1e-10)
    assert_allclose(ours.predict(TEST, return_cov=True)[1], process.predict(TEST, return_cov=True)[1], atol=1e-12)
    ridge = KernelRidge(kernel=ns.CovarianceFunction(KERNEL, "ntk"), alpha=0.01).fit(X, Y)
    assert_allclose(ns.NTKRegressor(KERNEL, ridge=0.01).fit(X, Y).predict(TEST), ridge.predict(TEST), rtol=1e-10)


@pytest.mark.parametrize("output", OUTPUTS)
def test_hyperparameters_are_fitted_to_the_highest_likelihood(output: str) -> None:
    """It falls on all sides of what was found, which is near what the targets were drawn with."""
    inputs = rng.standard_normal((60, 2))
    truth = Arcsine(sigma_w=3.0, sigma_b=0.5)(inputs, get=output)
    targets = np.linalg.cholesky(truth + 1e-2 * np.eye(60)) @ rng.standard_normal(60)
    start = ns.CovarianceFunction(Arcsine(sigma_w=1.0, sigma_b=0.5), output, {"sigma_b": "fixed"}) + WhiteKernel(0.1)
    process = GaussianProcessRegressor(start).fit(inputs, targets)
    best, theta = process.log_marginal_likelihood_value_, process.kernel_.theta
    for k in range(2):
        for step in (-0.05, 0.05):
            assert process.log_marginal_likelihood(theta + step * np.eye(2)[k]) < best
    assert 2.0 < process.kernel_.get_params()["k1__sigma_w"] < 4.5
    assert best > process.log_marginal_likelihood(start.theta) + 2


def test_the_gradient_of_the_likelihood_is_its_slope() -> None:
    process = GaussianProcessRegressor(ns.CovarianceFunction(KERNEL), alpha=0.1, optimizer=None).fit(X, Y)
    _, gradient = process.log_marginal_likelihood(process.kernel_.theta, eval_gradient=True)
    for k, step in enumerate(1e-4 * np.eye(2)):
        ahead, behind = (process.log_marginal_likelihood(process.kernel_.theta + s * step) for s in (1, -1))
        assert gradient[k] == pytest.approx((ahead - behind) / 2e-4, rel=1e-6)


def test_machines_that_take_a_callable_take_it() -> None:
    inputs, classes = make_circles(60, factor=0.4, noise=0.05, random_state=0)
    kernel = Arcsine(sigma_w=3.0, sigma_b=1.0)  # without its bias the network is odd, and circles are even
    for output in OUTPUTS:
        machine = SVC(kernel=ns.CovarianceFunction(kernel, output), C=100).fit(inputs[:40], classes[:40])
        assert machine.score(inputs[40:], classes[40:]) == 1.0
    assert SVC(kernel="linear", C=100).fit(inputs[:40], classes[:40]).score(inputs[40:], classes[40:]) < 0.8
    gaussian = GaussianProcessClassifier(ns.CovarianceFunction(kernel), optimizer=None).fit(inputs[:40], classes[:40])
    assert gaussian.score(inputs[40:], classes[40:]) == 1.0


def test_a_search_reaches_its_hyperparameters() -> None:
    process = GaussianProcessRegressor(ns.CovarianceFunction(KERNEL), alpha=0.1, optimizer=None)
    search = GridSearchCV(process, {"kernel__sigma_w": [1e-3, 1.5]}, cv=2).fit(X, Y)
    assert search.best_params_["kernel__sigma_w"] in (1e-3, 1.5)
    fitted = clone(process).set_params(kernel__sigma_w=2.0).fit(X, Y)
    assert (fitted.kernel_(X) == KERNEL.at(sigma_w=2.0)(X, get="nngp")).all()
    assert process.kernel.get_params()["sigma_w"] == 1.5


def test_single_precision_takes_longer_steps() -> None:
    exact = ns.CovarianceFunction(KERNEL)(X, eval_gradient=True)[1]
    rough = ns.CovarianceFunction(Arcsine(single=True))(X, eval_gradient=True)[1]
    assert_allclose(rough, exact, atol=5e-4)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("rbf",), "expected a compiled kernel, such as .*, not str"),
        ((KERNEL, "relu"), "output='relu' is none of this kernel's: nngp, ntk"),
        ((KERNEL, "nngp", {"sigma_q": (1, 2)}), "bounds of 'sigma_q': the kernel has sigma_w, sigma_b"),
    ],
)
def test_what_is_refused(arguments: Any, message: str) -> None:
    with pytest.raises(DynamicsError, match=message):
        ns.CovarianceFunction(*arguments)
    with pytest.raises(DynamicsError, match="leave Y out"):
        ns.CovarianceFunction(KERNEL)(X, TEST, eval_gradient=True)
