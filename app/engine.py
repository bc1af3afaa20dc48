"""Engines: how PixelWise connects to SQLite and to PostgreSQL, and what its errors are called."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, Literal

from sqlalchemy import URL, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from app.config import ConfigurationError

# A reader waits for the disk and for Python's interpreter lock; more threads than this gain nothing.
READERS: Final = 8

# Statistics over everything and exports: few at once, so that they leave a core to the requests.
SCANNERS: Final = 2

# Five connections for writes and five for reads: a thread never waits for a connection, and slow
# reads never keep a write from having one.
POSTGRES_THREADS: Final = 5

BUSY_TIMEOUT_S: Final = 5.0

# FULL syncs the log at every commit: with NORMAL the rows since the last checkpoint are lost when the
# power fails. The size limit gives the disk back after a burst. What is deleted is overwritten, for it may be personal.
_WRITER_PRAGMAS: Final = (
    "journal_mode=WAL",
    "synchronous=FULL",
    "foreign_keys=ON",
    "journal_size_limit=67108864",
    "secure_delete=ON",
)
# Only the writer's connection checkpoints: two connections doing it at once can corrupt the file
# before SQLite 3.51.3, see https://sqlite.org/wal.html#the_wal_reset_bug
# Readers change nothing: a start that is refused leaves the file and its journal as they were.
_READER_PRAGMAS: Final = ("query_only=ON", "wal_autocheckpoint=0")
# A script that writes while the service runs leaves the checkpoints to it, for the same reason.
_SECOND_WRITER_PRAGMAS: Final = (*_WRITER_PRAGMAS, "wal_autocheckpoint=0")

# Stated here and not left to the server's configuration: an acknowledged row is on disk, and no
# statement and no lock holds up a request for longer than a client waits.
_POSTGRES_OPTIONS: Final = (
    "-c synchronous_commit=on -c statement_timeout=5000 -c lock_timeout=2000"
    " -c idle_in_transaction_session_timeout=10000"
)

# A scan may take longer, and whoever downloads an export may be slow; all of it sees one state of the database.
_POSTGRES_SCAN_OPTIONS: Final = (
    "-c statement_timeout=120000 -c idle_in_transaction_session_timeout=120000 -c default_transaction_read_only=on"
)

# Too many connections, a lock or a statement that took too long, a deadlock, a serialisation failure.
_POSTGRES_BUSY: Final = ("53300", "55P03", "57014", "40P01", "40001")

UPGRADE: Final = "run: alembic upgrade head"


class DatabaseError(Exception):
    """The database did not do what was asked; nothing was stored. The text is safe to log."""


class DatabaseUnavailable(DatabaseError):
    """The database cannot be reached, read or written."""


class DatabaseFull(DatabaseError):
    """There is no room for another row."""


class DatabaseBusy(DatabaseError):
    """Too many others are waiting, or a lock was not given in time."""


def checked_url(database_url: str) -> URL:
    """Parse the URL; raise ConfigurationError when it is malformed or its SQLite folder does not exist."""
    try:
        url = make_url(database_url)
    except (ArgumentError, ValueError):
        raise ConfigurationError("DATABASE_URL is not a valid URL") from None
    if url.get_backend_name() != "sqlite":
        return url
    if url.host or url.query or not url.database or url.database == ":memory:":
        raise ConfigurationError("DATABASE_URL: SQLite takes sqlite:/// and the path of a file, nothing else")
    folder = Path(url.database).absolute().parent
    if not folder.is_dir():
        problem = f"DATABASE_URL: the folder {folder} does not exist"
        from_root = Path("/", url.database)
        if from_root.parent.is_dir():
            problem += f"; an absolute path takes four slashes: sqlite:///{from_root}"
        raise ConfigurationError(problem)
    return url


class SqliteFile:
    """The file that was opened, so that a moved, deleted or replaced one is noticed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._opened = self._identity()
        except FileNotFoundError:
            raise DatabaseUnavailable(f"there is no database at {path}; {UPGRADE}") from None
        except OSError as error:
            raise DatabaseUnavailable(f"cannot open {path}: {error.strerror}") from error

    def _identity(self) -> tuple[int, int]:
        status = self.path.stat()
        return status.st_dev, status.st_ino

    def refuse_another(self) -> None:
        """Raise DatabaseUnavailable when the path no longer leads to the file that was opened.

        What is committed to a file without a name is lost, and SQLite does not notice it.
        """
        try:
            same = self._identity() == self._opened
        except OSError:
            same = False
        if not same:
            raise DatabaseUnavailable(f"{self.path} was moved, deleted or replaced; restart the service")

    def connect(self) -> sqlite3.Connection:
        """Connect to the file. It is never created here: an empty one would hide that the data is gone."""
        self.refuse_another()
        return sqlite3.connect(
            f"{self.path.as_uri()}?mode=rw",
            uri=True,
            timeout=BUSY_TIMEOUT_S,  # In force before any PRAGMA, since journal_mode=WAL takes a lock itself.
            isolation_level=None,  # Otherwise the driver decides by itself when a transaction begins.
            check_same_thread=False,  # A pooled connection serves one thread after another.
        )


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
    pragmas = {"writer": _WRITER_PRAGMAS, "second writer": _SECOND_WRITER_PRAGMAS, "reader": _READER_PRAGMAS}[role]
    # A deferred transaction that reads and then writes fails at once when another wrote in between,
    # whatever the timeout; IMMEDIATE waits for its turn instead.
    begin = "BEGIN IMMEDIATE" if write else "BEGIN"

    @event.listens_for(engine, "connect")
    def configure(connection: sqlite3.Connection, _record: object) -> None:
        for pragma in pragmas:
            connection.execute(f"PRAGMA {pragma}")

    if role == "writer":
        # The log of a file that was moved or replaced is left by SQLite where it is, and at the next start it would
        # be played into the file that has taken the place, which destroys that. So no rows stay in it.
        @event.listens_for(engine, "close")
        def empty_log(connection: sqlite3.Connection, _record: object) -> None:
            with suppress(sqlite3.Error):
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    # SQLAlchemy leaves the BEGIN to the driver, which leaves it to us. Said to the driver directly, because the usual
    # way, an event that executes it as a statement, takes as long as an INSERT.
    setattr(engine.dialect, "do_begin", lambda connection: connection.execute(begin))  # noqa: B010

    return engine


def postgres_engine(url: URL) -> Engine:
    """Make the engine that writes and reads; nothing is contacted before it is used."""
    return create_engine(
        url,
        pool_size=5,
        max_overflow=2 * POSTGRES_THREADS - 5,
        pool_timeout=BUSY_TIMEOUT_S,
        pool_pre_ping=True,
        pool_recycle=1800,
        connect_args={"connect_timeout": 3, "options": _POSTGRES_OPTIONS},
    )


def postgres_scan_engine(url: URL) -> Engine:
    """Make the engine for statistics over everything and for exports; nothing is contacted before it is used."""
    return create_engine(
        url,
        isolation_level="REPEATABLE READ",
        pool_size=2 * SCANNERS,  # An export keeps its connection between the pieces, while a thread scans with another.
        max_overflow=0,
        pool_timeout=BUSY_TIMEOUT_S,
        pool_pre_ping=True,
        pool_recycle=1800,
        connect_args={"connect_timeout": 3, "options": _POSTGRES_SCAN_OPTIONS},
    )


def _translated(error: SQLAlchemyError) -> DatabaseError:
    """Name the cause in words that hold neither the statement nor its values."""
    original = getattr(error, "orig", None)
    if isinstance(error, PoolTimeout):
        return DatabaseBusy("no connection became free in time")
    if original is None:
        return DatabaseUnavailable(type(error).__name__)
    # What follows the first line of a PostgreSQL message may quote the row.
    cause = str(original).strip().partition("\n")[0]
    code = getattr(original, "sqlite_errorcode", 0) & 0xFF
    state = getattr(original, "sqlstate", None)
    if code == sqlite3.SQLITE_FULL or state == "53100":
        return DatabaseFull(cause)
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED) or state in _POSTGRES_BUSY:
        return DatabaseBusy(cause)
    return DatabaseUnavailable(cause)


@contextmanager
def translated_errors() -> Iterator[None]:
    """Raise every error of SQLAlchemy and of the drivers below it as a DatabaseError."""
    try:
        yield
    except SQLAlchemyError as error:
        raise _translated(error) from error
