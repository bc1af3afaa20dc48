"""SQLite: how PixelWise connects to its file, commits, and moves the log into it."""

import sqlite3
import time
from contextlib import suppress
from itertools import count
from typing import Final, Literal

from sqlalchemy import URL, Engine, ExceptionContext, create_engine, event
from sqlalchemy.pool import ConnectionPoolEntry

from app.database.errors import OUTCOME_UNKNOWN, DatabaseUnavailable, sqlite_code
from app.database.limits import BUSY_TIMEOUT_S
from app.database.sqlite.file_guard import SqliteFile

# A reader waits for the disk and for Python's interpreter lock; more threads than this gain nothing.
READERS: Final = 8

_TRY_EVERY_S: Final = 0.01

# FULL syncs the log at every commit: with NORMAL the rows since the last checkpoint are lost when the
# power fails. The size limit gives the disk back after a burst. What is deleted is overwritten, for it may be personal.
WRITER_PRAGMAS: Final = (
    "synchronous=FULL",
    "foreign_keys=ON",
    "journal_size_limit=67108864",
    "secure_delete=ON",
)
# Readers change nothing: a start that is refused leaves the file and its journal as they were.
READER_PRAGMAS: Final = ("query_only=ON",)

# Nobody moves the log into the file but the writer whose turn it is; see `app.database.sqlite.checkpoint_lock`.
_NO_CHECKPOINTS: Final = "wal_autocheckpoint=0"
# A checkpoint every so many pages of 4 KiB, which is SQLite's own default.
_CHECKPOINTS: Final = "wal_autocheckpoint=1000"
# Who has the turn costs three calls of the system, during which other threads take the interpreter, so not every
# transaction asks. The log grows a little longer by it.
_TURN_EVERY: Final = 8
# One worker does it after the other, in what is left of the time for a stop.
_EMPTY_WITHIN_MS: Final = 100


def sqlite_engine(url: URL, file: SqliteFile, role: Literal["writer", "second writer", "reader"]) -> Engine:
    """Make the engine of the one writer, that of a script that writes beside it, or that of readers."""
    write = role != "reader"
    engine = create_engine(
        url,
        creator=file.connect,
        pool_size=1 if write else READERS,
        max_overflow=0,
        pool_timeout=BUSY_TIMEOUT_S,
    )
    pragmas = (*(WRITER_PRAGMAS if write else READER_PRAGMAS), _NO_CHECKPOINTS)
    # A deferred transaction that reads and then writes fails at once when another wrote in between,
    # whatever the timeout; IMMEDIATE waits for its turn instead.
    begin = "BEGIN IMMEDIATE" if write else "BEGIN"

    @event.listens_for(engine, "connect")
    def configure(connection: sqlite3.Connection, _record: object) -> None:
        for pragma in pragmas:
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "handle_error")
    def note_damage(context: ExceptionContext) -> None:
        file.note_damage(context.original_exception)

    # A script that writes beside the service leaves the checkpoints to it. This comes first, because the log is looked
    # at once more before it is forgotten.
    if role == "writer":
        _take_turns(engine, file)
    if write:
        _keep_log(engine, file)
        setattr(engine.dialect, "do_commit", _commit)  # noqa: B010

    # SQLAlchemy leaves the BEGIN to the driver, which leaves it to us. Said to the driver directly, because the usual
    # way, an event that executes it as a statement, takes as long as an INSERT.
    setattr(engine.dialect, "do_begin", lambda connection: connection.execute(begin))  # noqa: B010

    return engine


def _keep_log(engine: Engine, file: SqliteFile) -> None:
    """Let the engine's connection turn the log on, and the last one that closes take it away."""

    @event.listens_for(engine, "connect")
    def turn_log_on(connection: sqlite3.Connection, _record: object) -> None:
        _turn_log_on(connection)
        # SQLite opens the log when it first reads.
        connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        file.expect_log()

    @event.listens_for(engine, "close")
    def forget_log(_connection: object, _record: object) -> None:
        file.forget_log()


def _turn_log_on(connection: sqlite3.Connection) -> None:
    """Let the file have a write-ahead log, for good; raise sqlite3.OperationalError when others keep it to themselves.

    Of two processes that do this at once SQLite refuses one without waiting, whatever the timeout, since each could
    be waiting for the other. A little later it finds that nothing is left to do.
    """
    deadline = time.monotonic() + BUSY_TIMEOUT_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if sqlite_code(error) != sqlite3.SQLITE_BUSY or time.monotonic() >= deadline:
                raise
        time.sleep(_TRY_EVERY_S)


class _CommitUnknown(sqlite3.OperationalError):
    """What a commit ends with whose row may be found in the log after a crash; `app.database.errors` knows the code."""

    sqlstate = OUTCOME_UNKNOWN


def _commit(connection: sqlite3.Connection) -> None:
    try:
        connection.commit()
    except sqlite3.OperationalError as error:
        # All of it was written, and the disk did not say that it has it.
        if error.sqlite_errorcode == sqlite3.SQLITE_IOERR_FSYNC:
            raise _CommitUnknown(str(error)) from error
        raise


def _take_turns(engine: Engine, file: SqliteFile) -> None:
    """Let the engine's connection move the log into the file while that is this process's turn."""

    checkpoints, transactions = file.checkpoints, count()

    @event.listens_for(engine, "checkout")
    def take_turn(connection: sqlite3.Connection, record: ConnectionPoolEntry, _proxy: object) -> None:
        try:
            mine = next(transactions) % _TURN_EVERY == 0 and checkpoints.take_turn()
        except OSError as error:
            raise DatabaseUnavailable(f"cannot open {error.filename}: {error.strerror}") from error
        if mine != record.info.get("checkpoints", False):
            connection.execute(f"PRAGMA {_CHECKPOINTS if mine else _NO_CHECKPOINTS}")
            record.info["checkpoints"] = mine

    @event.listens_for(engine, "checkin")
    def end_turn(_connection: object, _record: object) -> None:
        checkpoints.end_turn()

    # The log of a file that was moved or replaced is left by SQLite where it is, and at the next start it would be
    # played into the file that has taken the place, which destroys that. So no rows stay in it.
    @event.listens_for(engine, "close")
    def empty_log(connection: sqlite3.Connection, _record: object) -> None:
        with suppress(OSError, sqlite3.Error, DatabaseUnavailable):
            if checkpoints.take_turn(BUSY_TIMEOUT_S):
                # Whoever is reading something old keeps the log from being emptied, and may go on for an hour.
                connection.execute(f"PRAGMA busy_timeout={_EMPTY_WITHIN_MS}")
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
