"""Moving house: everything in an SQLite file is copied into a PostgreSQL database, and compared."""

from typing import Final

from sqlalchemy import Table
from sqlalchemy.orm import Session

from app.database import Database
from app.progress import Progress
from app.repository.copy_to import (
    TABLES,
    TableContent,
    add_rows,
    count,
    count_orphans,
    find_last_ids,
    iterate_rows,
    read_content,
    set_last_ids,
)
from app.schemas.copy_to import Copied, CopiedTable
from app.services.errors import ServiceError

COPY_BATCH_SIZE: Final = 1000


class TargetDiffers(ServiceError):
    """The other database holds something else."""


def copy_to(source: Database, target: Database, progress: Progress) -> Copied:
    """Copy every row with its id into a PostgreSQL database with the same tables, compare both, and return both's rows.

    Some rows at a time, each time in a transaction: when it is stopped and started again, it goes on where it was. All
    comes from one state of the source. Raises TargetDiffers when the target holds rows that the source has not, and
    ServiceError when the source has rows that PostgreSQL cannot take.
    """
    with source.snapshot() as session:
        for name, orphans in count_orphans(session).items():
            remedy = f"DELETE FROM {name} WHERE prediction_id NOT IN (SELECT id FROM predictions)"  # noqa: S608  # Told only.
            raise ServiceError(
                f"{orphans} rows of {name} refer to predictions that are gone, deleted without PRAGMA foreign_keys=ON;"
                f" delete them first: {remedy}"
            )
        resumed = {table.name: _prefix(session, target, table) for table in TABLES}
        total = sum(count(session, table) for table in TABLES)
        # What the source holds is known once it was read for copying, so it is read only once.
        here = dict(resumed)
        for table in TABLES:
            for rows in iterate_rows(session, table, skip=resumed[table.name].rows, size=COPY_BATCH_SIZE):
                progress("Copying", sum(read.rows for read in here.values()), total)
                with target.transaction() as writing:
                    add_rows(writing, table, rows)
                here[table.name] = here[table.name].plus(rows)
        last_ids = find_last_ids(session)
        with target.transaction() as writing:
            set_last_ids(writing, last_ids)
    tables = {}
    for number, table in enumerate(TABLES):
        progress("Comparing", number, len(TABLES))
        _compare(target, table, here[table.name])
        copied, before = here[table.name], resumed[table.name]
        tables[table.name] = CopiedTable(rows=copied.rows, resumed=before.rows, checksum=copied.checksum)
    return Copied(tables=tables)


def _prefix(session: Session, target: Database, table: Table) -> TableContent:
    """Return what the target has already; raise TargetDiffers unless it is the source's first rows."""
    with target.snapshot() as other:
        there = read_content(other, table)
    if there.rows and there != read_content(session, table, limit=there.rows):
        raise TargetDiffers(f"{table.name} holds rows of something else; copy into an empty database")
    return there


def _compare(target: Database, table: Table, here: TableContent) -> None:
    with target.snapshot() as other:
        there = read_content(other, table)
    if there != here:
        raise TargetDiffers(f"{table.name} is not the same in both: {here.rows} rows here, {there.rows} there")
