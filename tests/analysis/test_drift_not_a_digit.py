"""Drift of the probability that drawings are not digits, which older answers do not have."""

import numpy as np
import pytest
import scipy

from app.analysis.drift import Observations, compare
from app.drawings.ink_statistics import INK
from app.schemas.drift import SIGNALS, DriftSignal, Thresholds


def observations(size: int, seed: int) -> Observations:
    """Random answers without the probability."""
    rng = np.random.default_rng(seed)
    digits, confidence = rng.integers(0, 10, size), rng.random(size)
    return Observations(digits, confidence, np.full(size, np.nan), rng.normal(size=(size, 6)).astype(np.float32))


def compared(window: Observations, reference: Observations) -> dict[str, DriftSignal]:
    signals = compare(window, reference, Thresholds(p=0.01, psi=0.1))
    return {one.name: one for one in signals}


@pytest.mark.parametrize(("told", "names"), [(299, []), (300, ["not_a_digit"])])
def test_it_is_compared_if_both_windows_have_it_for_300_drawings(told: int, names: list[str]) -> None:
    few, many = observations(500, seed=1), observations(900, seed=2)
    few.not_a_digit[-told:] = np.linspace(0, 1, told)
    many.not_a_digit[100:] = np.linspace(0, 1, 800)
    for window, reference in ((few, many), (many, few)):
        assert list(compared(window, reference)) == ["digits", "confidence", *names, *INK]


def test_signals_have_their_order_if_all_are_compared() -> None:
    window, reference = observations(300, seed=1), observations(300, seed=2)
    window.not_a_digit[:] = reference.not_a_digit[:] = 0.5
    assert tuple(compared(window, reference)) == SIGNALS


def test_drawings_without_it_are_left_out() -> None:
    window, reference = observations(500, seed=1), observations(900, seed=2)
    window.not_a_digit[::5] = 0.9
    window.not_a_digit[1::5] = 0.1
    window.not_a_digit[2::5] = 0.1
    reference.not_a_digit[100:] = np.linspace(0, 1, 800)
    one = compared(window, reference)["not_a_digit"]
    known = scipy.stats.ks_2samp([0.9] * 100 + [0.1] * 200, np.linspace(0, 1, 800), method="asymp")
    assert (one.test, one.statistic, one.p) == ("kolmogorov-smirnov", known.statistic, known.pvalue)
    assert (one.window, one.reference) == pytest.approx((1.1 / 3, 0.5))
    assert sum(one.histogram.window) == pytest.approx(1)
