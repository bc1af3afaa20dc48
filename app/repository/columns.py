"""The columns of a prediction that the API shows."""

from typing import Final

from app.models import Prediction

PREDICTION_COLUMNS: Final = (
    Prediction.id,
    Prediction.prediction,
    Prediction.confidence,
    Prediction.model_version,
    Prediction.created_at,
    Prediction.notes,
)
