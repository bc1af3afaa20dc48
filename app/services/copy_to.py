from collections.abc import Callable
from functools import partial
from typing import Final

from sqlalchemy import Table
from sqlalchemy.orm import Session

from app.database import Database
from app.progress import Progress
from app.repository import copy_to as repository
from app.repository.copy_to import LARGEST_ID, TABLES, TableContent
from app.schemas.copy_to import Copied, CopiedTable
from app.services.errors import ServiceError

COPY_BATCH_SIZE: Final = 2000


class TargetDiffers(ServiceError):
    """The target holds other rows than the source."""


class SourceChanged(ServiceError):
    """The source was changed during the copy."""


def copy_to(source: Database, target: Database, progress: Progress) -> Copied:
    """Copy every row with its id from one snapshot, then compare; continue an interrupted copy.

    Raises TargetDiffers, SourceChanged, or ServiceError if PostgreSQL cannot take a row.
    """
    with source.snapshot() as session:
        version = repository.find_version(session)
        _check_rows(session)
        resumed = {table.name: _prefix(session, target, table, progress) for table in TABLES}
        total = sum(repository.count(session, table) for table in TABLES)
        # Checksums of the copied rows, so that the source is read once.
        copied = dict(resumed)
        for table in TABLES:
            for rows in repository.iterate_rows(session, table, skip=resumed[table.name].rows, size=COPY_BATCH_SIZE):
                progress("Copying", sum(read.rows for read in copied.values()), total)
                with target.transaction() as writing:
                    repository.add_rows(writing, table, rows)
                copied[table.name] = copied[table.name].plus(rows)
        last_ids = repository.find_last_ids(session)
        with target.transaction() as writing:
            repository.set_last_ids(writing, last_ids)
    tables = {}
    compared = 0
    for table in TABLES:
        content, before = copied[table.name], resumed[table.name]
        _compare(target, table, content, partial(_report, progress, "Comparing", compared, total))
        compared += content.rows
        tables[table.name] = CopiedTable(rows=content.rows, resumed=before.rows, checksum=content.checksum)
    # On the same connection, the only one of the pool.
    with source.snapshot() as session:
        if repository.find_version(session) != version:
            raise SourceChanged(
                "the database was changed during the copy; stop the service, then run the command again, with an empty"
                " target if rows were changed or deleted"
            )
    return Copied(tables=tables)


def _check_rows(session: Session) -> None:
    """Raise ServiceError for rows that PostgreSQL cannot take."""
    for name, orphans in repository.count_orphans(session).items():
        remedy = f"DELETE FROM {name} WHERE prediction_id NOT IN (SELECT id FROM predictions)"  # noqa: S608  # nosec B608  # Not executed.
        raise ServiceError(
            f"{orphans} rows of {name} refer to predictions that were deleted without PRAGMA foreign_keys=ON;"
            f" delete them first: {remedy}"
        )
    for (name, column), odd in repository.count_odd_times(session).items():
        if odd:
            rows_have = "1 row of {} has" if odd == 1 else f"{odd} rows of {{}} have"
            raise ServiceError(f"{rows_have.format(name)} a {column} that is not a time; correct it first")
    for name, last in repository.find_last_ids(session).items():
        if last > LARGEST_ID:
            raise ServiceError(f"the last id of {name} is {last}; on PostgreSQL ids end at {LARGEST_ID}")


def _report(progress: Progress, step: str, before: int, total: int | None, rows: int) -> None:
    progress(step, before + rows, total)


def _prefix(session: Session, target: Database, table: Table, progress: Progress) -> TableContent:
    """Return the target's content; raise TargetDiffers unless it equals the source's first rows."""
    step = f"Reading {table.name}"
    with target.snapshot() as other:
        existing = repository.read_content(other, table, partial(_report, progress, step, 0, None))
    report = partial(_report, progress, step, 0, existing.rows)
    if existing.rows and existing != repository.read_content(session, table, report, limit=existing.rows):
        raise TargetDiffers(f"{table.name} holds other rows; copy into an empty database")
    return existing


def _compare(target: Database, table: Table, copied: TableContent, report: Callable[[int], object]) -> None:
    with target.snapshot() as other:
        existing = repository.read_content(other, table, report)
    if existing != copied:
        raise TargetDiffers(f"{table.name} differs: {copied.rows} rows in the source, {existing.rows} in the target")
