"""Networks whose numbers are not finite, or too large to be squared: counted, and in no average."""

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

from ntksym import language as ns
from ntksym.sampling import TangentKernel, ensemble, network
from ntksym.sampling.accumulators import LARGEST, Moments

jax = pytest.importorskip("jax", reason='needs the extra "networks"')

n = ns.dim("n")


@ns.program
def steep(x: ns.Vector(2)) -> ns.Value:
    """exp(exp(.)): a few networks overflow in float32, most do not."""
    h = ns.activation("exp(exp(z))")(ns.dense(x, n, name="hidden", bias=False))
    return ns.dense(h, 1, name="readout", bias=False)


NET = network(steep, {"n": 2})
X = np.array([[1.0, 0.0], [1.2, 0.9]])


def test_a_kernel_that_overflows_in_some_networks() -> None:
    """The same networks one by one: those with a finite kernel, and none else, are in the averages."""
    with pytest.warns(RuntimeWarning, match="gave nan or infinity"):
        estimate = ensemble(NET, 64, X, TangentKernel(), seed=2, sigmas={"sigma_w": 1.5}, covariance=True)
    single = []
    for i in range(64):
        weights = NET.init(jax.random.fold_in(jax.random.fold_in(jax.random.key(2), i), 0), sigma_w=1.5)
        single.append(np.asarray(TangentKernel()(NET, weights, X, None), float).ravel())
    found = np.array(single)
    good = np.isfinite(found).all(-1)
    assert 0 < (~good).sum() < 64
    assert estimate.rejected == (~good).sum()
    assert estimate.count == good.sum()
    for part in (estimate.mean, estimate.variance, estimate.standard_error, estimate.covariance):
        assert np.isfinite(part).all()
    # single precision at values of 1e30: what is compiled alone or mapped rounds exp(exp(z)) differently
    assert_allclose(estimate.mean.ravel(), found[good].mean(0), rtol=1e-3)


def sometimes_large(net: Any, weights: Any, inputs: Any, key: Any) -> Any:
    z = jax.random.normal(key)
    return jax.numpy.where(z > 1, 1e200, z)


def test_numbers_without_a_square_are_left_out() -> None:
    """1e200 is finite, its square is not: one such network would make every error infinite, or nan."""
    double = network(steep, {"n": 2}, dtype="float64")
    with pytest.warns(RuntimeWarning, match="gave nan or infinity"):
        estimate = ensemble(double, 64, X, sometimes_large)
    assert 0 < estimate.rejected < 32
    assert np.isfinite([estimate.mean, estimate.variance, estimate.standard_error]).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e200, -LARGEST])
def test_moments_leave_out_what_has_no_square(bad: float) -> None:
    rows = np.array([[1.0, 2.0], [bad, 0.0], [3.0, 4.0]])
    with np.errstate(all="raise"):
        empty = Moments.empty(2, products=True, groups=1)
        found = empty.merge(Moments.of(rows, products=True)).merge(Moments.of(rows[:1], products=True))
    assert found.count.tolist() == [3]
    assert found.rejected.tolist() == [1]
    assert np.isfinite(found.products).all()
