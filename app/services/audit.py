import asyncio
import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Final, NamedTuple

from sqlalchemy.orm import Session

from app.database import Database
from app.database.errors import DatabaseError
from app.repository import audit as repository
from app.repository.audit import NewEntry
from app.repository.results import Position
from app.schemas.audit import Action, AuditEntryRead, AuditPage, AuditQuery
from app.services.cursors import next_cursor, position_of

log = logging.getLogger("pixelwise.audit")

ENTRY_TIMEOUT_S: Final = 2.0


class Actor(NamedTuple):
    """Who does something: the name of a key, and the request."""

    key: str
    request_id: str | None


def record(session: Session, actor: Actor, action: Action, what: str) -> None:
    """Add an entry to the transaction of the change."""
    repository.add_entries(session, [_entry(actor, action, what)])


def record_at_once(database: Database, actor: Actor, action: Action, what: str) -> None:
    """Record a read, from a script; if that is impossible, log it."""
    try:
        with database.transaction() as session:
            record(session, actor, action, what)
    except DatabaseError as error:
        _log_instead(_entry(actor, action, what), error)


def list_page(session: Session, query: AuditQuery) -> AuditPage:
    """Return a page; raise InvalidInput for an invalid cursor."""
    after = None if query.cursor is None else position_of(query.cursor).id
    rows = repository.list_entries(session, query, query.limit + 1, after)
    page = [AuditEntryRead.model_validate(row, from_attributes=True) for row in rows[: query.limit]]
    return AuditPage(entries=page, next=next_cursor(rows, query.limit, lambda row: Position(row.id, row.at)))


class ReadLog:
    """Records reads, those that arrive together in one transaction."""

    def __init__(self, database: Database) -> None:
        self._batcher = database.batcher(_store)

    async def add(self, actor: Actor, action: Action, what: str) -> None:
        """Return once the entry is on disk; if it cannot be stored, log it, so that reads go on."""
        entry = _entry(actor, action, what)
        try:
            async with asyncio.timeout(ENTRY_TIMEOUT_S):
                await self._batcher.write(entry)
        except (DatabaseError, TimeoutError) as error:
            _log_instead(entry, error)


def _entry(actor: Actor, action: Action, what: str) -> NewEntry:
    return NewEntry(datetime.now(UTC), actor.key, action, what, actor.request_id)


def _store(entries: list[NewEntry]) -> Callable[[Session], Sequence[None]]:
    return partial(_add, entries)


def _add(entries: list[NewEntry], session: Session) -> Sequence[None]:
    repository.add_entries(session, entries)
    return [None] * len(entries)


def _log_instead(entry: NewEntry, error: Exception) -> None:
    reason = str(error) or f"no answer within {ENTRY_TIMEOUT_S:g} s"
    log.warning(
        "not in the audit log (%s): key %s, action %s, record %r, request %s",
        *(reason, entry.key, entry.action, entry.record, entry.request_id),
    )
