from collections.abc import Sequence
from math import sqrt
from typing import Final, NamedTuple

import numpy as np

# The 97.5 % quantile of the standard normal distribution.
_Z: Final = 1.959963984540054


class Interval(NamedTuple):
    low: float
    high: float


def wilson_interval(successes: int, trials: int) -> Interval | None:
    """Return the 95 % Wilson score interval of a share (Wilson 1927), or None without trials."""
    if not trials:
        return None
    failures = trials - successes
    centre = successes + _Z**2 / 2
    margin = _Z * sqrt(successes * failures / trials + _Z**2 / 4)
    low, high = (end / (trials + _Z**2) for end in (centre - margin, centre + margin))
    return Interval(low if successes else 0.0, high if failures else 1.0)


def mcnemar_exact(only_first: int, only_second: int) -> float:
    """Return the two-sided p-value of McNemar's exact test (1947) on the drawings that only one model got right."""
    # Loads faster than stats.
    from scipy import special

    trials = only_first + only_second
    return min(1.0, 2 * float(special.bdtr(min(only_first, only_second), trials, 0.5))) if trials else 1.0


def holm(p_values: Sequence[float]) -> list[float]:
    """Correct p-values (K,) for multiple tests, dependent or not.

    Holm 1979, "A simple sequentially rejective multiple test procedure".
    """
    raw = np.asarray(p_values, np.float64)
    order = raw.argsort(kind="stable")
    adjusted = np.empty_like(raw)
    adjusted[order] = np.minimum(np.maximum.accumulate(raw[order] * np.arange(len(raw), 0, -1)), 1)
    return [float(p) for p in adjusted]
