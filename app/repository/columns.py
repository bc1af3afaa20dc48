from typing import Any, Final

from sqlalchemy import ColumnElement, String, Text
from sqlalchemy.orm import InstrumentedAttribute

from app.models import Drawing, Prediction
from app.schemas.results import ResultSummary

# The columns that the API shows; the label is in another table.
PREDICTION_COLUMNS: Final[tuple[InstrumentedAttribute[Any], ...]] = tuple(
    getattr(Prediction, name) for name in ResultSummary.model_fields if name != "label"
)

# Rows inserted by hand may hold other JSON.
SCORES: Final = Drawing.scores.cast(Text).label("scores")


def without_index(column: ColumnElement[Any] | InstrumentedAttribute[Any]) -> ColumnElement[Any]:
    """Return the same value, for which no index is used: without statistics SQLite may choose a slow one."""
    return column.op("||")("") if isinstance(column.type, String) else column + 0
