"""Keep what Alembic drops when it copies a table."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from sqlalchemy import Connection, Engine, Table, event, text

_COPY: Final = "_alembic_tmp_"
_RENAMING: Final = f"ALTER TABLE {_COPY}{{0}} RENAME TO {{0}}"


def _keep_autoincrement(table: Table, connection: Connection, **_arguments: object) -> None:
    if connection.dialect.name == "sqlite" and table.name.startswith(_COPY):
        original = connection.scalar(
            text("SELECT sql FROM sqlite_master WHERE name = :name"), {"name": table.name.removeprefix(_COPY)}
        )
        table.dialect_options["sqlite"]["autoincrement"] |= "AUTOINCREMENT" in (original or "")


def _keep_last_id(table: Table, connection: Connection, **_arguments: object) -> None:
    # Its row may have been deleted.
    if table.name.startswith(_COPY) and table.dialect_options["sqlite"]["autoincrement"]:
        last_id = text(
            "INSERT INTO sqlite_sequence (name, seq) SELECT :copy, seq FROM sqlite_sequence WHERE name = :name"
        )
        connection.execute(last_id, {"copy": table.name, "name": table.name.removeprefix(_COPY)})


def _note_triggers(table: Table, connection: Connection, **_arguments: object) -> None:
    if table.name.startswith(_COPY):
        # SQLite keeps the name as CREATE TRIGGER wrote it, such as Predictions.
        triggers = text("SELECT sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = :name COLLATE NOCASE")
        name = table.name.removeprefix(_COPY)
        connection.info[_RENAMING.format(name)] = connection.scalars(triggers, {"name": name}).all()


def _make_triggers_again(connection: Connection, _cursor: object, statement: str, *_rest: object) -> None:
    for trigger in connection.info.pop(statement.replace('"', ""), ()):
        connection.exec_driver_sql(trigger)


_LISTENERS: Final = (
    (Table, "before_create", _keep_autoincrement),
    (Table, "after_create", _keep_last_id),
    (Table, "after_create", _note_triggers),
    (Engine, "after_cursor_execute", _make_triggers_again),
)


@contextmanager
def copies_complete() -> Iterator[None]:
    """Keep AUTOINCREMENT, its counters, and triggers."""
    for target, name, listener in _LISTENERS:
        event.listen(target, name, listener)
    try:
        yield
    finally:
        for target, name, listener in _LISTENERS:
            event.remove(target, name, listener)
