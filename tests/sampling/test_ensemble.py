"""Ensembles: chunking, seeds, resuming, counting of what is not finite, and a kernel that is known."""

import math
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from ntksym import language as ns
from ntksym import zoo
from ntksym._chunks import ANY_PORT
from ntksym.errors import SamplingError
from ntksym.sampling import (
    Estimate,
    TangentKernel,
    connected,
    cumulants,
    ensemble,
    four_point,
    kernel,
    moments,
    network,
)
from ntksym.sampling import chunks as chunks_of

jax = pytest.importorskip("jax", reason='needs the extra "networks"')

n = ns.dim("n")
X = np.array([[1.0, 0.0, 0.5], [0.3, -1.0, 0.2]])


@ns.program
def small(x: ns.Vector(3)) -> ns.Value:
    return ns.dense(ns.activation("relu")(ns.dense(x, n, name="hidden", bias=False)), 1, name="readout", bias=False)


NET = network(small, {"n": 8})


def outputs(net: Any, weights: Any, inputs: Any, key: Any) -> Any:
    f = net.apply(weights, inputs)[:, 0]
    return {"f": f, "K": f[:, None] * f}


def run(samples: int = 150, inputs: Any = X, statistic: Any = outputs, **options: Any) -> Estimate:
    """An ensemble in chunks of 32, unless said: one compilation for most of the tests."""
    return ensemble(NET, samples, inputs, statistic, **{"covariance": True, "chunk": 32, **options})


def same(a: Estimate, b: Estimate, rtol: float) -> None:
    for x, y in zip(a.groups.arrays(), b.groups.arrays(), strict=True):
        if x is not None:
            assert_allclose(x, y, rtol=rtol, atol=rtol)


@pytest.fixture(scope="module")
def whole() -> Estimate:
    return run()


@pytest.mark.parametrize("chunk", [1000, 64, 7])
def test_chunking_does_not_matter(whole: Estimate, chunk: int) -> None:
    same(run(chunk=chunk), whole, 1e-5)


def test_memory_bounds_a_chunk() -> None:
    task = chunks_of.Task(NET, X, outputs, 0, {}, True)
    small_size, large_size = (chunks_of.chunk_size(task, 10_000, memory, None) for memory in (10_000, 10_000_000))
    assert small_size < large_size
    assert chunks_of._working_memory(chunks_of.compiled(task, small_size)) <= 10_000


def test_an_ensemble_is_made_of_its_networks(whole: Estimate) -> None:
    """Network i has the key fold_in(key(seed), i): the same numbers one by one."""
    found = []
    for i in range(40):
        key = jax.random.fold_in(jax.random.key(5), i)
        weights = NET.init(jax.random.fold_in(key, 0))
        found.append(outputs(NET, weights, X, None)["K"])
    estimate = run(40, seed=5)["K"]
    assert_allclose(estimate.mean, np.mean(found, axis=0), rtol=1e-5)
    assert_allclose(estimate.variance, np.var(found, axis=0, ddof=1), rtol=1e-4)


def test_seeds_differ_and_repeat(whole: Estimate) -> None:
    same(run(), whole, 0)
    other = run(seed=1)
    assert np.abs(other["f"].mean - whole["f"].mean).min() > 0


def test_covariances_match_the_parts(whole: Estimate) -> None:
    assert_allclose(np.diag(whole["f"].covariance), whole["f"].variance, rtol=1e-12)
    assert whole.covariance_of("f", "K").shape == (2, 2, 2)
    with pytest.raises(SamplingError, match="covariance=True"):
        _ = run(32, covariance=False).covariance_of("f", "f")


# --- breaking off and going on ---------------------------------------------------------------------------


class Killed(Exception):
    pass


def test_a_run_that_was_killed_goes_on(whole: Estimate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "state.npz"
    original = chunks_of.moments_of

    def dies(task: Any, start: int, size: int, stop: int) -> Any:
        if start >= 64:
            raise Killed
        return original(task, start, size, stop)

    with monkeypatch.context() as patch:
        patch.setitem(ensemble.__globals__, "moments_of", dies)
        with pytest.raises(Killed):
            run(checkpoint=file)
    with np.load(file) as state:
        assert state["count"].sum() == 64
    resumed = run(checkpoint=file)
    same(resumed, whole, 0)
    same(run(checkpoint=file), resumed, 0)


def test_a_run_can_be_extended(tmp_path: Path) -> None:
    file = tmp_path / "state.npz"
    run(48, checkpoint=file)
    same(run(100, checkpoint=file), run(100), 1e-5)
    with pytest.raises(SamplingError, match="already holds 100 samples"):
        run(50, checkpoint=file)


def test_a_state_is_not_continued_with_another_question(tmp_path: Path) -> None:
    file = tmp_path / "state.npz"
    run(32, checkpoint=file)
    for changed in ({"seed": 1}, {"sigmas": {"sigma_w": 2.0}}):
        with pytest.raises(SamplingError, match="belongs to another ensemble"):
            run(32, checkpoint=file, **changed)
    with pytest.raises(SamplingError, match="belongs to another ensemble"):
        run(32, 2 * X, checkpoint=file)
    np.savez(file, a=np.zeros(1))
    with pytest.raises(SamplingError, match="not the state of an ensemble"):
        run(32, checkpoint=file)


# --- what is not finite ----------------------------------------------------------------------------------


def sometimes_nan(net: Any, weights: Any, inputs: Any, key: Any) -> Any:
    f = net.apply(weights, inputs)[0, 0]
    return jax.numpy.where(f > 0.5, jax.numpy.nan, f)


def test_networks_that_are_not_finite_are_counted() -> None:
    with pytest.warns(RuntimeWarning, match=r"of 150 networks gave nan"):
        estimate = run(statistic=sometimes_nan)
    assert 0 < estimate.rejected < 150
    assert estimate.count + estimate.rejected == 150
    assert np.isfinite(estimate.mean)
    assert estimate.mean < 0.5
    assert f"{estimate.rejected} left out" in str(estimate)


def test_finite_networks_give_no_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert run().rejected == 0


# --- several machines ------------------------------------------------------------------------------------


def test_an_executor_gives_the_same_numbers() -> None:
    with ThreadPoolExecutor(2) as pool:
        same(run(scheduler=pool), run(), 0)


def test_dask_gives_the_same_numbers() -> None:
    distributed = pytest.importorskip("distributed", reason='needs the extra "dask"')
    with (
        distributed.LocalCluster(1, processes=False, dashboard_address=ANY_PORT) as cluster,
        distributed.Client(cluster) as client,
    ):
        found = run(statistic=kernel("v2"), scheduler=client)
    same(found, run(statistic=kernel("v2")), 0)


# --- known answers ---------------------------------------------------------------------------------------


def arc_cosine(x: np.ndarray) -> np.ndarray:
    """E[relu(u) relu(v)] for u, v of covariance x x^T / d (Cho and Saul 2009)."""
    gram = x @ x.T / x.shape[1]
    size = np.sqrt(np.diag(gram))
    angle = np.arccos(np.clip(gram / np.outer(size, size), -1, 1))
    return np.outer(size, size) / (2 * math.pi) * (np.sin(angle) + (math.pi - angle) * np.cos(angle))


def test_the_kernel_of_one_hidden_layer_is_the_arc_cosine_kernel() -> None:
    """Three entries, |z| < 4: a false alarm once in 5,000 changes of the seed (the test itself has one seed)."""
    estimate = ensemble(NET, 4000, X, kernel("v2"), seed=3)
    z = (estimate.mean - arc_cosine(X)) / estimate.standard_error
    assert np.abs(z).max() < 4
    assert estimate.standard_error.max() < 0.02 * arc_cosine(X).max()


def test_the_tangent_kernel_of_one_hidden_layer_is_known() -> None:
    """Readout weights give n K, hidden ones x.x' E[relu' relu'] (derivatives by the weights themselves); |z| < 4."""
    estimate = ensemble(NET, 4000, X, TangentKernel(by_parameter=True), seed=4)
    readout, hidden = (estimate[name] for name in ("readout.w", "hidden.w"))
    sizes = np.linalg.norm(X, axis=1)
    angle = np.arccos(np.clip(X @ X.T / np.outer(sizes, sizes), -1, 1))
    # the output is sum_i a_i relu(w_i x): by a, n E[relu relu]; by w, x.x' E[a^2 relu' relu'] n with E[a^2] = 1/n
    for part, truth in ((readout, 8 * arc_cosine(X)), (hidden, X @ X.T * (math.pi - angle) / (2 * math.pi))):
        z = (part.mean[:, 0, :, 0] - truth) / np.maximum(part.standard_error[:, 0, :, 0], 1e-9)
        assert np.abs(z).max() < 4
    assert_allclose(estimate["total"].mean, readout.mean + hidden.mean, rtol=1e-5)


def test_cumulants_of_the_output() -> None:
    """f = sum_i a_i relu(u_i): kappa_4 = 3 Var(q) for the random variance q of f given the hidden layer."""
    estimate = ensemble(NET, 20_000, X, moments("v3"), seed=6)
    found, errors = cumulants(estimate)
    k = np.diag(arc_cosine(X))
    size = np.diag(X @ X.T) / 3
    # q is the mean over 8 neurons of relu(u)^2: variance (E[relu^4] - E[relu^2]^2) / 8, E[relu^4] = 3 size^2 / 2
    kappa_4 = 3 * (1.5 * size**2 - k**2) / 8
    truth = np.stack([0 * k, k, 0 * k, kappa_4], axis=-1)[:, None]
    assert found.shape == truth[:, 0].shape
    z = (found - truth[:, 0]) / errors
    assert np.abs(z).max() < 4.5  # eight entries


def test_the_connected_four_point_function_of_the_output() -> None:
    """Two outputs of one hidden layer: E[f_1^2 f_2^2] - E[f_1^2] E[f_2^2] = Var(q)."""

    @ns.program
    def two(x: ns.Vector(3)) -> ns.Value:
        return ns.dense(ns.activation("relu")(ns.dense(x, n, name="hidden", bias=False)), 2, name="readout", bias=False)

    estimate = ensemble(network(two, {"n": 8}), 20_000, X[:1], four_point("v3"), seed=7)
    value, error = connected(estimate)
    size = (X[0] @ X[0]) / 3
    truth = (1.5 * size**2 - arc_cosine(X)[0, 0] ** 2) / 8
    assert abs(value.item() - truth) < 4 * error.item()
    assert error.item() < 0.2 * truth


def test_values_in_a_loop_have_their_copies_apart() -> None:
    program = zoo.load("mlp")(depth=3, bias=False)
    net = network(program, {"n": 16, "d_in": 3})
    label = next(label for label, loops in net.plan.loops.items() if loops and label in net.labels)
    estimate = ensemble(net, 20, X, kernel(label))
    assert estimate.mean.shape == (2, 2, 2)


def test_precision_is_that_of_the_network() -> None:
    double = network(small, {"n": 8}, dtype="float64")
    weights = double.init(0)
    rough = {name: np.asarray(array, np.float32) for name, array in weights.items()}
    assert weights["hidden.w"].dtype == np.float64
    exact, single = double.apply(weights, X), NET.apply(rough, X)
    assert exact.dtype == np.float64
    assert single.dtype == np.float32
    assert_allclose(single, exact, rtol=1e-5, atol=1e-6)
    assert not jax.config.jax_enable_x64
    estimate = ensemble(double, 40, X, outputs)
    assert_array_equal(estimate.mean["K"].shape, (2, 2))
