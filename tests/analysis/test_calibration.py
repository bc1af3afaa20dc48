"""Reliability bins and the calibration error."""

import numpy as np
import numpy.typing as npt
import pytest

from app.analysis.calibration import expected_calibration_error, reliability_bins
from app.analysis.intervals import wilson_interval
from app.schemas.calibration import CalibrationBin


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
