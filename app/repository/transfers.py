"""Rows as they are moved from one database to another: table by table, in the order of their keys, with their ids."""

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import Table, func, insert, select, text
from sqlalchemy.orm import Session

from app.models import Base

# In the order in which none refers to one that is not there yet.
TABLES: Final[tuple[Table, ...]] = tuple(Base.metadata.sorted_tables)

_WITH_SEQUENCE: Final = tuple(table.name for table in TABLES if table.autoincrement_column is not None)


class Content(NamedTuple):
    """How many rows a table has, and a checksum of them that is the same in whatever order and on whatever engine."""

    rows: int
    checksum: str


def count(session: Session, table: Table) -> int:
    """Return how many rows a table has."""
    return session.scalar(select(func.count()).select_from(table)) or 0


def iterate_rows(session: Session, table: Table, *, skip: int, size: int) -> Iterator[Sequence[dict[str, Any]]]:
    """Yield the rows of a table, `size` at a time, in the order of its key, without the first `skip`."""
    statement = select(table).order_by(*table.primary_key.columns).offset(skip)
    for piece in session.execute(statement, execution_options={"yield_per": size}).mappings().partitions():
        yield [dict(row) for row in piece]


def add_rows(session: Session, table: Table, rows: Sequence[dict[str, Any]]) -> None:
    """Store rows as they are."""
    session.execute(insert(table), rows)


def content(session: Session, table: Table, *, first: int | None = None) -> Content:
    """Read a table, or so many rows by the order of its key, and return what it holds."""
    statement = select(table).order_by(*table.primary_key.columns).limit(first)
    total, rows = 0, 0
    for row in session.execute(statement, execution_options={"yield_per": 1000}):
        total += int.from_bytes(hashlib.sha256(repr(tuple(row)).encode(errors="surrogatepass")).digest())
        rows += 1
    return Content(rows, f"{total % 2**256:064x}")


def find_last_ids(session: Session) -> dict[str, int]:
    """Return the last id that SQLite gave in each table that gives none twice, also when its row is gone."""
    known = session.execute(text("SELECT name, seq FROM sqlite_sequence")).tuples()
    return {name: last for name, last in known if name in _WITH_SEQUENCE}


def set_last_ids(session: Session, last_ids: dict[str, int]) -> None:
    """Let PostgreSQL's sequences go on behind these ids."""
    for name, last in last_ids.items():
        if last > 0:
            session.execute(text(f"SELECT setval(pg_get_serial_sequence('{name}', 'id'), :last)"), {"last": last})
