from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple, cast

from sqlalchemy import ColumnElement, Row, Table, delete, func, insert, or_, select
from sqlalchemy.orm import Session

from app.models import AuditEntry
from app.schemas.audit import AuditQuery

_LOG: Final = cast(Table, AuditEntry.__table__)


class NewEntry(NamedTuple):
    at: datetime
    key: str
    action: str
    record: str
    request_id: str | None


def add_entries(session: Session, entries: Sequence[NewEntry]) -> None:
    session.execute(insert(_LOG), [entry._asdict() for entry in entries])


def list_entries(session: Session, query: AuditQuery, limit: int, after: int | None) -> list[Row[Any]]:
    conditions: list[ColumnElement[bool]] = []
    for column, value in ((_LOG.c.action, query.action), (_LOG.c.key, query.key)):
        if value is not None:
            conditions.append(column == value)
    if query.since is not None:
        conditions.append(_LOG.c.at >= query.since)
    if query.until is not None:
        conditions.append(_LOG.c.at < query.until)
    if after is not None:
        # As stored, which may be no time. The bound starts the index scan.
        at = select(_LOG.c.at).where(_LOG.c.id == after).scalar_subquery()
        conditions += [_LOG.c.at <= at, or_(_LOG.c.at < at, _LOG.c.id < after)]
    statement = select(_LOG).where(*conditions).order_by(_LOG.c.at.desc(), _LOG.c.id.desc())
    return list(session.execute(statement.limit(limit)))


def count_entries(session: Session, before: datetime) -> int:
    return session.scalar(select(func.count()).select_from(_LOG).where(_LOG.c.at < before)) or 0


def delete_entries(session: Session, before: datetime, limit: int) -> int:
    oldest = select(_LOG.c.id).where(_LOG.c.at < before).order_by(_LOG.c.at, _LOG.c.id).limit(limit)
    return len(session.execute(delete(_LOG).where(_LOG.c.id.in_(oldest)).returning(_LOG.c.id)).all())
