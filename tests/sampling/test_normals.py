"""The numbers that weights are made of: their distribution, their independence, and where they may be drawn.

Seeds are fixed; each statistical test would fail with a probability of at most 1e-6 for a seed drawn anew.
"""

from math import sqrt

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import special, stats

from ntksym.errors import SamplingError
from ntksym.sampling.normals import normal_of_words, normals, standard_normals, threefry
from ntksym.sampling.precision import double

jax = pytest.importorskip("jax", reason='needs the extra "networks"')

FALSE_ALARM = 1e-6
DTYPES = ("float32", "float64")


def seed(number: int) -> np.ndarray:
    return np.array([0, number], np.uint32)


def drawn(number: int, count: int, dtype: str, stream: int = 0) -> np.ndarray:
    with double():
        return np.asarray(jax.jit(normals, static_argnums=(1, 2, 3))(seed(number), stream, count, dtype))


# --- from words to numbers ---------------------------------------------------------------------------------


def test_the_hash_is_that_of_jax() -> None:
    """Bit for bit, and that of the authors' own test vectors."""
    from jax.extend.random import threefry_2x32

    words = np.random.default_rng(0).integers(0, 2**32, (2, 1000), dtype=np.uint32)
    key = words[:, 0]
    assert_array_equal(np.concatenate(threefry(key, words[0], words[1])), threefry_2x32(key, words.ravel()))
    for known, counters, found in (
        ((0, 0), (0, 0), (0x6B200159, 0x99BA4EFE)),
        ((2**32 - 1,) * 2, (2**32 - 1,) * 2, (0x1CB996FC, 0xBB002BE7)),
        ((0x13198A2E, 0x03707344), (0x243F6A88, 0x85A308D3), (0xC4923A9C, 0x483DF7A0)),
    ):
        first, second = (np.array([counter], np.uint32) for counter in counters)
        assert tuple(int(word[0]) for word in threefry(np.array(known, np.uint32), first, second)) == found


def test_words_become_quantiles() -> None:
    """All over the line and in both tails, where words are neighbours, against the quantiles of SciPy."""
    middle = np.arange(0, 2**32, 2**14 + 1, dtype=np.uint64).astype(np.uint32).view(np.int32)
    tails = np.concatenate([np.arange(-(2**31), -(2**31) + 2**12), np.arange(2**31 - 2**12, 2**31)]).astype(np.int32)
    words = np.sort(np.concatenate([middle, tails]))
    second = np.random.default_rng(0).integers(0, 2**32, words.shape, dtype=np.uint32)
    found = np.asarray(normal_of_words(words.view(np.uint32), second, "float32"))
    assert found.dtype == np.float32
    assert (np.diff(found) >= 0).all()
    below_one = 1 - 2.0**-24
    uniform = np.clip(words.astype(np.float32).astype(float) / 2**31, -below_one, below_one)
    # the float32 inverse of erf is good to 6e-6 around 4, which moves the tail there by 1e-4 of itself
    assert_allclose(found, sqrt(2) * special.erfinv(uniform), rtol=1e-5, atol=0)
    assert found[-1] == -found[0] == np.float32(5.419983)
    with double():
        fine = np.asarray(normal_of_words(words.view(np.uint32), second, "float64"))
    # a tail that is not rounded away, from both words as one integer of 64 bits
    quantiles = [stats.norm.ppf if word < 0 else stats.norm.isf for word in words[[0, 1, -2, -1]]]
    shares = [(2**63 + (int(w) << 32) + int(v)) / 2**64 for w, v in zip(words[:2], second[:2], strict=True)]
    shares += [(2**63 - (int(w) << 32) - int(v)) / 2**64 for w, v in zip(words[-2:], second[-2:], strict=True)]
    assert_allclose(fine[[0, 1, -2, -1]], [q(share) for q, share in zip(quantiles, shares, strict=True)], rtol=1e-7)
    assert_allclose(fine, sqrt(2) * special.erfinv(words / 2**31 + second / 2**63), rtol=1e-7)


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
    """Of neighbours, of distant numbers, of streams, of seeds, of arrays of one network: values, sizes and signs."""
    count = 2**18
    z = drawn(0, count, dtype).astype(float)
    with double():
        arrays = standard_normals(jax.random.key(0), {"a": (count,), "b": (512, count // 512)}, dtype)
    pairs = [
        (z[0::2], z[1::2]),
        (z[: count // 2], z[count // 2 :]),
        (z, drawn(0, count, dtype, stream=1)),
        (z, drawn(1, count, dtype)),
        tuple(np.ravel(array) for array in arrays.values()),
    ]
    for x, y in pairs:
        for look in (np.asarray, np.square, np.sign):
            # of independent samples the correlation is normal, of variance one over their number
            correlation = np.corrcoef(look(x).astype(float), look(y).astype(float))[0, 1]
            assert abs(correlation) < stats.norm.isf(FALSE_ALARM / 50) / len(x) ** 0.5


@pytest.mark.parametrize("count", [0, 1, 4097])
@pytest.mark.parametrize("dtype", DTYPES)
def test_any_number_can_be_drawn_anywhere(count: int, dtype: str) -> None:
    """Mapped or not, with JAX's 64 bits on or off, the same numbers; almost all differ."""
    known = drawn(3, count, dtype)
    assert known.shape == (count,)
    # of N numbers out of some 2^24, N^2 / 2^25 pairs agree; none of 2^53
    assert len(np.unique(known)) > count - (10 if dtype == "float32" else 1)

    def mapped(seeds):
        return jax.vmap(lambda own: normals(own, 0, count, dtype))(seeds)

    with double():
        found = jax.jit(mapped)(np.stack([seed(2), seed(3)]))[1]
    assert_allclose(found, known, rtol=1e-6 if dtype == "float32" else 1e-14)
    if dtype == "float32":
        assert_allclose(jax.jit(normals, static_argnums=(1, 2, 3))(seed(3), 0, count, dtype), known, rtol=1e-6)


def test_more_numbers_than_counters_are_refused() -> None:
    with pytest.raises(SamplingError, match=r"a parameter has 4294967297 entries; at most 2\^32"):
        normals(seed(0), 0, 2**32 + 1, "float32")


@pytest.mark.parametrize("key", ["rbg", "unsafe_rbg", None])
def test_every_kind_of_key_is_taken(key: str | None) -> None:
    own = jax.random.PRNGKey(0) if key is None else jax.random.key(0, impl=key)
    z = standard_normals(own, {"z": (10_001,)}, "float32")["z"]
    assert stats.kstest(np.asarray(z), "norm").pvalue > FALSE_ALARM


def test_small_arrays_share_a_vector_and_no_numbers() -> None:
    shapes = {"matrix": (100, 99), "one": (), "row": (1, 31), "column": (17,), "none": (0, 5)}
    found = standard_normals(jax.random.key(0), shapes, "float32")
    assert {name: array.shape for name, array in found.items()} == shapes
    small = np.concatenate([np.ravel(found[name]) for name in ("one", "row", "column")])
    assert len(np.unique(small)) == 49
    # of N numbers out of some 2^24, N^2 / 2^25 pairs agree: three
    together = np.concatenate([np.ravel(array) for array in found.values()])
    assert len(np.unique(together)) > len(together) - 20
