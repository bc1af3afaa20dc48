from typing import Any, Final

from sqlalchemy import Boolean, ColumnElement, String, Text
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import InstrumentedAttribute
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from app.models import Drawing, Prediction
from app.schemas.results import ResultSummary

# The columns that the API shows; the label is in another table.
PREDICTION_COLUMNS: Final[tuple[InstrumentedAttribute[Any], ...]] = tuple(
    getattr(Prediction, name) for name in ResultSummary.model_fields if name != "label"
)

# Rows inserted by hand may hold other JSON.
SCORES: Final = Drawing.scores.cast(Text).label("scores")


class _IsTime(FunctionElement[bool]):
    type = Boolean()
    inherit_cache = True


HAS_TIME: Final = _IsTime(Prediction.created_at)


@compiles(_IsTime, "sqlite")
def _is_time_in_sqlite(element: _IsTime, compiler: SQLCompiler, **options: Any) -> str:
    # SQLite accepts any value as a time.
    return f"{compiler.process(element.clauses, **options)} GLOB '[0-9][0-9][0-9][0-9]-[01][0-9]-[0-3][0-9]*'"


@compiles(_IsTime, "postgresql")
def _is_time_in_postgresql(element: _IsTime, compiler: SQLCompiler, **options: Any) -> str:
    return f"{compiler.process(element.clauses, **options)} IS NOT NULL"


def without_index(column: ColumnElement[Any] | InstrumentedAttribute[Any]) -> ColumnElement[Any]:
    """Return the same value, for which no index is used: without statistics SQLite may choose a slow one."""
    return column.op("||")("") if isinstance(column.type, String) else column + 0
