"""Work on many rows in steps: a table with the range of ids that are left, or without a row."""

from typing import Final

from sqlalchemy import delete, func, insert, select, text
from sqlalchemy.orm import InstrumentedAttribute, Session

from app.models import UncountedPredictions, UnlistedPredictions

# A step takes less than a tenth of a second; other writers wait that long.
STEP_SIZE: Final = 10_000

_LOCK: Final = text("LOCK TABLE predictions, labels, reviews, shadow_predictions IN SHARE ROW EXCLUSIVE MODE")

Ids = tuple[int, int]
Left = type[UncountedPredictions | UnlistedPredictions]


def find_left(session: Session, left: Left) -> Ids | None:
    row = session.execute(select(left.first, left.last)).tuples().first()
    return None if row is None else (row[0], row[1])


def is_anything_left(session: Session) -> bool:
    return any(find_left(session, left) for left in (UncountedPredictions, UnlistedPredictions))


def set_left(session: Session, left: Left, ids: Ids | None) -> None:
    session.execute(delete(left))
    if ids is not None:
        session.execute(insert(left).values(first=ids[0], last=ids[1]))


def all_ids(session: Session, column: InstrumentedAttribute[int]) -> Ids | None:
    first, last = session.execute(select(func.min(column), func.max(column))).one()
    return None if first is None else (first, last)


def stop_writers(session: Session) -> None:
    """On SQLite the transaction has stopped them."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(_LOCK)
