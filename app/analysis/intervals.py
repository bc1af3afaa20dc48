from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

# SciPy takes 70 MB and a second, so functions import it.


class Interval(NamedTuple):
    low: float
    high: float


# A timeline asks thousands of times for the same few values.
@lru_cache(maxsize=4096)
def wilson_interval(successes: int, trials: int) -> Interval | None:
    """Return the 95 % Wilson score interval of a share (Wilson 1927), or None without trials."""
    from scipy import stats

    if not trials:
        return None
    interval = stats.binomtest(successes, trials).proportion_ci(0.95, method="wilson")
    return Interval(float(interval.low), float(interval.high))


def mcnemar_exact(only_first: int, only_second: int) -> float:
    """Return the two-sided p-value of McNemar's exact test (McNemar 1947).

    Takes how many drawings only the first or only the second model got right.
    """
    from scipy import stats

    trials = only_first + only_second
    return float(stats.binomtest(only_first, trials).pvalue) if trials else 1.0


def holm(p_values: Sequence[float]) -> list[float]:
    """Correct p-values (K,) for multiple tests, dependent or not.

    Holm 1979, "A simple sequentially rejective multiple test procedure".
    """
    raw = np.asarray(p_values, np.float64)
    order = raw.argsort(kind="stable")
    adjusted = np.empty_like(raw)
    adjusted[order] = np.minimum(np.maximum.accumulate(raw[order] * np.arange(len(raw), 0, -1)), 1)
    return [float(p) for p in adjusted]
