"""Tests of significance against values computed by hand or published."""

import numpy as np
import pytest
import scipy

from app.analysis.significance import holm, mcnemar_exact


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
