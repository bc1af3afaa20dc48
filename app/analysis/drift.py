"""Drift: significant and large differences between two windows."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from app.analysis.significance import holm
from app.drawings.arrays import Floats
from app.drawings.ink_statistics import INK
from app.drawings.shape import by_digit
from app.schemas.drift import DRAWINGS_NEEDED, DriftHistogram, DriftSignal, Thresholds

_BINS = 10
_HISTOGRAM_BINS = 20
_SMOOTHING = 0.5
Integers = npt.NDArray[np.int64]
Values = npt.NDArray[np.float32] | npt.NDArray[np.float64]


class Observations(NamedTuple):
    """Digits int (N,), confidence (N,), the probability of no digit (N,), NaN if unknown, and ink statistics (N, 6)."""

    digits: Integers
    confidence: npt.NDArray[np.float64]
    not_a_digit: npt.NDArray[np.float64]
    ink: Floats


class _Comparison(NamedTuple):
    """A DriftSignal before p is corrected."""

    name: str
    test: str
    statistic: float
    p: float
    psi: float
    psi_by_chance: float
    window: float | dict[str, float]
    reference: float | dict[str, float]
    histogram: DriftHistogram


def compare(window: Observations, reference: Observations, thresholds: Thresholds) -> list[DriftSignal]:
    """Compare every property of two windows of at least one drawing.

    Drift has an adjusted p-value below `p`, and a PSI at least `psi` above that by chance, or nine tests and small
    windows would raise many false alarms. `not_a_digit` is compared if both have enough.
    """
    found = [_compare_digits(window.digits, reference.digits)]
    found.append(_compare_values("confidence", window.confidence, reference.confidence))
    known = [one.not_a_digit[~np.isnan(one.not_a_digit)] for one in (window, reference)]
    if min(map(len, known)) >= DRAWINGS_NEEDED:
        found.append(_compare_values("not_a_digit", *known))
    found += [_compare_values(name, window.ink[:, i], reference.ink[:, i]) for i, name in enumerate(INK)]
    signals = []
    for one, adjusted in zip(found, holm([one.p for one in found]), strict=True):
        fields = one._asdict()
        threshold = thresholds.psi + fields.pop("psi_by_chance")
        drifted = adjusted < thresholds.p and one.psi >= threshold
        signals.append(DriftSignal(**fields, adjusted_p=adjusted, psi_threshold=threshold, drifted=drifted))
    return signals


def _compare_digits(window: Integers, reference: Integers) -> _Comparison:
    from scipy import stats  # Slow to load.

    counts = np.stack([np.bincount(digits, minlength=10) for digits in (window, reference)])
    test = stats.chi2_contingency(counts[:, counts.any(axis=0)])
    window_shares, reference_shares = (counts / counts.sum(axis=1, keepdims=True)).tolist()
    stability = population_stability(*counts)
    histogram = DriftHistogram(edges=list(range(11)), window=window_shares, reference=reference_shares)
    shares = by_digit(window_shares), by_digit(reference_shares)
    return _Comparison(
        "digits", "chi-square", float(test.statistic), float(test.pvalue), *stability, *shares, histogram
    )


def _compare_values(name: str, window: Values, reference: Values) -> _Comparison:
    from scipy import stats

    # The exact distribution takes seconds, and agrees for hundreds of drawings.
    test = stats.ks_2samp(window, reference, method="asymp")
    edges = _edges(reference)
    bins = (np.searchsorted(edges, values, side="right") for values in (window, reference))
    stability = population_stability(*(np.bincount(numbers, minlength=len(edges) + 1) for numbers in bins))
    means = float(window.mean()), float(reference.mean())
    histogram = _histogram(window, reference)
    return _Comparison(
        name, "kolmogorov-smirnov", float(test.statistic), float(test.pvalue), *stability, *means, histogram
    )


def _histogram(window: Values, reference: Values) -> DriftHistogram:
    edges = np.histogram_bin_edges(np.concatenate([window, reference]), _HISTOGRAM_BINS)
    window_shares, reference_shares = (
        (np.histogram(values, edges)[0] / len(values)).tolist() for values in (window, reference)
    )
    return DriftHistogram(edges=edges.tolist(), window=window_shares, reference=reference_shares)


def _edges(reference: Values) -> Values:
    """Return the inner edges of at most ten equal bins; a frequent value gets its own."""
    quantiles = np.quantile(reference, np.arange(1, _BINS) / _BINS, method="inverted_cdf")
    values, times = np.unique(quantiles, return_counts=True)
    return np.union1d(values, np.nextafter(values[times > 1], np.inf))


class Stability(NamedTuple):
    psi: float
    by_chance: float


def population_stability(window: Integers, reference: Integers) -> Stability:
    """Compare counts (K,): 0 for equal shares, notable from 0.1.

    The sum of (p - q) ln(p / q), Jeffreys' divergence (1946), with 0.5 added to each count. By chance it is about
    (K - 1) (1/n + 1/m): Yurdakul 2018, "Statistical Properties of Population Stability Index".
    """
    counts = np.stack([window, reference])[:, (window + reference) > 0]
    by_chance = (counts.shape[1] - 1) * float((1 / counts.sum(axis=1)).sum())
    smooth = counts + _SMOOTHING
    p, q = smooth / smooth.sum(axis=1, keepdims=True)
    return Stability(float(((p - q) * np.log(p / q)).sum()), by_chance)
