import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Final, TypeVar

from sqlalchemy.orm import Session

from app.database import Database
from app.progress import Progress
from app.repository import prune as repository
from app.repository.idempotency import delete_answers
from app.repository.results import Position
from app.schemas.prune import Pruned
from app.services.idempotency import KEPT

T = TypeVar("T")

# A transaction takes about ten milliseconds.
DELETE_BATCH_SIZE: Final = 200
PAGE_BATCH_SIZE: Final = 300


def prune(database: Database, before: datetime, *, labelled: bool, dry_run: bool, progress: Progress) -> Pruned:
    """Delete predictions older than a time, and expired idempotency keys.

    Labelled predictions stay unless `labelled`; rows without a time always stay.
    """
    expired = datetime.now(UTC) - KEPT
    with database.snapshot() as session:
        old = repository.count_old_predictions(session, before)
        keys = repository.count_idempotency_keys(session, expired)
    count = old.predictions if labelled else old.predictions - old.labelled
    released = 0
    if not dry_run:
        _delete_answers(database, expired, keys)
        count = _delete_old(database, before, labelled=labelled, total=count, progress=progress)
        released = _shrink_file(database, progress)
    with database.snapshot() as session:
        space = repository.find_free_space(session)
    return Pruned(
        dry_run=dry_run,
        before=before,
        predictions=count,
        labelled_kept=0 if labelled else old.labelled,
        idempotency_keys=keys,
        released_bytes=None if space is None else released,
        free_bytes=None if space is None else space.bytes,
    )


def _delete_answers(database: Database, before: datetime, count: int) -> None:
    for _ in range(0, count, DELETE_BATCH_SIZE):
        _write(database, lambda session: delete_answers(session, before=before, limit=DELETE_BATCH_SIZE))


def _delete_old(database: Database, before: datetime, *, labelled: bool, total: int, progress: Progress) -> int:
    deleted = 0
    after: Position | None = None
    while True:
        progress("Deleting", deleted, total)
        # Read outside of the write, to keep it short.
        with database.snapshot() as session:
            batch = repository.list_old_predictions(session, before, after, labelled=labelled, limit=DELETE_BATCH_SIZE)
        if not batch:
            return deleted
        ids, after = [position.id for position in batch], batch[-1]
        deleted += _write(database, partial(repository.delete_predictions, ids=ids, labelled=labelled))


def _shrink_file(database: Database, progress: Progress) -> int:
    """Release free pages if the file allows it; return the bytes."""
    with database.snapshot() as session:
        before = repository.find_free_space(session)
    if before is None or not before.can_shrink:
        return 0
    free = before.bytes
    while free > 0:
        progress("Giving back", before.bytes - free, before.bytes)
        _write(database, lambda session: repository.release_free_pages(session, PAGE_BATCH_SIZE))
        with database.snapshot() as session:
            space = repository.find_free_space(session)
        if space is None or space.bytes >= free:
            break
        free = space.bytes
    return before.bytes - free


def _write(database: Database, work: Callable[[Session], T]) -> T:
    """Write, then pause as long as it took, for the service's own writes."""
    began = time.monotonic()
    with database.transaction() as session:
        result = work(session)
    time.sleep(time.monotonic() - began)
    return result
