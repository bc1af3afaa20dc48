"""Sessions and transactions: the only place where a transaction begins, commits and ends."""

import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import URL, Connection, Engine, text
from sqlalchemy.orm import Session, sessionmaker

from app.config import get_settings
from app.database.errors import (
    DatabaseError,
    translated_errors,
)
from app.database.limits import ANSWER_WITHIN_S, SCAN_WITHIN_S, SCANNERS
from app.database.reader import Reader
from app.database.schema_version import schema_problem
from app.database.sqlite.engine import READERS, sqlite_engine
from app.database.sqlite.file_guard import FileGuard
from app.database.url import checked_url
from app.database.writer import Work, Writer

T = TypeVar("T")

# A scan of a million rows takes a second or two; whoever would wait for ten of them is told to come back.
PATIENCE = 20

# Of the two seconds that a stop takes after the requests under way.
CLOSE_WITHIN_S = 1.5


class _LazySession(Session):
    """A session that opens the configured database when it is first used, not when it is imported."""

    def get_bind(self, *args: Any, **kwargs: Any) -> Engine | Connection:
        return self.bind or get_database().engine


# Rows stay readable after the commit: reloading them would begin a second transaction.
SessionLocal = sessionmaker(class_=_LazySession, expire_on_commit=False)


class _Lanes:
    """What is open between `Database.open` and `Database.close`."""

    refuse_lossy_commits: Callable[[Connection], None]
    _end_turn: Callable[[], None]

    def __init__(self, url: URL, *, beside_service: bool) -> None:
        if url.get_backend_name() == "sqlite":
            guard = FileGuard(Path(url.database or "").absolute())
            # One writer: SQLite lets one write at a time anyway, and its lock is given to whoever asks
            # at the right moment. The queue gives it to whoever came first.
            write = sqlite_engine(url, guard, "second writer" if beside_service else "writer")
            self.writer = Writer(write, SessionLocal, threads=1, before_commit=guard.check_still_there)
            self._end_turn = guard.checkpoint_lock.release
            self.refuse_lossy_commits = lambda _connection: None  # How SQLite commits is for this process alone to say.
            self.reader = Reader(
                sqlite_engine(url, guard, "reader"), SessionLocal, threads=READERS, within_s=ANSWER_WITHIN_S
            )
            scan = sqlite_engine(url, guard, "reader")
        else:
            # Here, since a service on SQLite need not load the driver.
            from app.database.postgres.engine import (
                POSTGRES_THREADS,
                postgres_engine,
                postgres_scan_engine,
                refuse_lossy_commits,
            )

            engine = postgres_engine(url)
            self._end_turn = lambda: None
            self.refuse_lossy_commits = refuse_lossy_commits
            self.writer = Writer(engine, SessionLocal, threads=POSTGRES_THREADS, before_commit=lambda: None)
            self.reader = Reader(engine, SessionLocal, threads=POSTGRES_THREADS, within_s=ANSWER_WITHIN_S)
            scan = postgres_scan_engine(url)
        self.scanner = Reader(scan, SessionLocal, threads=SCANNERS, within_s=SCAN_WITHIN_S, patience=PATIENCE)

    def close(self) -> None:
        """Finish what was begun, then close every connection; leave that to the process's end if the database hangs."""
        deadline = time.monotonic() + CLOSE_WITHIN_S
        ended = [lane.close(deadline) for lane in (self.scanner, self.reader, self.writer)]
        if not all(ended):
            return
        # The writer last: SQLite's last connection moves the log into the file and removes the log,
        # which a reader's connection is not allowed to do.
        self.scanner.engine.dispose()
        self.reader.engine.dispose()
        self.writer.engine.dispose()
        # Not before: of several processes that stop at once the last must find itself alone to remove the log.
        self._end_turn()


class Database:
    """One database: the only code of the service that begins, commits and ends a transaction."""

    def __init__(self, url: str, *, beside_service: bool = False) -> None:
        """Take the URL, and whether the service may be using the same database in another process.

        Such a process leaves SQLite's log to the service, since two that move it into the file can corrupt that.
        """
        self._url = url
        self._beside_service = beside_service
        self._lock = threading.Lock()
        self._lanes: _Lanes | None = None

    def open(self) -> None:
        """Open engines and threads; harmless when they are open.

        Raises ConfigurationError for a URL that cannot work and DatabaseUnavailable for an SQLite
        file that does not exist. PostgreSQL is not contacted before it is needed.
        """
        self._open_lanes()

    def close(self) -> None:
        """Finish what was begun, then close every connection; wait no longer for a database that does not answer."""
        with self._lock:
            lanes, self._lanes = self._lanes, None
        if lanes is not None:
            lanes.close()

    def _open_lanes(self) -> _Lanes:
        with self._lock:
            if self._lanes is None:
                self._lanes = _Lanes(checked_url(self._url), beside_service=self._beside_service)
            return self._lanes

    @property
    def engine(self) -> Engine:
        """The engine that writes, opened when necessary: what `SessionLocal` uses."""
        return self._open_lanes().writer.engine

    async def write(self, work: Work[T]) -> T:
        """Run the work in a session of its own; return its result once the commit is on disk.

        Works that wait together share a transaction (see `app.database.writer`). If the work raises, its changes are
        rolled back and the exception passes through. Errors of the database are raised as DatabaseError; only
        OutcomeUnknown leaves open whether the row was stored. The work may run twice, so it must change nothing but
        the session. A cancelled caller's work may still be stored.
        """
        return await self._open_lanes().writer.run(work)

    async def read(self, work: Work[T]) -> T:
        """Run the work on one consistent state of the database, beside the writes. Nothing is stored."""
        return await self._open_lanes().reader.run(work)

    async def scan(self, work: Work[T]) -> T:
        """Do the same for a work that may read every row: in threads of their own, so that no page waits for it."""
        return await self._open_lanes().scanner.run(work)

    def stream(self, work: Callable[[Session], Iterator[T]]) -> AsyncIterator[T]:
        """Run a work that yields, piece by piece, on one consistent state of the database."""
        return self._open_lanes().scanner.stream(work)

    def snapshot(self) -> AbstractContextManager[Session]:
        """Give a script a session that reads one consistent state of the database for as long as it lasts."""
        return self._open_lanes().scanner.snapshot()

    def transaction(self) -> AbstractContextManager[Session]:
        """Give a script a session whose changes are on disk when the block ends, or rolled back when it raises.

        Raises DatabaseError as `write` does. It runs in the calling thread and waits for the database without a limit
        of its own.
        """
        return self._open_lanes().writer.transaction()

    async def write_problem(self) -> str | None:
        """Commit a change of one row; return None, or why that failed or would not have been durable."""
        refuse_lossy_commits = self._open_lanes().refuse_lossy_commits

        def touch(session: Session) -> None:
            refuse_lossy_commits(session.connection())
            session.execute(text("UPDATE alembic_version SET version_num = version_num"))

        try:
            await self.write(touch)
        except DatabaseError as error:
            return str(error)
        return None

    async def read_problem(self) -> str | None:
        """Do what `schema_problem` does where the requests read, and wait no longer for it than they do."""
        try:
            return await self.read(lambda session: schema_problem(session.connection()))
        except DatabaseError as error:
            return str(error)

    def schema_problem(self) -> str | None:
        """Return None when the tables are those this version needs, or one line that says what to do.

        Raises ConfigurationError for a URL that cannot work.
        """
        try:
            with translated_errors(), self._open_lanes().reader.engine.connect() as connection:
                return schema_problem(connection)
        except DatabaseError as error:
            return str(error)

    def writer_problem(self) -> str | None:
        """Open the connection that writes, which turns SQLite's log on; return None, or why it cannot be relied on.

        Only after `schema_problem` found nothing: a database of somebody else's must stay as it is.
        """
        try:
            with translated_errors(), self.engine.connect() as connection:
                self._open_lanes().refuse_lossy_commits(connection)
                return None
        except DatabaseError as error:
            return str(error)


@cache
def get_database() -> Database:
    """Return the configured database; raise ConfigurationError when the settings cannot be used."""
    return Database(get_settings().database_url)
