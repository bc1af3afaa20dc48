from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Final, NamedTuple, TypeVar

from sqlalchemy.orm import Session

from app.database import Database
from app.progress import Progress
from app.repository import audit
from app.repository import prune as repository
from app.repository.idempotency import count_responses, delete_responses
from app.repository.results import Position
from app.schemas.audit import Action
from app.schemas.prune import Pruned
from app.services.audit import Actor, record
from app.services.idempotency import KEPT
from app.services.pauses import write_and_pause

T = TypeVar("T")

# A transaction takes about ten milliseconds.
DELETE_BATCH_SIZE: Final = 200
PAGE_BATCH_SIZE: Final = 300


class PruneQuery(NamedTuple):
    """What to delete: predictions before a time, labelled ones only if `labelled`; entries of the audit log."""

    before: datetime
    labelled: bool = False
    audit_before: datetime | None = None


def prune(database: Database, query: PruneQuery, actor: Actor, *, dry_run: bool, progress: Progress) -> Pruned:
    """Delete old rows, and expired idempotency keys. Rows without a time stay."""
    before, labelled = query.before, query.labelled
    expired = datetime.now(UTC) - KEPT
    with database.snapshot() as session:
        old = repository.count_old_predictions(session, before)
        keys = count_responses(session, before=expired)
        entries = 0 if query.audit_before is None else audit.count_entries(session, query.audit_before)
    count = old.predictions if labelled else old.predictions - old.labelled
    released = 0
    if not dry_run:
        deleter = _Deleter(database, partial(record, actor=actor, action=Action.PRUNE, what=_describe(query)))
        _delete_entries(deleter, query.audit_before, entries)
        _delete_responses(deleter, expired, keys)
        count = _delete_old(deleter, before, labelled=labelled, total=count, progress=progress)
        released = _shrink_file(database, progress)
    with database.snapshot() as session:
        space = repository.find_free_space(session)
    return Pruned(
        dry_run=dry_run,
        before=before,
        predictions=count,
        labelled_kept=0 if labelled else old.labelled,
        idempotency_keys=keys,
        audit_entries=entries,
        released_bytes=None if space is None else released,
        free_bytes=None if space is None else space.bytes,
    )


class _Deleter:
    """Records the prune in the transaction of its first deletion."""

    def __init__(self, database: Database, record_prune: Callable[[Session], None]) -> None:
        self.database = database
        self._record_prune: Callable[[Session], None] | None = record_prune

    def run(self, work: Callable[[Session], T]) -> T:
        result = write_and_pause(self.database, partial(self._recorded, work))
        self._record_prune = None
        return result

    def _recorded(self, work: Callable[[Session], T], session: Session) -> T:
        if self._record_prune is not None:
            self._record_prune(session)
        return work(session)


def _delete_responses(deleter: _Deleter, before: datetime, count: int) -> None:
    for _ in range(0, count, DELETE_BATCH_SIZE):
        deleter.run(lambda session: delete_responses(session, before=before, limit=DELETE_BATCH_SIZE))


def _delete_entries(deleter: _Deleter, before: datetime | None, count: int) -> None:
    if before is not None:
        for _ in range(0, count, DELETE_BATCH_SIZE):
            deleter.run(lambda session: audit.delete_entries(session, before, DELETE_BATCH_SIZE))


def _describe(query: PruneQuery) -> str:
    kinds = "predictions" if query.labelled else "unlabelled predictions"
    text = f"{kinds} before {query.before:%Y-%m-%d %H:%M:%S}"
    return text if query.audit_before is None else f"{text}, entries before {query.audit_before:%Y-%m-%d %H:%M:%S}"


def _delete_old(deleter: _Deleter, before: datetime, *, labelled: bool, total: int, progress: Progress) -> int:
    deleted = 0
    after: Position | None = None
    while True:
        progress("Deleting", deleted, total)
        # Read outside of the write, to keep it short.
        with deleter.database.snapshot() as session:
            batch = repository.list_old_predictions(session, before, after, labelled=labelled, limit=DELETE_BATCH_SIZE)
        if not batch:
            return deleted
        ids, after = [position.id for position in batch], batch[-1]
        deleted += deleter.run(partial(repository.delete_predictions, ids=ids, labelled=labelled))


def _shrink_file(database: Database, progress: Progress) -> int:
    """Release free pages if the file allows it; return the bytes."""
    with database.snapshot() as session:
        before = repository.find_free_space(session)
    if before is None or not before.can_shrink:
        return 0
    free = before.bytes
    while free > 0:
        progress("Giving back", before.bytes - free, before.bytes)
        write_and_pause(database, lambda session: repository.release_free_pages(session, PAGE_BATCH_SIZE))
        with database.snapshot() as session:
            space = repository.find_free_space(session)
        if space is None or space.bytes >= free:
            break
        free = space.bytes
    return before.bytes - free
