"""Rows as they are moved from one database to another: table by table, in the order of their keys, with their ids."""

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

import psycopg
from psycopg import sql
from sqlalchemy import JSON, Select, Table, Text, cast, func, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from app.models import Base

# In the order in which none refers to one that is not there yet.
TABLES: Final[tuple[Table, ...]] = tuple(Base.metadata.sorted_tables)

_WITH_SEQUENCE: Final = tuple(table.name for table in TABLES if table.autoincrement_column is not None)


# A row's values in the order of the table's columns.
Values = Sequence[Any]

_CHECKSUMS: Final = 2**256


class Content(NamedTuple):
    """How many rows there are, and a checksum of them that is the same in whatever order and on whatever engine."""

    rows: int
    sum: int

    @property
    def checksum(self) -> str:
        """The checksum as people read it."""
        return f"{self.sum:064x}"

    def plus(self, rows: Sequence[Values]) -> "Content":
        """Return the content of these rows and others."""
        return Content(self.rows + len(rows), (self.sum + sum(map(_checksum, rows))) % _CHECKSUMS)


NOTHING: Final = Content(0, 0)


def _checksum(row: Values) -> int:
    # A drawing's bytes are written three times as fast in hexadecimal as Python writes them by itself.
    shown = repr([(value.hex(),) if isinstance(value, bytes) else value for value in row])
    return int.from_bytes(hashlib.sha256(shown.encode(errors="surrogatepass")).digest())


def _selected(table: Table) -> Select[Any]:
    """All rows by their key. What is JSON stays the text it is, as both engines keep it."""
    columns = [cast(column, Text) if isinstance(column.type, JSON) else column for column in table.columns]
    return select(*columns).order_by(*table.primary_key.columns)


def count(session: Session, table: Table) -> int:
    """Return how many rows a table has."""
    return session.scalar(select(func.count()).select_from(table)) or 0


def iterate_rows(session: Session, table: Table, *, skip: int = 0, size: int) -> Iterator[Sequence[Values]]:
    """Yield the rows of a table, `size` at a time, in the order of its key, without the first `skip`."""
    result = session.execute(_selected(table).offset(skip), execution_options={"yield_per": size})
    yield from result.partitions()


def add_rows(session: Session, table: Table, rows: Sequence[Values]) -> None:
    """Store rows as they are in PostgreSQL, with COPY, which takes a fraction of the time of INSERT.

    Raises SQLAlchemy's error for the driver's, as a statement would. It does not quote the row.
    """
    names = sql.SQL(", ").join(sql.Identifier(column.name) for column in table.columns)
    statement = sql.SQL("COPY {} ({}) FROM STDIN").format(sql.Identifier(table.name), names)
    connection = session.connection()
    driver: psycopg.Connection = connection.connection.driver_connection  # type: ignore[assignment]
    try:
        with driver.cursor() as cursor, cursor.copy(statement) as copy:
            for row in rows:
                copy.write_row(row)
    except psycopg.DataError as error:
        # Such as: invalid input syntax for type json: "what was written".
        cause = str(error).partition("\n")[0].partition(": ")[0]
        raise DBAPIError("COPY", None, type(error)(f"{table.name}: {cause}")) from error
    except psycopg.Error as error:
        if driver.closed:
            connection.invalidate(error)
        raise DBAPIError("COPY", None, error) from error


def content(session: Session, table: Table, *, first: int | None = None) -> Content:
    """Read a table, or so many rows by the order of its key, and return what it holds."""
    found = NOTHING
    result = session.execute(_selected(table).limit(first), execution_options={"yield_per": 1000})
    for rows in result.partitions():
        found = found.plus(rows)
    return found


def count_orphans(session: Session) -> dict[str, int]:
    """Return in which tables of an SQLite file rows refer to rows that are gone, and how many."""
    return dict(Counter(row.table for row in session.execute(text("PRAGMA foreign_key_check"))))


def find_last_ids(session: Session) -> dict[str, int]:
    """Return the last id that SQLite gave in each table that gives none twice, also when its row is gone."""
    known = session.execute(text("SELECT name, seq FROM sqlite_sequence")).tuples()
    return {name: last for name, last in known if name in _WITH_SEQUENCE}


def set_last_ids(session: Session, last_ids: dict[str, int]) -> None:
    """Let PostgreSQL's sequences go on behind these ids."""
    for name, last in last_ids.items():
        if last > 0:
            session.execute(text(f"SELECT setval(pg_get_serial_sequence('{name}', 'id'), :last)"), {"last": last})
