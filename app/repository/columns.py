from typing import Any, Final

from sqlalchemy import Boolean, ColumnElement, String, Text
from sqlalchemy.orm import InstrumentedAttribute

from app.models import Drawing, Prediction
from app.repository.dialects import DialectFunction
from app.schemas.results import ResultSummary

# The columns that the API shows; the label is in another table.
PREDICTION_COLUMNS: Final[tuple[InstrumentedAttribute[Any], ...]] = tuple(
    getattr(Prediction, name) for name in ResultSummary.model_fields if name != "label"
)

# Rows inserted by hand may hold other JSON.
SCORES: Final = Drawing.scores.cast(Text).label("scores")


class _IsTime(DialectFunction[bool]):
    type = Boolean()
    inherit_cache = True
    # SQLite accepts any value as a time.
    sqlite = "{} GLOB '[0-9][0-9][0-9][0-9]-[01][0-9]-[0-3][0-9]*'"
    postgresql = "{} IS NOT NULL"


HAS_TIME: Final = _IsTime(Prediction.created_at)


def without_index(column: ColumnElement[Any] | InstrumentedAttribute[Any]) -> ColumnElement[Any]:
    """Return the same value, for which no index is used: SQLite may choose a slow one."""
    return column.op("||")("") if isinstance(column.type, String) else column + 0
