"""The rule that calls a slope right or wrong, on numbers made for it: how often it errs, and what it catches."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from ntksym.validation.coordinates_fit import Judgement, judge, limit_of, line, quantile, straight

X = np.arange(6.0, 11.0)
SPREAD, SAMPLES, TESTS = 0.05, 32, 40
TOLERANCE, FALSE_ALARM = 0.1, 0.05
ALLOWED = quantile(FALSE_ALARM, TESTS, SAMPLES)


def judged(y: np.ndarray, seed: int, spread: float = SPREAD, predicted: float = 0.0) -> Judgement:
    """Logarithmic sizes ``y``, each the mean of SAMPLES normal numbers, held against a prediction."""
    random = np.random.default_rng(seed)
    drawn = y[:, None] + spread * np.sqrt(SAMPLES) * random.standard_normal((len(y), SAMPLES))
    error = drawn.std(axis=1, ddof=1) / np.sqrt(SAMPLES)
    x = X[: len(y)]
    return judge(x, drawn.mean(axis=1), error, (predicted, predicted), TOLERANCE, ALLOWED)


def test_a_line_is_least_squares() -> None:
    y = np.array([1.0, 0.2, 0.4, -0.7, -1.1])
    expected, covariance = np.polyfit(X, y, 1, w=1 / np.full(5, 0.3), cov="unscaled")
    found = line(X, y, np.full(5, 0.3))
    assert found.slope == pytest.approx(expected[0], rel=1e-9)
    assert found.error == pytest.approx(np.sqrt(covariance[0, 0]), rel=1e-9)


def test_the_quantile_is_that_of_student() -> None:
    assert stats.t.sf(quantile(1e-3, 50, 64), 63) == pytest.approx(1e-3 / 100)


def test_a_correction_is_taken_off_exactly() -> None:
    """y = 3 + x / 2 + 4 n^(-1/2): the line bends, the limit does not."""
    y = 3 + X / 2 + 4 * 2 ** (-X / 2)
    limit, _ = limit_of(X, y, np.full(5, 0.01))
    assert limit == pytest.approx(0.5, abs=1e-9)
    assert line(X, y, np.full(5, 0.01)).slope < 0.45


def test_the_straight_part_leaves_small_sizes_out() -> None:
    y = np.array([1.0, 0.5, 0.2, 0.2, 0.2])
    assert straight(X, y, np.full(5, 0.01))[1] == 3
    assert straight(X, np.zeros(5), np.full(5, 0.01))[1] == 5


def test_the_false_alarm_rate_holds() -> None:
    """A correct slope that uses up all of the tolerance is called wrong in at most 5 % / 40 of 2000 trials.

    Of 2000 with that rate, 11 or more are wrong with probability 1e-4: that is this test's own false-alarm rate.
    """
    wrong = sum(judged(TOLERANCE * X, seed).verdict == "violated" for seed in range(2000))
    assert stats.binom.sf(10, 2000, FALSE_ALARM / TESTS) < 1e-4
    assert wrong <= 10


@pytest.mark.parametrize("slope", [-0.5, 0.5, 1.0])
def test_a_slope_off_by_a_half_is_caught(slope: float) -> None:
    """The verdict "holds" promises to miss at most one in ten; here the error is small, and it misses none."""
    assert {judged(slope * X, seed, 0.03).verdict for seed in range(200)} == {"violated"}


def test_a_noisy_slope_is_undecided() -> None:
    assert {judged(0 * X, seed, 0.4).verdict for seed in range(100)} <= {"undecided"}


def test_what_holds_would_have_been_caught() -> None:
    """At any noise, a slope off by a half is called right in a tenth of the cases at most (false alarm 1e-4)."""
    for spread in (0.1, 0.15, 0.2):
        passed = sum(judged(0.5 * X, seed, spread).verdict in ("holds", "drifts") for seed in range(400))
        assert passed <= stats.binom.isf(1e-4, 400, 0.1)


def test_a_deviation_that_shrinks_drifts() -> None:
    """log2(1 + 10 n^(-1/2)): local slopes from -0.28 to -0.12 at these sizes, 0 in the limit."""
    y = np.log2(1 + 10 * 2 ** (-X / 2))
    found = judged(y, 0, 0.002)
    assert found.verdict == "drifts"
    assert abs(found.limit or 9) < 0.1
    assert judged(y - 0.5 * X, 0, 0.002).verdict == "violated"


def test_a_deviation_that_grows_is_violated() -> None:
    y = np.log2(1 + 2 ** ((X - 9) / 2))
    assert judged(y, 0, 0.002).verdict == "violated"


def test_two_sizes_give_a_slope_without_a_limit() -> None:
    found = judged(np.zeros(2), 0, 0.01)
    assert (found.verdict, found.points, found.limit) == ("holds", 2, None)


@pytest.mark.parametrize(("slope", "verdict"), [(-0.5, "holds"), (-0.25, "holds"), (0.0, "holds"), (-1.0, "violated")])
def test_of_a_maximum_of_powers_any_slope_between_them_holds(slope: float, verdict: str) -> None:
    found = judge(X, slope * X, np.full(len(X), 1e-3), (-0.5, 0.0), TOLERANCE, ALLOWED)
    assert found.verdict == verdict
