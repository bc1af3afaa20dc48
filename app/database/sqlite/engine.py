import sqlite3
import time
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from typing import Any, Final, Literal

from sqlalchemy import URL, Dialect, Engine, ExceptionContext, String, create_engine, event
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.pool import ConnectionPoolEntry

from app.database.base import to_json
from app.database.errors import OUTCOME_UNKNOWN, DatabaseUnavailable, sqlite_code
from app.database.limits import BUSY_TIMEOUT_S
from app.database.sqlite.file_guard import FileGuard

READERS: Final = 8

_POLL_INTERVAL_S: Final = 0.01

# NORMAL loses rows in a power cut; secure_delete overwrites deleted rows.
WRITER_PRAGMAS: Final = ("synchronous=FULL", "foreign_keys=ON", "journal_size_limit=67108864", "secure_delete=ON")
READER_PRAGMAS: Final = ("query_only=ON",)

NO_AUTOCHECKPOINT: Final = "wal_autocheckpoint=0"
# In pages of 4 KiB.
AUTOCHECKPOINT: Final = "wal_autocheckpoint=1000"
# Trying the lock takes three system calls, so only one transaction in eight may checkpoint.
_LOCK_INTERVAL: Final = 8
_LAST_CHECKPOINT_TIMEOUT_MS: Final = 100


class _CommitUnknown(sqlite3.OperationalError):
    """A commit whose sync failed."""

    sqlstate = OUTCOME_UNKNOWN


class _Text(String):
    """Text that may be stored as a BLOB."""

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], Any]:
        return lambda value: _decoded(value) if isinstance(value, bytes) else value


class SqliteDialect(SQLiteDialect_pysqlite):
    supports_statement_cache = True

    def __init__(self, begin: str = "BEGIN", **options: Any) -> None:
        super().__init__(**options)
        self.colspecs = {**self.colspecs, String: _Text}
        self._begin = begin

    def do_begin(self, dbapi_connection: Any) -> None:
        """Begin in the driver; in SQLAlchemy it takes as long as an INSERT."""
        dbapi_connection.execute(self._begin)

    def do_commit(self, dbapi_connection: Any) -> None:
        try:
            dbapi_connection.commit()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode == sqlite3.SQLITE_IOERR_FSYNC:
                raise _CommitUnknown(str(error)) from error
            raise


registry.register("sqlite.pixelwise", __name__, SqliteDialect.__name__)


def sqlite_engine(url: URL, guard: FileGuard, role: Literal["writer", "second writer", "reader"]) -> Engine:
    write = role != "reader"
    engine = create_engine(
        url.set(drivername="sqlite+pixelwise"),
        # A deferred transaction fails if another writes after its first read.
        begin="BEGIN IMMEDIATE" if write else "BEGIN",
        creator=guard.connect,
        pool_size=1 if write else READERS,
        max_overflow=0,
        pool_timeout=BUSY_TIMEOUT_S,
        json_serializer=to_json,
    )
    pragmas = (*(WRITER_PRAGMAS if write else READER_PRAGMAS), NO_AUTOCHECKPOINT)

    @event.listens_for(engine, "connect")
    def configure(connection: sqlite3.Connection, _record: object) -> None:
        connection.text_factory = _decoded
        for pragma in pragmas:
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "handle_error")
    def note_damage(context: ExceptionContext) -> None:
        guard.note_damage(context.original_exception)

    if role == "writer":
        _checkpoint_under_lock(engine, guard)
    if write:
        _use_wal(engine, guard)
    return engine


def _decoded(text: bytes) -> str:
    # Text written by hand may not be UTF-8.
    return text.decode(errors="replace")


def _use_wal(engine: Engine, guard: FileGuard) -> None:
    @event.listens_for(engine, "connect")
    def enable_wal(connection: sqlite3.Connection, _record: object) -> None:
        _enable_wal(connection)
        # The first read opens the WAL.
        connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        guard.expect_wal()

    @event.listens_for(engine, "close")
    def forget_wal(_connection: object, _record: object) -> None:
        guard.forget_wal()


def _enable_wal(connection: sqlite3.Connection) -> None:
    """Retry, because SQLite refuses one of two processes without waiting."""
    deadline = time.monotonic() + BUSY_TIMEOUT_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if sqlite_code(error) != sqlite3.SQLITE_BUSY or time.monotonic() >= deadline:
                raise
        time.sleep(_POLL_INTERVAL_S)


def _checkpoint_under_lock(engine: Engine, guard: FileGuard) -> None:
    lock, transactions = guard.checkpoint_lock, count()

    @event.listens_for(engine, "checkout")
    def acquire(connection: sqlite3.Connection, record: ConnectionPoolEntry, _proxy: object) -> None:
        try:
            held = next(transactions) % _LOCK_INTERVAL == 0 and guard.may_checkpoint() and lock.acquire()
        except OSError as error:
            raise DatabaseUnavailable(f"cannot open {error.filename}: {error.strerror}") from error
        if held != record.info.get("checkpoints", False):
            connection.execute(f"PRAGMA {AUTOCHECKPOINT if held else NO_AUTOCHECKPOINT}")
            record.info["checkpoints"] = held

    @event.listens_for(engine, "checkin")
    def release(_connection: object, _record: object) -> None:
        lock.release()

    # Otherwise SQLite would replay a moved file's WAL into its replacement.
    @event.listens_for(engine, "close")
    def empty_wal(connection: sqlite3.Connection, _record: object) -> None:
        with suppress(OSError, sqlite3.Error, DatabaseUnavailable):
            if guard.may_checkpoint() and lock.acquire(BUSY_TIMEOUT_S):
                connection.execute(f"PRAGMA busy_timeout={_LAST_CHECKPOINT_TIMEOUT_MS}")
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
