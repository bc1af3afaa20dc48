import numpy as np
from sqlalchemy.orm import Session

from app.analysis.calibration import expected_calibration_error, reliability_bins
from app.repository.calibration import count_labelled
from app.schemas.calibration import LABELS_NEEDED, Calibration, CalibrationBin, CalibrationQuery
from app.schemas.results import ResultFilters


def calibration(session: Session, query: CalibrationQuery) -> Calibration:
    filters = ResultFilters(model_version=query.model_version, since=query.since, until=query.until)
    rows = count_labelled(session, filters, sampled=query.sample == "random")
    counted = np.array([(row.millionths, row.correct, row.size) for row in rows], np.int64).reshape(-1, 3)
    millionths, correct = np.repeat(counted[:, :2], counted[:, 2], axis=0).T
    confidence, correct = millionths / 1e6, correct.astype(np.bool_)
    enough = correct.size >= LABELS_NEEDED
    bins = reliability_bins(confidence, correct) if enough else []
    return Calibration(
        status="ok" if enough else "not enough data",
        labelled=correct.size,
        needed=LABELS_NEEDED,
        mean_confidence=float(confidence.mean()) if correct.size else None,
        accuracy=float(correct.mean()) if correct.size else None,
        expected_calibration_error=expected_calibration_error(bins),
        bins=[CalibrationBin(count=part.size, **part._asdict()) for part in bins],
    )
