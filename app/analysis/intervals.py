"""Confidence intervals and tests on shares."""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

# SciPy is imported by the functions that use it: it takes seventy megabytes and a second, which a service that is never
# asked for such a thing need not pay.


class Interval(NamedTuple):
    """The two ends of a 95 % confidence interval."""

    low: float
    high: float


# A timeline asks for thousands of them, mostly of the same few labels, and SciPy works out a p-value along with each.
@lru_cache(maxsize=4096)
def wilson_interval(successes: int, trials: int) -> Interval | None:
    """Return the 95 % Wilson score interval of a share (Wilson 1927), or None when there were no trials.

    Unlike the textbook interval it stays within 0..1 and holds for few trials and for shares near 0 and 1.
    """
    from scipy import stats

    if not trials:
        return None
    interval = stats.binomtest(successes, trials).proportion_ci(0.95, method="wilson")
    return Interval(float(interval.low), float(interval.high))


def mcnemar_exact(only_first: int, only_second: int) -> float:
    """Return the p-value of McNemar's exact test (two-sided): do two models differ on the same drawings?

    Takes how many drawings only the first and only the second read right; where both agree says nothing. Under the
    hypothesis that they are equally good, each such drawing is a toss of a fair coin (McNemar 1947).
    """
    from scipy import stats

    trials = only_first + only_second
    return float(stats.binomtest(only_first, trials).pvalue) if trials else 1.0


def holm(p_values: Sequence[float]) -> list[float]:
    """Return the p-values (K,) corrected for there being several: how likely one as small is among all of them.

    Holm 1979, "A simple sequentially rejective multiple test procedure": the chance that any of them falls below a
    level although its hypothesis is true is at most that level, whatever the tests have to do with one another.
    """
    raw = np.asarray(p_values, np.float64)
    order = raw.argsort(kind="stable")
    adjusted = np.empty_like(raw)
    adjusted[order] = np.minimum(np.maximum.accumulate(raw[order] * np.arange(len(raw), 0, -1)), 1)
    return [float(p) for p in adjusted]
