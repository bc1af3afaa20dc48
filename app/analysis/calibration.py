from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from app.analysis.intervals import wilson_interval
from app.schemas.calibration import CalibrationBin


def reliability_bins(
    confidence: npt.NDArray[np.float64],
    correct: npt.NDArray[np.bool_],
    size: npt.NDArray[np.int64],
    bins: int = 10,
) -> list[CalibrationBin]:
    """Divide predictions into bins of equal size. `size` (N,) says how many have this confidence and correctness."""
    values, group = np.unique(confidence, return_inverse=True)
    sizes = np.bincount(group, size).astype(np.int64)
    correct_sizes = np.bincount(group, size * correct).astype(np.int64)
    # Among equal confidences those that are correct are spread evenly, so that none is in a bin by chance.
    total = sizes.sum()
    place = np.arange(total) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    alike, share = np.repeat(sizes, sizes), np.repeat(correct_sizes, sizes)
    spread = (place + 1) * share // alike > place * share // alike
    parts = np.array_split(np.arange(total), bins)
    return [_bin(np.repeat(values, sizes)[part], spread[part]) for part in parts if part.size]


def _bin(confidence: npt.NDArray[np.float64], correct: npt.NDArray[np.bool_]) -> CalibrationBin:
    interval = wilson_interval(int(correct.sum()), correct.size)
    assert interval is not None
    return CalibrationBin(
        count=correct.size,
        lowest=float(confidence[0]),
        highest=float(confidence[-1]),
        mean_confidence=float(confidence.mean()),
        accuracy=float(correct.mean()),
        interval=interval,
    )


def expected_calibration_error(bins: Sequence[CalibrationBin]) -> float | None:
    """Return the mean of |confidence - accuracy| weighted by bin size.

    Guo et al. 2017 (arXiv 1706.04599), equation 3, with bins of equal mass.
    """
    total = sum(part.count for part in bins)
    if not total:
        return None
    return sum(part.count * abs(part.accuracy - part.mean_confidence) for part in bins) / total
