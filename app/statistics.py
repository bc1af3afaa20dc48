"""Statistics on answers: how sure a share is, whether confidence is honest, whether two models differ.

Knows neither the web nor the database.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import stats


class Interval(NamedTuple):
    """The two ends of a 95 % confidence interval."""

    low: float
    high: float


def wilson_interval(successes: int, trials: int) -> Interval | None:
    """Return the 95 % Wilson score interval of a share (Wilson 1927), or None when there were no trials.

    Unlike the textbook interval it stays within 0..1 and holds for few trials and for shares near 0 and 1.
    """
    if not trials:
        return None
    interval = stats.binomtest(successes, trials).proportion_ci(0.95, method="wilson")
    return Interval(float(interval.low), float(interval.high))


def mcnemar_exact(only_first: int, only_second: int) -> float:
    """Return the p-value of McNemar's exact test (two-sided): do two models differ on the same drawings?

    Takes how many drawings only the first and only the second read right; where both agree says nothing. Under the
    hypothesis that they are equally good, each such drawing is a toss of a fair coin (McNemar 1947).
    """
    trials = only_first + only_second
    return float(stats.binomtest(only_first, trials).pvalue) if trials else 1.0


class Bin(NamedTuple):
    """Answers of about the same confidence: how many, how sure they were and how many were right."""

    count: int
    mean_confidence: float
    accuracy: float


def reliability_bins(confidence: npt.NDArray[np.float64], right: npt.NDArray[np.bool_], bins: int = 10) -> list[Bin]:
    """Divide answers into bins of equal size by their confidence (N,) and compare it with what was right (N,)."""
    order = np.argsort(confidence, kind="stable")
    parts = [part for part in np.array_split(order, bins) if part.size]
    return [Bin(len(part), float(confidence[part].mean()), float(right[part].mean())) for part in parts]


def expected_calibration_error(bins: list[Bin]) -> float:
    """Return the mean distance, 0..1, between confidence and accuracy, weighted by the bins' sizes.

    Naeini et al. 2015, in the form of Guo et al. 2017 (arXiv 1706.04599), equation 3, on bins of equal mass.
    """
    total = sum(part.count for part in bins)
    return sum(part.count * abs(part.accuracy - part.mean_confidence) for part in bins) / total
