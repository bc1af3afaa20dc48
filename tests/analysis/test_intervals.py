"""The Wilson interval against values computed by hand and by scipy."""

import pytest
import scipy

from app.analysis.intervals import wilson_interval


def test_interval_is_the_wilson_score_interval() -> None:
    # Eight of ten: (8 + z²/2 ± z √(8·2/10 + z²/4)) / (10 + z²) with z = 1.959964.
    assert wilson_interval(8, 10) == pytest.approx((0.490162, 0.943318), abs=1e-6)


@pytest.mark.parametrize("trials", [1, 2, 7, 100, 12_345])
def test_interval_is_the_one_of_scipy(trials: int) -> None:
    for successes in sorted({0, 1, trials // 3, trials // 2, trials - 1, trials}):
        expected = scipy.stats.binomtest(successes, trials).proportion_ci(0.95, method="wilson")
        assert wilson_interval(successes, trials) == pytest.approx((expected.low, expected.high), rel=1e-12)


@pytest.mark.parametrize("right", [0, 10])
def test_interval_is_within_0_and_1_and_has_a_width(right: int) -> None:
    interval = wilson_interval(right, 10)
    assert interval is not None
    assert 0 <= interval.low < interval.high <= 1


def test_more_trials_make_the_interval_narrower() -> None:
    few, many = wilson_interval(9, 10), wilson_interval(900, 1000)
    assert few is not None
    assert many is not None
    assert few.low < many.low < 0.9 < many.high < few.high


def test_no_interval_without_trials() -> None:
    assert wilson_interval(0, 0) is None
