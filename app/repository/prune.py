from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple

from sqlalchemy import ColumnElement, delete, func, or_, select, text
from sqlalchemy.orm import Session

from app.models import Prediction, begin_of
from app.repository.columns import HAS_TIME
from app.repository.dialects import is_sqlite
from app.repository.labels import is_labelled
from app.repository.results import Position

_INCREMENTAL: Final = 2


class OldPredictions(NamedTuple):
    predictions: int
    labelled: int


class FreeSpace(NamedTuple):
    bytes: int
    can_shrink: bool


def count_old_predictions(session: Session, before: datetime) -> OldPredictions:
    counted = select(func.count()).select_from(Prediction).where(*_older(before))
    return OldPredictions(session.scalar(counted) or 0, session.scalar(counted.where(is_labelled())) or 0)


def list_old_predictions(
    session: Session, before: datetime, after: Position | None, *, labelled: bool, limit: int
) -> list[Position]:
    statement = select(Prediction.id, Prediction.created_at).where(*_older(before))
    if not labelled:
        statement = statement.where(~is_labelled())
    if after is not None and after.created_at is not None:
        # The bound starts the index scan; `later` excludes rows of the same time.
        begin = begin_of(after.created_at)
        later = or_(Prediction.created_at > begin, Prediction.id > after.id)
        statement = statement.where(Prediction.created_at >= begin, later)
    statement = statement.order_by(Prediction.created_at, Prediction.id).limit(limit)
    return [Position(*row) for row in session.execute(statement)]


def _older(before: datetime) -> tuple[ColumnElement[bool], ...]:
    return Prediction.created_at < begin_of(before), HAS_TIME


def delete_predictions(session: Session, ids: Sequence[int], *, labelled: bool) -> int:
    """Delete predictions, labelled ones only if `labelled`; return the count."""
    # Separate, so that on PostgreSQL the DELETE sees labels committed meanwhile.
    session.execute(select(Prediction.id).where(Prediction.id.in_(ids)).order_by(Prediction.id).with_for_update())
    statement = delete(Prediction).where(Prediction.id.in_(ids))
    if not labelled:
        statement = statement.where(~is_labelled())
    return len(
        session.execute(statement.returning(Prediction.id), execution_options={"synchronize_session": False}).all()
    )


def find_free_space(session: Session) -> FreeSpace | None:
    """Return None on PostgreSQL, which vacuums by itself."""
    if not is_sqlite(session):
        return None
    pages, page_size, kind = (
        session.execute(text(f"PRAGMA {name}")).scalar_one()  # nosemgrep: sql-with-values
        for name in ("freelist_count", "page_size", "auto_vacuum")
    )
    return FreeSpace(pages * page_size, kind == _INCREMENTAL)


def release_free_pages(session: Session, pages: int) -> None:
    # The driver does not step past the first row of an incremental vacuum.
    for _ in range(pages):
        session.execute(text("PRAGMA incremental_vacuum(1)"))
