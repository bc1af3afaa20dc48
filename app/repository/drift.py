from collections.abc import Iterator, Sequence
from typing import Any, Final

from sqlalchemy import Row, String, cast, select
from sqlalchemy.orm import Session

from app.drawings.shape import DIGITS, PIXELS
from app.models import Drawing, Pixels, Prediction
from app.repository.results import matching
from app.schemas.results import ResultFilters

# Takes 1 MB, which fits into the processor's cache.
READ_BATCH_SIZE: Final = 1000


def list_drawings(
    session: Session, filters: ResultFilters, limit: int, before: int | None = None
) -> Iterator[Sequence[Row[Any]]]:
    """Yield batches of the newest drawings: id, prediction, confidence, not_a_digit, created_at, pixels."""
    by_time = filters.since is not None or filters.until is not None
    # SQLite may store text in this column.
    pixels = cast(Drawing.pixels, Pixels)
    answer = (Prediction.id, Prediction.prediction, Prediction.confidence, Prediction.not_a_digit)
    statement = (
        select(*answer, Prediction.created_at, pixels.label("pixels"))
        .join(Drawing, Drawing.prediction_id == Prediction.id)
        .where(*matching(filters, "created_at" if by_time else "model_version"))
        # The cast avoids the index on `prediction` and a sort.
        .where(cast(Prediction.prediction, String).in_(DIGITS))
    )
    if before is not None:
        statement = statement.where(Prediction.id < before)
    order = (Prediction.created_at.desc(), Prediction.id.desc()) if by_time else (Prediction.id.desc(),)
    statement = statement.order_by(*order).limit(limit)
    for batch in session.execute(statement.execution_options(yield_per=READ_BATCH_SIZE)).partitions():
        # A condition on the length in SQL makes PostgreSQL scan the table.
        yield [row for row in batch if len(row.pixels) == PIXELS]
