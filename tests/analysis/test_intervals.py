"""Statistics against values computed by hand or published."""

import numpy as np
import numpy.typing as npt
import pytest
import scipy

from app.analysis.calibration import expected_calibration_error, reliability_bins
from app.analysis.intervals import holm, mcnemar_exact, wilson_interval
from app.schemas.calibration import CalibrationBin


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


@pytest.mark.parametrize(
    ("only_first", "only_second", "p"),
    [(0, 0, 1), (5, 5, 1), (1, 0, 1), (10, 0, 2 / 2**10), (0, 10, 2 / 2**10), (1, 9, 2 * 11 / 2**10)],
)
def test_mcnemar_is_a_binomial_test_of_the_differences(only_first: int, only_second: int, p: float) -> None:
    assert mcnemar_exact(only_first, only_second) == pytest.approx(p)


@pytest.mark.parametrize("trials", [1, 2, 7, 100, 12_345])
def test_mcnemar_is_the_binomial_test_of_scipy(trials: int) -> None:
    for only_first in sorted({0, 1, trials // 3, trials // 2, trials - 1, trials}):
        expected = scipy.stats.binomtest(only_first, trials).pvalue
        assert mcnemar_exact(only_first, trials - only_first) == pytest.approx(expected, rel=1e-9)


def test_holm_multiplies_the_smallest_by_the_number_of_tests_and_keeps_the_order() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, 0.9, 0.6]) == [1, 1, 1]
    assert holm([0.02]) == [0.02]
    assert holm([]) == []


def test_holm_controls_the_family_wise_error_rate() -> None:
    rng = np.random.default_rng(1)
    trials = 2000
    # Eight tests without any effect: uncorrected, 34 % of the trials have one below 0.05.
    p_values = rng.random((trials, 8))
    assert (p_values.min(axis=1) < 0.05).mean() > 0.3
    alarms = sum(min(holm(row.tolist())) < 0.05 for row in p_values)
    assert alarms / trials == pytest.approx(0.05, abs=0.015)


def bins_of(confidence: npt.NDArray[np.float64], right: npt.NDArray[np.bool_], bins: int = 10) -> list[CalibrationBin]:
    return reliability_bins(confidence, right, np.ones(confidence.size, np.int64), bins)


def numbers_of(one: CalibrationBin) -> tuple[float, ...]:
    return one.count, one.lowest, one.highest, one.mean_confidence, one.accuracy


def test_bins_have_equal_size_and_ascending_confidence() -> None:
    confidence = np.array([0.9, 0.5, 0.7, 0.6, 0.8, 1.0])
    right = np.array([True, False, True, False, False, True])
    low, high = bins_of(confidence, right, bins=2)
    assert numbers_of(low) == pytest.approx((3, 0.5, 0.7, 0.6, 1 / 3))
    assert numbers_of(high) == pytest.approx((3, 0.8, 1.0, 0.9, 2 / 3))
    assert (low.interval, high.interval) == (wilson_interval(1, 3), wilson_interval(2, 3))


@pytest.mark.parametrize(("answers", "sizes"), [(25, [3, 3, 3, 3, 3, 2, 2, 2, 2, 2]), (3, [1, 1, 1]), (0, [])])
def test_every_answer_is_in_one_bin(answers: int, sizes: list[int]) -> None:
    confidence = np.linspace(0.1, 1, answers)
    bins = bins_of(confidence, confidence > 0.5)
    assert [one.count for one in bins] == sizes


def test_equal_confidences_fill_all_bins() -> None:
    bins = bins_of(np.full(100, 0.9), np.arange(100) % 10 > 0)
    assert [(one.lowest, one.highest) for one in bins] == [(0.9, 0.9)] * 10
    assert expected_calibration_error(bins) == pytest.approx(0, abs=1e-12)


def test_calibration_error_weights_bins_by_size() -> None:
    # Two bins of two answers and one: off by 0.4 and by 0.9.
    bins = bins_of(np.array([0.4, 0.8, 0.9]), np.array([True, True, False]), bins=2)
    assert expected_calibration_error(bins) == pytest.approx((2 * 0.4 + 1 * 0.9) / 3)


def test_no_calibration_error_without_predictions() -> None:
    assert expected_calibration_error([]) is None


def test_calibration_error_of_a_calibrated_model_is_due_to_chance() -> None:
    # See docs/monitoring.md: bins of twenty differ by about 0.07 by chance.
    rng = np.random.default_rng(1)
    errors = []
    for _ in range(50):
        confidence = rng.uniform(0.5, 1, 200)
        errors.append(expected_calibration_error(bins_of(confidence, rng.random(200) < confidence)))
    assert np.mean(np.array(errors, np.float64)) == pytest.approx(0.07, abs=0.01)


def test_calibration_error_of_an_overconfident_model_is_its_excess_confidence() -> None:
    rng = np.random.default_rng(1)
    confidence = rng.uniform(0.8, 1, 5000)
    bins = bins_of(confidence, rng.random(5000) < confidence - 0.3)
    assert expected_calibration_error(bins) == pytest.approx(0.3, abs=0.02)
    assert all(one.interval[1] < one.mean_confidence for one in bins)


def test_counted_predictions_have_the_bins_of_single_ones() -> None:
    rng = np.random.default_rng(1)
    confidence, right, size = rng.integers(0, 20, 60) / 20, rng.random(60) < 0.5, rng.integers(0, 9, 60)
    single = bins_of(np.repeat(confidence, size), np.repeat(right, size))
    for counted, expected in zip(reliability_bins(confidence, right, size), single, strict=True):
        assert numbers_of(counted) == pytest.approx(numbers_of(expected))
        assert counted.interval == expected.interval
