"""Check the foreign keys that a migration may have broken."""

import sqlite3
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Final

from sqlalchemy import Connection, text

# By (table, parent table).
Broken = Counter[tuple[str, str]]

_ROWS_CHANGE: Final = (sqlite3.SQLITE_INSERT, sqlite3.SQLITE_DELETE)

# What references depend on.
_SCHEMA: Final = """
SELECT m.name AS name, 'column' AS kind, c.name AS key, '' AS parent
FROM sqlite_master AS m JOIN pragma_table_info(m.name) AS c WHERE m.type = 'table'
UNION ALL SELECT m.name, 'key', c.name, ''
FROM sqlite_master AS m JOIN pragma_table_info(m.name) AS c WHERE m.type = 'table' AND c.pk
UNION ALL SELECT m.name, 'key', f."from", f."table"
FROM sqlite_master AS m JOIN pragma_foreign_key_list(m.name) AS f WHERE m.type = 'table'
UNION ALL SELECT f."table", 'key', coalesce(f."to", ''), ''
FROM sqlite_master AS m JOIN pragma_foreign_key_list(m.name) AS f WHERE m.type = 'table'
UNION ALL SELECT tbl_name, 'unique', name, '' FROM sqlite_master WHERE sql LIKE 'CREATE UNIQUE%'
"""


class BrokenReferences(Exception):
    """The text is one line."""


@contextmanager
def foreign_keys_checked(
    connection: Connection, committed: Callable[[], AbstractContextManager[Connection]]
) -> Iterator[None]:
    """Raise BrokenReferences if the block breaks references; ignore those broken in `committed`, the state before."""
    if connection.dialect.name != "sqlite":
        yield
        return
    # Without a WAL nobody can read beside a large transaction.
    has_wal = connection.scalar(text("PRAGMA journal_mode")) == "wal"
    before = Counter() if has_wal else _broken(connection, _children(_schema(connection)))
    with _changed_tables(connection) as changed:
        yield
    children = _children(_schema(connection), changed)
    broken = _broken(connection, children)
    if broken and has_wal:
        with committed() as other:
            before = _broken(other, children)
    for (table, parent), count in (broken - before).items():
        raise BrokenReferences(
            f"the migration would leave {count} rows in {table} that refer to missing rows in {parent}"
        )


@contextmanager
def _changed_tables(connection: Connection) -> Iterator[set[str]]:
    """Yield a set, complete after the block."""
    before = _schema(connection)
    keys = {"rowid", *(key for items in before.values() for kind, key, _ in items if kind == "key")}
    changed: set[str] = set()

    def note(action: int, table: str | None, column: str | None, *_: object) -> int:
        if table and (action in _ROWS_CHANGE or (action == sqlite3.SQLITE_UPDATE and _lower(column) in keys)):
            changed.add(table.lower())
        return sqlite3.SQLITE_OK

    driver: Any = connection.connection.driver_connection
    driver.set_authorizer(note)
    try:
        yield changed
    finally:
        driver.set_authorizer(None)
    after = _schema(connection)
    for table in before.keys() | after.keys():
        lost, new = before[table] - after[table], after[table] - before[table]
        if lost or any(parent for *_, parent in new):
            changed.add(table)


def _schema(connection: Connection) -> defaultdict[str, set[tuple[str, str, str]]]:
    found = defaultdict(set)
    for row in connection.execute(text(_SCHEMA)):
        found[row.name.lower()].add((row.kind, _lower(row.key), row.parent.lower()))
    return found


def _lower(name: str | None) -> str:
    return (name or "").lower()


def _children(schema: dict[str, set[tuple[str, str, str]]], changed: set[str] | None = None) -> set[str]:
    """Return the tables with references from or to the changed ones."""
    return {
        table
        for table, items in schema.items()
        for *_, parent in items
        if parent and (changed is None or table in changed or parent in changed)
    }


def _broken(connection: Connection, tables: Iterable[str]) -> Broken:
    statement = text('SELECT "table", parent FROM pragma_foreign_key_check(:name)')
    return Counter((row.table, row.parent) for name in tables for row in connection.execute(statement, {"name": name}))
