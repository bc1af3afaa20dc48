"""Compare confidence with how often people found the answers right."""

import numpy as np
from sqlalchemy.orm import Session

from app.analysis.calibration import expected_calibration_error, reliability_bins
from app.repository.calibration import list_judged
from app.schemas.calibration import LABELS_NEEDED, Calibration, CalibrationBin, CalibrationQuery
from app.schemas.results import ResultFilters


def calibration(session: Session, query: CalibrationQuery) -> Calibration:
    """Compare how sure answers were with how often people found them right."""
    filters = ResultFilters(model_version=query.model_version, since=query.since, until=query.until)
    judged = np.fromiter(
        list_judged(session, filters, sampled=query.sample == "random"),
        dtype=[("confidence", np.float64), ("right", np.bool_)],
    )
    confidence, right = judged["confidence"], judged["right"]
    enough = judged.size >= LABELS_NEEDED
    bins = reliability_bins(confidence, right) if enough else []
    return Calibration(
        status="ok" if enough else "not enough data",
        labelled=judged.size,
        needed=LABELS_NEEDED,
        mean_confidence=float(confidence.mean()) if judged.size else None,
        accuracy=float(right.mean()) if judged.size else None,
        expected_calibration_error=expected_calibration_error(bins),
        bins=[CalibrationBin(count=one.size, **one._asdict()) for one in bins],
    )
