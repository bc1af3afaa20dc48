"""Work in steps; a table has the range of remaining ids, or no row."""

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
RemainingTable = type[UncountedPredictions | UnlistedPredictions]


def find_remaining(session: Session, table: RemainingTable) -> IdRange | None:
    row = session.execute(select(table.first, table.last)).tuples().first()
    return None if row is None else (row[0], row[1])


def is_anything_remaining(session: Session) -> bool:
    return any(find_remaining(session, table) for table in (UncountedPredictions, UnlistedPredictions))


def set_remaining(session: Session, table: RemainingTable, ids: IdRange | None) -> None:
    session.execute(delete(table))
    if ids is not None:
        session.execute(insert(table).values(first=ids[0], last=ids[1]))


def take_step(
    session: Session,
    table: RemainingTable,
    column: InstrumentedAttribute[int],
    add: Callable[[Session, IdRange], None],
) -> IdRange | None:
    """Add the next `STEP_SIZE` ids of the column; return the remaining range."""
    stop_writers(session)
    ids = find_remaining(session, table)
    if ids is None:
        return None
    first, last = ids
    step = select(column.label("id")).where(column.between(first, last)).order_by(column).limit(STEP_SIZE)
    end = session.scalar(select(func.max(step.subquery().c.id)))
    if end is not None:
        add(session, (first, end))
    rest = None if end is None or end == last else (end + 1, last)
    set_remaining(session, table, rest)
    return rest


def find_id_range(session: Session, column: InstrumentedAttribute[int]) -> IdRange | None:
    first, last = session.execute(select(func.min(column), func.max(column))).one()
    return None if first is None else (first, last)


def stop_writers(session: Session) -> None:
    """On SQLite the transaction has stopped them."""
    if not is_sqlite(session):
        session.execute(_LOCK)
