"""What is deleted because it is old: found in the order of time, deleted some at once, and its room given back."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple

from sqlalchemy import ColumnElement, String, delete, func, or_, select, text, type_coerce
from sqlalchemy.orm import Session

from app.models import IdempotencyKey, Prediction
from app.repository.labels import is_labelled
from app.repository.results import Position

_BEGINS_WITH_A_DATE: Final = "[0-9][0-9][0-9][0-9]-[01][0-9]-[0-3][0-9]*"


class Old(NamedTuple):
    """How many predictions are older than a time, and how many of these somebody labelled."""

    predictions: int
    labelled: int


class Room(NamedTuple):
    """Bytes of an SQLite file that hold nothing, and whether it can be made smaller without being written anew."""

    free: int
    can_shrink: bool


def count_old(session: Session, before: datetime) -> Old:
    """Count what is older than a time."""
    counted = select(func.count()).select_from(Prediction).where(*_older(session, before))
    return Old(session.scalar(counted) or 0, session.scalar(counted.where(is_labelled())) or 0)


def list_old(
    session: Session, before: datetime, after: Position | None, *, labelled: bool, limit: int
) -> list[Position]:
    """Return the next of them in the order of time; labelled ones too only on request."""
    statement = select(Prediction.id, Prediction.created_at).where(*_older(session, before))
    if not labelled:
        statement = statement.where(~is_labelled())
    if after is not None and after.created_at is not None:
        # Said as a bound and an exception, because the bound alone is what an index can begin at.
        behind = or_(Prediction.created_at > after.created_at, Prediction.id > after.id)
        statement = statement.where(Prediction.created_at >= after.created_at, behind)
    statement = statement.order_by(Prediction.created_at, Prediction.id).limit(limit)
    return [Position(*row) for row in session.execute(statement)]


def _older(session: Session, before: datetime) -> list[ColumnElement[bool]]:
    """Return the conditions. Rows without a time, which version 0.5 wrote, are at no time.

    Nor are those whose time nobody can read: SQLite lets anybody write anything there, and sorts numbers before texts.
    """
    conditions: list[ColumnElement[bool]] = [Prediction.created_at < before]
    if session.get_bind().dialect.name == "sqlite":
        conditions.append(type_coerce(Prediction.created_at, String).op("GLOB")(_BEGINS_WITH_A_DATE))
    return conditions


def delete_unless_labelled_since(session: Session, ids: Sequence[int], *, labelled: bool) -> int:
    """Delete these predictions, but no labelled one unless asked to; return how many. What refers to them goes too."""
    # Apart, so that the next statement sees the label for which somebody had one of them locked, on PostgreSQL.
    session.execute(select(Prediction.id).where(Prediction.id.in_(ids)).order_by(Prediction.id).with_for_update())
    statement = delete(Prediction).where(Prediction.id.in_(ids))
    if not labelled:
        statement = statement.where(~is_labelled())
    return len(
        session.execute(statement.returning(Prediction.id), execution_options={"synchronize_session": False}).all()
    )


def count_answers(session: Session, before: datetime) -> int:
    """Count the answers by idempotency key from before a time."""
    return (
        session.scalar(select(func.count()).select_from(IdempotencyKey).where(IdempotencyKey.created_at < before)) or 0
    )


def find_room(session: Session) -> Room | None:
    """Return what an SQLite file has free; None on PostgreSQL, whose VACUUM sees to it."""
    if session.get_bind().dialect.name != "sqlite":
        return None
    free, page_size, kind = (
        session.execute(text(f"PRAGMA {name}")).scalar_one() for name in ("freelist_count", "page_size", "auto_vacuum")
    )
    incremental = 2
    return Room(free * page_size, kind == incremental)


def release_room(session: Session, pages: int) -> None:
    """Move what lies behind so many free pages of an SQLite file into them, so that the file ends earlier."""
    # One by one: a step frees a page and gives a row without columns, behind which Python's driver looks for no other.
    for _ in range(pages):
        session.execute(text("PRAGMA incremental_vacuum(1)"))
