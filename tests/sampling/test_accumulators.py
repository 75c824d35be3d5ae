"""Streaming moments: any split and any order of merging gives what NumPy gives for all samples at once."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from ntksym.sampling.accumulators import GROUPS, Moments
from ntksym.sampling.estimates import Estimate


def close(a: Moments, b: Moments, size: float) -> None:
    assert a.count.tolist() == b.count.tolist()
    assert a.rejected.tolist() == b.rejected.tolist()
    assert_allclose(a.mean, b.mean, rtol=1e-12, atol=1e-12 * size)
    assert_allclose(a.squares, b.squares, rtol=1e-9, atol=1e-12 * size**2)
    assert_allclose(a.products, b.products, rtol=1e-9, atol=1e-12 * size**2)


@given(
    seed=st.integers(0, 2**32 - 1),
    lengths=st.lists(st.integers(0, 7), min_size=1, max_size=6),
    offset=st.sampled_from([0.0, 1e3, -1e6]),
    bad=st.integers(0, 3),
    data=st.data(),
)
def test_neither_split_nor_order_matters(
    seed: int, lengths: list[int], offset: float, bad: int, data: st.DataObject
) -> None:
    rng = np.random.default_rng(seed)
    samples = rng.standard_normal((sum(lengths), 3)) + offset
    samples[:bad, 1] = np.nan
    parts = [Moments.of(part, products=True) for part in np.split(samples, np.cumsum(lengths)[:-1])]
    order = data.draw(st.permutations(parts))
    merged = order[0]
    for part in order[1:]:
        merged = merged.merge(part)
    close(merged, Moments.of(samples, products=True), 1 + abs(offset))
    tree = list(parts)
    while len(tree) > 1:
        tree = [*tree[2:], tree[0].merge(tree[1])]
    close(tree[0], merged, 1 + abs(offset))


def test_moments_are_those_of_numpy() -> None:
    x = np.random.default_rng(0).standard_normal((50, 4)) * [1, 10, 1e-3, 1] + 1e4
    found = Moments.of(x, products=True)
    assert_allclose(found.mean[0], x.mean(0), rtol=1e-14)
    assert_allclose(found.products[0] / 49, np.cov(x.T), rtol=1e-10)
    assert_allclose(found.squares[0] / 49, x.var(0, ddof=1), rtol=1e-10)


def grouped(x: np.ndarray, groups: int = GROUPS) -> Moments:
    out = Moments.empty(x.shape[1], products=True)
    for i, row in enumerate(x):
        out = out.merge_at(i % groups, Moments.of(row[None], products=True))
    return out


def test_an_estimate_knows_its_errors() -> None:
    """Two thousand standard normals, 400 times: the errors that are stated are the spread that is seen."""
    rng = np.random.default_rng(1)
    means, variances = [], []
    for _ in range(150):
        x = rng.standard_normal((320, 2)) @ [[1.0, 0.5], [0.0, 1.0]]
        estimate = Estimate.of(_rows(x), (("", (2,)),), 320, 0)
        means.append((estimate.mean, estimate.standard_error))
        variances.append(estimate.covariance_with_error())
    for found, truth in ((means, np.zeros(2)), (variances, np.array([[1, 0.5], [0.5, 1.25]]))):
        values, errors = map(np.array, zip(*found, strict=True))
        z = (values - truth) / errors
        # z has spread 1 (t with 31 degrees: 1.03), its estimate from 150 runs an error of 0.06
        assert_allclose(z.std(0), 1, atol=0.25)
        assert_allclose(z.mean(0), 0, atol=0.4)


def _rows(x: np.ndarray) -> Moments:
    parts = [Moments.of(x[g::GROUPS], products=True) for g in range(GROUPS)]
    return Moments(*(np.concatenate(arrays) for arrays in zip(*(p.arrays() for p in parts), strict=True)))


def test_the_jackknife_takes_off_the_bias() -> None:
    """The square of a mean has the bias variance / samples, which the jackknife removes exactly."""
    x = np.random.default_rng(2).standard_normal((GROUPS, 1))
    estimate = Estimate.of(grouped(x), (("", (1,)),), GROUPS, 0)
    value, _ = estimate.derived(lambda s: s.mean**2)
    assert_allclose(value, x.mean(0) ** 2 - x.var(0, ddof=1) / GROUPS, rtol=1e-12)


def test_groups_left_out_are_all_others() -> None:
    x = np.random.default_rng(3).standard_normal((70, 2))
    for g, found in enumerate(grouped(x).without()):
        close(found, Moments.of(np.delete(x, np.s_[g::GROUPS], axis=0), products=True), 1)


def test_no_samples_give_no_error_bars() -> None:
    estimate = Estimate.of(Moments.empty(1), (("", ()),), 0, 0)
    assert np.isnan(estimate.variance)
    with pytest.raises(Exception, match="at least two networks"):
        estimate.derived(lambda s: s.mean)
