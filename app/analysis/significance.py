from collections.abc import Sequence

import numpy as np


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
