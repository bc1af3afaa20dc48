import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

import psycopg
from psycopg import sql
from sqlalchemy import (
    JSON,
    ColumnElement,
    LargeBinary,
    Select,
    Table,
    Text,
    cast,
    func,
    select,
    text,
    type_coerce,
)
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from app.models import Base, LabelledPrediction, Pixels, QueuedDrawing, UncountedPredictions, UnlistedPredictions
from app.repository.counts import COUNTS

# The target's triggers fill these.
_DERIVED_TABLES: Final[tuple[type[Base], ...]] = (
    LabelledPrediction,
    QueuedDrawing,
    UncountedPredictions,
    UnlistedPredictions,
    *COUNTS,
)
_DERIVED: Final = {table.__tablename__ for table in _DERIVED_TABLES}
# Parents come before children.
TABLES: Final[tuple[Table, ...]] = tuple(table for table in Base.metadata.sorted_tables if table.name not in _DERIVED)

_WITH_SEQUENCE: Final = tuple(table.name for table in TABLES if table.autoincrement_column is not None)

Values = Sequence[Any]

LARGEST_ID: Final = 2**31 - 1
"""Of PostgreSQL's INTEGER."""

_CHECKSUMS: Final = 2**256

# The triggers keep plans made for empty tables.
_SETTINGS: Final = "SET LOCAL statement_timeout = 0; SET LOCAL enable_seqscan = off; SET LOCAL jit = off"


class TableContent(NamedTuple):
    """A row count and a sum of checksums, independent of order and engine."""

    rows: int
    sum: int

    @property
    def checksum(self) -> str:
        return f"{self.sum:064x}"

    def plus(self, rows: Sequence[Values]) -> "TableContent":
        return TableContent(self.rows + len(rows), (self.sum + sum(map(_checksum, rows))) % _CHECKSUMS)


EMPTY: Final = TableContent(0, 0)


def _checksum(row: Values) -> int:
    # Hexadecimal is faster than repr() of bytes.
    shown = repr([(value.hex(),) if isinstance(value, bytes) else value for value in row])
    return int.from_bytes(hashlib.sha256(shown.encode(errors="surrogatepass")).digest())


def _selected(table: Table) -> Select[Any]:
    return select(*map(_as_stored, table.columns)).order_by(*table.primary_key.columns)


def _as_stored(column: ColumnElement[Any]) -> ColumnElement[Any]:
    if isinstance(column.type, Pixels):
        return type_coerce(column, LargeBinary)
    # JSON is text on both engines.
    return cast(column, Text) if isinstance(column.type, JSON) else column


def count(session: Session, table: Table) -> int:
    return session.scalar(select(func.count()).select_from(table)) or 0


def iterate_rows(session: Session, table: Table, *, skip: int = 0, size: int) -> Iterator[Sequence[Values]]:
    result = session.execute(_selected(table).offset(skip), execution_options={"yield_per": size})
    yield from result.partitions()


def add_rows(session: Session, table: Table, rows: Sequence[Values]) -> None:
    """Store rows with COPY; raise DBAPIError without their values."""
    names = sql.SQL(", ").join(sql.Identifier(column.name) for column in table.columns)
    statement = sql.SQL("COPY {} ({}) FROM STDIN").format(sql.Identifier(table.name), names)
    connection = session.connection()
    driver: psycopg.Connection = connection.connection.driver_connection  # type: ignore[assignment]
    try:
        with driver.cursor() as cursor:
            cursor.execute(_SETTINGS)
            with cursor.copy(statement) as copy:
                for row in rows:
                    copy.write_row(row)
    except psycopg.DataError as error:
        # The rest of the message may contain a value.
        cause = str(error).partition("\n")[0].partition(": ")[0]
        raise DBAPIError("COPY", None, type(error)(f"{table.name}: {cause}")) from error
    except psycopg.Error as error:
        if driver.closed:
            connection.invalidate(error)
        raise DBAPIError("COPY", None, error) from error


def read_content(
    session: Session, table: Table, report: Callable[[int], object], *, limit: int | None = None
) -> TableContent:
    """Return a table's content; report the rows read so far."""
    found = EMPTY
    result = session.execute(_selected(table).limit(limit), execution_options={"yield_per": 1000})
    for rows in result.partitions():
        found = found.plus(rows)
        report(found.rows)
    return found


def count_orphans(session: Session) -> dict[str, int]:
    """Count SQLite rows that refer to a missing row, by table."""
    return dict(Counter(row.table for row in session.execute(text("PRAGMA foreign_key_check"))))


def count_odd_times(session: Session) -> dict[tuple[str, str], int]:
    """Count SQLite rows with an invalid time, by table and column."""
    counts = {}
    for table in TABLES:
        for column in table.columns:
            if column.type.python_type is datetime:
                times = session.scalars(
                    select(column).where(column.is_not(None)), execution_options={"yield_per": 1000}
                )
                counts[table.name, column.name] = sum(time is None for time in times)
    return counts


def find_version(session: Session) -> int:
    """Return a number that changes with others' commits."""
    return int(session.scalar(text("PRAGMA data_version")))


def find_last_ids(session: Session) -> dict[str, int]:
    known = session.execute(text("SELECT name, seq FROM sqlite_sequence")).tuples()
    return {name: last for name, last in known if name in _WITH_SEQUENCE}


def set_last_ids(session: Session, last_ids: dict[str, int]) -> None:
    for name, last in last_ids.items():
        if last > 0:
            session.execute(
                text("SELECT setval(pg_get_serial_sequence(:name, 'id'), :last)"), {"name": name, "last": last}
            )
