from itertools import chain

import numpy as np
from sqlalchemy.orm import Session

from app.analysis.calibration import expected_calibration_error, reliability_bins
from app.repository.calibration import count_labelled
from app.schemas.calibration import LABELS_NEEDED, Calibration, CalibrationQuery
from app.schemas.results import ResultFilters


def get_calibration(session: Session, query: CalibrationQuery) -> Calibration:
    filters = ResultFilters(model_version=query.model_version, since=query.since, until=query.until)
    rows = count_labelled(session, filters, sampled=query.sample == "random")
    # A row has millionths, correct and size.
    numbers = np.fromiter(chain.from_iterable(rows), np.int64, 3 * len(rows))
    millionths, correct, size = numbers.reshape(-1, 3).T
    labelled = int(size.sum())
    enough = labelled >= LABELS_NEEDED
    bins = reliability_bins(millionths / 1e6, correct.astype(np.bool_), size) if enough else []
    return Calibration(
        status="ok" if enough else "not enough data",
        labelled=labelled,
        needed=LABELS_NEEDED,
        mean_confidence=int((millionths * size).sum()) / 1e6 / labelled if labelled else None,
        accuracy=int((correct * size).sum()) / labelled if labelled else None,
        expected_calibration_error=expected_calibration_error(bins),
        bins=bins,
    )
