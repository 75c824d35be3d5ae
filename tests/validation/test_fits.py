"""Laws fitted to made-up numbers: coefficients come back, false alarms come as often as stated, errors are found."""

from fractions import Fraction

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats

from ntksym.errors import ValidationError
from ntksym.records.predictions import Law, coefficient, growth, limit, unbiased
from ntksym.validation.fits import caught, coefficients_of, design, fit, share, threshold

WIDTHS = (16, 32, 64, 128, 256)
BATCHES = 32
FALSE_ALARM = 1e-6
"""How often a test of a rate below fails though the rate is right."""


def numbers(rng: np.random.Generator, exact: np.ndarray, spread: np.ndarray | float) -> np.ndarray:
    return exact[:, None] + np.broadcast_to(spread, exact.shape)[:, None] * rng.standard_normal((len(exact), BATCHES))


def plausible(hits: int, trials: int, rate: float) -> bool:
    return bool(stats.binomtest(hits, trials, rate).pvalue > FALSE_ALARM)


@pytest.mark.parametrize(
    ("law", "widths", "count"),
    [
        (unbiased(), 2, 1),
        (unbiased(), 5, 1),
        (limit(), 2, 2),
        (limit(), 3, 2),
        (limit(), 4, 2),
        (limit(), 5, 3),
        (limit(), 9, 3),
        (limit(terms=0), 3, 1),
        (coefficient(1), 3, 3),
        (coefficient(1), 4, 3),
        (coefficient(1), 6, 4),
        (coefficient(1, leading=1, terms=1), 2, 2),
        (growth(), 3, 3),
        (growth(), 6, 3),
        (growth(()), 2, 2),
    ],
)
def test_the_number_of_coefficients_is_settled_by_the_number_of_widths(law: Law, widths: int, count: int) -> None:
    assert coefficients_of(law, widths) == count


@pytest.mark.parametrize(("law", "widths"), [(growth(), 2), (coefficient(1), 2), (limit(), 1)])
def test_too_few_widths_are_refused(law: Law, widths: int) -> None:
    with pytest.raises(
        ValidationError, match=r"too few for a (slope|limit|coefficient of n\^-1), which takes [23]; add"
    ):
        coefficients_of(law, widths)


def test_an_expansion_has_its_terms() -> None:
    assert coefficient(2, leading=1, terms=1) == Law((Fraction(-1), Fraction(-2), Fraction(-3)), 1)
    with pytest.raises(ValidationError, match="no term"):
        coefficient(1, leading=2)


@pytest.mark.parametrize(
    ("law", "true"),
    [
        (unbiased(), [0.7]),
        (limit(), [0.7, -3.0, 5.0]),
        (coefficient(1), [0.7, -3.0, 5.0]),
        (coefficient(1, leading=1), [2.0, -4.0, 9.0]),
        (growth(), [-0.5, 0.3, 2.0]),
    ],
)
def test_coefficients_come_back(law: Law, true: list[float]) -> None:
    """Noise of 1e-9 of different sizes at the widths."""
    exact = design(law, WIDTHS)[:, : len(true)] @ true
    found = fit(law, WIDTHS, numbers(np.random.default_rng(0), exact, 1e-9 / np.sqrt(WIDTHS)))
    assert_allclose(found.coefficients, true, rtol=1e-6)
    assert_allclose(found.measured, true[0 if law.growth else law.term], rtol=1e-6)
    assert 0 < found.error < 1e-6


def test_numbers_without_noise_have_no_error() -> None:
    found = fit(limit(), WIDTHS, np.full((len(WIDTHS), BATCHES), 0.7))
    assert (found.measured, found.error) == (pytest.approx(0.7, abs=1e-14), pytest.approx(0, abs=1e-14))


@pytest.mark.parametrize("law", [unbiased(), limit(), growth()])
def test_false_alarms_come_at_the_stated_rate(law: Law) -> None:
    """Of the number and of the law, each at 5 % in 4000 trials; this test fails by chance once in 500000 runs."""
    rng, trials, level = np.random.default_rng(1), 4000, 0.05
    true = np.array([0.7, -3.0, 5.0])[: coefficients_of(law, len(WIDTHS))]
    exact = design(law, WIDTHS)[:, : len(true)] @ true
    spread = 0.1 * np.array(WIDTHS) ** -0.5
    alarms, misfits, bound = 0, 0, threshold(level, BATCHES - 1)
    for _ in range(trials):
        found = fit(law, WIDTHS, numbers(rng, exact, spread))
        alarms += abs(found.measured - true[0]) > bound * found.error
        assert found.p is not None
        misfits += found.p < level
    assert plausible(alarms, trials, level), alarms
    assert plausible(misfits, trials, level), misfits


def test_an_error_of_the_stated_size_is_caught_as_often_as_stated() -> None:
    """90 % of 2000 trials; this test fails by chance once in a million runs."""
    rng, trials, bound = np.random.default_rng(2), 2000, threshold(1e-4, BATCHES - 1)
    off = caught(bound, BATCHES - 1, 0.9)
    values = rng.standard_normal((trials, BATCHES)) + off / np.sqrt(BATCHES)
    t = values.mean(1) / values.std(1, ddof=1) * np.sqrt(BATCHES)
    assert plausible(int((np.abs(t) > bound).sum()), trials, 0.9)


def test_a_number_of_another_law_does_not_fit() -> None:
    """A bias where none is predicted, a second term where one is fitted, a slope that changes: all far from chance."""
    rng = np.random.default_rng(3)
    n = np.array(WIDTHS)
    assert fit(unbiased(), WIDTHS, numbers(rng, 0.7 + 3 / n, 0.02)).p < 1e-6
    assert fit(limit(), WIDTHS[:4], numbers(rng, 0.7 + 100 / n[:4] ** 2, 0.02)).p < 1e-6
    assert fit(growth(), WIDTHS, numbers(rng, 0.2 * np.log(n) ** 2, 0.02)).p < 1e-6


def test_a_slope_with_an_uncertainty_may_bend_by_it() -> None:
    rng = np.random.default_rng(4)
    bent = numbers(rng, np.array([0.0, 0.02, 0.0, 0.02, 0.0]), 1e-4)
    assert fit(growth(), WIDTHS, bent).p < 1e-6
    assert fit(growth(), WIDTHS, bent, uncertainty=0.05).p > 0.01


def test_the_shares_of_a_family_make_the_whole() -> None:
    assert 40 * share(1e-3, 40) == pytest.approx(1e-3)
    assert share(1e-3, 0) == 1e-3
