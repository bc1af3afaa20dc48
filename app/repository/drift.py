"""Drawings to compare, window by window."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from sqlalchemy import LargeBinary, Row, String, cast, select
from sqlalchemy.orm import Session

from app.drawings.shape import DIGITS, PIXELS
from app.models import Drawing, Prediction
from app.repository.results import matching
from app.schemas.results import ResultFilters

PIECE: Final = 1000
"""So many rows are fetched at once: 1 MB of drawings, with which the processor's cache can do."""


def list_drawings(
    session: Session, filters: ResultFilters, limit: int, before: int | None = None
) -> Iterator[Sequence[Row[Any]]]:
    """Yield pieces of the newest drawings that match, at most `limit` in all, of ids below `before`.

    Newest by time where a time is asked for, else by arrival. Each row has id, prediction, a digit, confidence,
    created_at and pixels, 784 bytes. Predictions without a drawing, and hand-made ones of something else, take no part.
    """
    by_time = filters.since is not None or filters.until is not None
    # SQLite keeps what type was written, and its CHECK counts letters as well as bytes: cast, text is bytes too.
    pixels = cast(Drawing.pixels, LargeBinary)
    statement = (
        select(
            Prediction.id, Prediction.prediction, Prediction.confidence, Prediction.created_at, pixels.label("pixels")
        )
        .join(Drawing, Drawing.prediction_id == Prediction.id)
        .where(*matching(filters, indexed="created_at" if by_time else "model_version"))
        # Cast, so that SQLite does not gather each digit's rows by the index on them and sort all.
        .where(cast(Prediction.prediction, String).in_(DIGITS))
    )
    if before is not None:
        statement = statement.where(Prediction.id < before)
    order = (Prediction.created_at.desc(), Prediction.id.desc()) if by_time else (Prediction.id.desc(),)
    statement = statement.order_by(*order).limit(limit)
    for piece in session.execute(statement.execution_options(yield_per=PIECE)).partitions():
        # No condition of the statement: PostgreSQL would take it to hold for few, and read the whole table for those.
        yield [row for row in piece if len(row.pixels) == PIXELS]
