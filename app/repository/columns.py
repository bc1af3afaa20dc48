"""The columns of a prediction that the API shows."""

from typing import Any, Final

from sqlalchemy.orm import InstrumentedAttribute

from app.models import Prediction
from app.schemas.results import ResultSummary

# The label is in another table.
PREDICTION_COLUMNS: Final[tuple[InstrumentedAttribute[Any], ...]] = tuple(
    getattr(Prediction, name) for name in ResultSummary.model_fields if name != "label"
)
