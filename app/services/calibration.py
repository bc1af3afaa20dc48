import numpy as np
from sqlalchemy.orm import Session

from app.analysis.calibration import expected_calibration_error, reliability_bins
from app.repository.calibration import list_labelled
from app.schemas.calibration import LABELS_NEEDED, Calibration, CalibrationBin, CalibrationQuery
from app.schemas.results import ResultFilters


def calibration(session: Session, query: CalibrationQuery) -> Calibration:
    filters = ResultFilters(model_version=query.model_version, since=query.since, until=query.until)
    labelled = np.fromiter(
        list_labelled(session, filters, sampled=query.sample == "random"),
        dtype=[("confidence", np.float64), ("correct", np.bool_)],
    )
    confidence, correct = labelled["confidence"], labelled["correct"]
    enough = labelled.size >= LABELS_NEEDED
    bins = reliability_bins(confidence, correct) if enough else []
    return Calibration(
        status="ok" if enough else "not enough data",
        labelled=labelled.size,
        needed=LABELS_NEEDED,
        mean_confidence=float(confidence.mean()) if labelled.size else None,
        accuracy=float(correct.mean()) if labelled.size else None,
        expected_calibration_error=expected_calibration_error(bins),
        bins=[CalibrationBin(count=part.size, **part._asdict()) for part in bins],
    )
