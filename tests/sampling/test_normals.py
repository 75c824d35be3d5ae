"""The numbers that weights are made of: their distribution, their independence, and where they may be drawn.

Seeds are fixed; each statistical test would fail with a probability of at most 1e-6 for a seed drawn anew.
"""

from math import sqrt

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import special, stats

from ntksym.sampling.normals import normal_of_word, normals, standard_normals
from ntksym.sampling.precision import double

jax = pytest.importorskip("jax", reason='needs the extra "networks"')

FALSE_ALARM = 1e-6
DTYPES = ("float32", "float64")


def drawn(seed: int, count: int, dtype: str) -> np.ndarray:
    with double():
        return np.asarray(normals(jax.random.key(seed), count, dtype))


# --- from words to numbers ---------------------------------------------------------------------------------


def test_words_become_quantiles() -> None:
    """All over the line and in both tails, where words are neighbours, against the quantiles of SciPy."""
    middle = np.arange(0, 2**32, 2**14 + 1, dtype=np.uint64).astype(np.uint32).view(np.int32)
    tails = np.concatenate([np.arange(-(2**31), -(2**31) + 2**12), np.arange(2**31 - 2**12, 2**31)]).astype(np.int32)
    words = np.sort(np.concatenate([middle, tails]))
    found = np.asarray(normal_of_word(words.view(np.uint32)))
    assert found.dtype == np.float32
    assert (np.diff(found) >= 0).all()
    below_one = 1 - 2.0**-24
    uniform = np.clip(words.astype(np.float32).astype(float) / 2**31, -below_one, below_one)
    # the float32 inverse of erf is good to 6e-6 around 4, which moves the tail there by 1e-4 of itself
    assert_allclose(found, sqrt(2) * special.erfinv(uniform), rtol=1e-5, atol=0)
    assert found[-1] == -found[0] == np.float32(5.419983)


# --- draws -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
def test_draws_have_the_normal_distribution(dtype: str) -> None:
    count = 2**20
    z = drawn(0, count, dtype)
    assert z.dtype == dtype
    z = z.astype(float)
    assert stats.kstest(z, "norm").pvalue > FALSE_ALARM
    for power in range(1, 7):
        # E z^k, and Var z^k = E z^2k - (E z^k)^2, from E z^2m = (2m - 1)!!
        mean, square = (0 if k % 2 else special.factorial2(k - 1) for k in (power, 2 * power))
        error = sqrt((square - mean**2) / count)
        assert abs((z**power).mean() - mean) < stats.norm.isf(FALSE_ALARM / 20) * error
    for far in (3.0, 4.0, 4.5):
        for beyond in ((z > far).sum(), (z < -far).sum()):
            share = stats.norm.sf(far)
            assert min(stats.binom.cdf(beyond, count, share), stats.binom.sf(beyond - 1, count, share)) > FALSE_ALARM


@pytest.mark.parametrize("dtype", DTYPES)
def test_draws_are_independent(dtype: str) -> None:
    """Of numbers that share a hash, of neighbours, of arrays of one network, of keys: values, sizes and signs."""
    half = 2**18
    first, other = drawn(0, 2 * half, dtype).astype(float), drawn(1, 2 * half, dtype).astype(float)
    with double():
        arrays = standard_normals(jax.random.key(0), {"a": (half,), "b": (512, half // 512)}, dtype)
    pairs = [
        (first[:half], first[half:]),
        (first[0::2], first[1::2]),
        (first, other),
        tuple(np.ravel(array).astype(float) for array in arrays.values()),
    ]
    for x, y in pairs:
        for look in (np.asarray, np.square, np.sign):
            u, v = look(x), look(y)
            # of independent samples the correlation is normal, of variance one over their number
            assert abs(np.corrcoef(u, v)[0, 1]) < stats.norm.isf(FALSE_ALARM / 50) / len(u) ** 0.5


@pytest.mark.parametrize("count", [0, 1, 4097])
@pytest.mark.parametrize("dtype", DTYPES)
def test_any_number_can_be_drawn_anywhere(count: int, dtype: str) -> None:
    """Compiled or not, mapped or not, with JAX's 64 bits on or off: the same numbers, all different."""
    known = drawn(3, count, dtype)
    assert known.shape == (count,)
    assert len(np.unique(known)) == count

    def mapped(seeds):
        return jax.vmap(lambda seed: normals(jax.random.key(seed), count, dtype))(seeds)

    with double():
        assert_allclose(jax.jit(mapped)(np.arange(2, 5))[1], known, rtol=1e-6)
    if dtype == "float32":
        assert_array_equal(normals(jax.random.key(3), count, dtype), known)


@pytest.mark.parametrize("key", ["rbg", "unsafe_rbg", None])
def test_every_kind_of_key_is_taken(key: str | None) -> None:
    own = jax.random.PRNGKey(0) if key is None else jax.random.key(0, impl=key)
    z = np.asarray(normals(own, 10_001, "float32"))
    assert stats.kstest(z, "norm").pvalue > FALSE_ALARM


def test_small_arrays_share_a_vector_and_no_numbers() -> None:
    shapes = {"matrix": (100, 99), "one": (), "row": (1, 31), "column": (17,), "none": (0, 5)}
    found = standard_normals(jax.random.key(0), shapes, "float32")
    assert {name: array.shape for name, array in found.items()} == shapes
    # ten thousand different numbers out of some 2^25 repeat a few times
    together = np.concatenate([np.ravel(array) for array in found.values()])
    small = np.concatenate([np.ravel(found[name]) for name in ("one", "row", "column")])
    assert len(np.unique(small)) == 49
    assert len(np.unique(together)) > len(together) - 20
