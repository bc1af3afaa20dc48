import sqlite3
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

from sqlalchemy import URL, Connection, Engine, NullPool, create_engine, event
from sqlalchemy.exc import OperationalError

from app.atomic_file import create_private
from app.database.errors import AS_OWNER, DatabaseUnavailable, sqlite_code
from app.database.url import sqlite_path

# Long enough for another migration to finish.
_BUSY_TIMEOUT_S: Final = 30
_TRY_S: Final = 0.2

_WhenFree = Callable[[sqlite3.Connection, Callable[[], object]], None]


def is_missing(url: URL) -> bool:
    return url.get_backend_name() == "sqlite" and not sqlite_path(url).exists()


def migration_engine(url: URL, say_waiting: Callable[[], object] = lambda: None) -> Engine:
    """Create the engine and a missing file; `say_waiting` is called if another program writes."""
    path = sqlite_path(url)
    if not path.exists():
        _check_not_lost(path)
        try:
            create_private(path).close()
        except FileExistsError:
            pass  # Another migration created it.
        except OSError as error:
            raise DatabaseUnavailable(f"cannot create {path}: {error.strerror}; {AS_OWNER}") from error
    when_free = partial(_when_free, say_waiting)

    def begin(connection: Connection) -> None:
        database = connection.connection.dbapi_connection
        assert isinstance(database, sqlite3.Connection)
        when_free(database, lambda: connection.exec_driver_sql("BEGIN IMMEDIATE"))

    return _engine(url, partial(_connect_to_write, path, when_free), begin)


def question_engine(url: URL) -> Engine:
    """Create an engine without a write lock; a missing file is an empty database."""
    if is_missing(url):
        return create_engine("sqlite://")
    connect = partial(_connect, sqlite_path(url), "query_only=ON")
    return _engine(url, connect, lambda connection: connection.exec_driver_sql("BEGIN"))


def _check_not_lost(path: Path) -> None:
    """Raise DatabaseUnavailable if files of a lost database remain."""
    names = (f"{path.name}-wal", f"{path.name}.before-")
    left = [other for other in path.parent.iterdir() if other.name.startswith(names)]
    if left:
        raise DatabaseUnavailable(
            f"{path} is missing, but {max(left)} exists; put the database back or restore a backup"
            " (python -m app restore); to start with an empty database, move that file away"
        )


def _when_free(say_waiting: Callable[[], object], database: sqlite3.Connection, write: Callable[[], object]) -> None:
    """Wait until no other program writes, in short tries: Python sees no Ctrl-C while SQLite waits."""
    deadline, said = time.monotonic() + _BUSY_TIMEOUT_S, False
    database.execute(f"PRAGMA busy_timeout={_TRY_S * 1000:.0f}")
    while not _is_done(write, last=time.monotonic() > deadline):
        if not said:
            say_waiting()
        said = True
    database.execute(f"PRAGMA busy_timeout={_BUSY_TIMEOUT_S * 1000}")


def _is_done(write: Callable[[], object], *, last: bool) -> bool:
    try:
        write()
    except (sqlite3.OperationalError, OperationalError) as error:
        if last or sqlite_code(getattr(error, "orig", error)) != sqlite3.SQLITE_BUSY:
            raise
        return False
    return True


def _connect_to_write(path: Path, when_free: _WhenFree) -> sqlite3.Connection:
    # Batch mode drops the old table: with foreign keys, rows that refer to it would be deleted; without
    # legacy_alter_table, a view of it would stop the migration.
    # A read-only system has no folder for temporary files.
    connection = _connect(path, "foreign_keys=OFF", "legacy_alter_table=ON", "temp_store=MEMORY")
    if path.stat().st_size == 0:
        # Only possible in an empty file.
        when_free(connection, lambda: connection.execute("PRAGMA auto_vacuum=INCREMENTAL"))
    return connection


def _connect(path: Path, *pragmas: str) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"{path.as_uri()}?mode=rw", uri=True, timeout=_BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
    )
    # See app/database/sqlite/checkpoint_lock.py.
    for pragma in (*pragmas, "wal_autocheckpoint=0"):
        connection.execute(f"PRAGMA {pragma}")
    return connection


def _engine(url: URL, connect: partial[sqlite3.Connection], begin: Callable[[Connection], object]) -> Engine:
    engine = create_engine(url, creator=connect, poolclass=NullPool)

    # Otherwise sqlite3 commits before each schema change.
    event.listen(engine, "begin", begin)
    return engine
