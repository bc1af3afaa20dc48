"""Work on many rows in steps: a table with the range of ids that are left, or without a row."""

from collections.abc import Callable
from typing import Final

from sqlalchemy import delete, func, insert, select, text
from sqlalchemy.orm import InstrumentedAttribute, Session

from app.models import UncountedPredictions, UnlistedPredictions
from app.repository.dialects import is_sqlite

# A step takes less than a tenth of a second; other writers wait that long.
STEP_SIZE: Final = 10_000

_LOCK: Final = text("LOCK TABLE predictions, labels, reviews, shadow_predictions IN SHARE ROW EXCLUSIVE MODE")

IdRange = tuple[int, int]
Left = type[UncountedPredictions | UnlistedPredictions]


def find_left(session: Session, left: Left) -> IdRange | None:
    row = session.execute(select(left.first, left.last)).tuples().first()
    return None if row is None else (row[0], row[1])


def is_anything_left(session: Session) -> bool:
    return any(find_left(session, left) for left in (UncountedPredictions, UnlistedPredictions))


def set_left(session: Session, left: Left, ids: IdRange | None) -> None:
    session.execute(delete(left))
    if ids is not None:
        session.execute(insert(left).values(first=ids[0], last=ids[1]))


def take_step(
    session: Session, left: Left, column: InstrumentedAttribute[int], add: Callable[[Session, IdRange], None]
) -> IdRange | None:
    """Add the next `STEP_SIZE` ids of the column; return the range that is left."""
    stop_writers(session)
    ids = find_left(session, left)
    if ids is None:
        return None
    first, last = ids
    step = select(column.label("id")).where(column.between(first, last)).order_by(column).limit(STEP_SIZE)
    end = session.scalar(select(func.max(step.subquery().c.id)))
    if end is not None:
        add(session, (first, end))
    rest = None if end is None or end == last else (end + 1, last)
    set_left(session, left, rest)
    return rest


def find_id_range(session: Session, column: InstrumentedAttribute[int]) -> IdRange | None:
    first, last = session.execute(select(func.min(column), func.max(column))).one()
    return None if first is None else (first, last)


def stop_writers(session: Session) -> None:
    """On SQLite the transaction has stopped them."""
    if not is_sqlite(session):
        session.execute(_LOCK)
