"""The only place where transactions begin and end."""

import threading
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, aclosing, suppress
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

from sqlalchemy import URL, Connection, Engine, text
from sqlalchemy.orm import Session, sessionmaker

from app.config import ConfigurationError, get_settings
from app.database.batcher import Batcher, Prepare
from app.database.errors import DatabaseError, DatabaseUnavailable, translated_errors
from app.database.limits import ANSWER_TIMEOUT_S, CLOSE_TIMEOUT_S, SCAN_TIMEOUT_S, SCANNERS
from app.database.reader import Reader
from app.database.schema_version import schema_problem
from app.database.sqlite.engine import READERS, sqlite_engine
from app.database.sqlite.file_guard import FileGuard
from app.database.url import parse_database_url
from app.database.writer import Work, Writer

if TYPE_CHECKING:
    from app.database.postgres.standby import Standby

READ_URL: Final = "READ_DATABASE_URL"

I = TypeVar("I")  # noqa: E741
T = TypeVar("T")


class _LazySession(Session):
    """Opens the configured database at its first use."""

    def get_bind(self, *args: Any, **kwargs: Any) -> Engine | Connection:
        return self.bind or get_database().engine


# Otherwise rows are loaded again after the commit.
SessionLocal = sessionmaker(class_=_LazySession, expire_on_commit=False)


class _Engines(NamedTuple):
    """Engines, and how many threads use them."""

    write: Engine
    read: Engine
    scan: Engine
    writers: int
    readers: int
    before_commit: Callable[[], None] = lambda: None
    release_locks: Callable[[], None] = lambda: None
    check_server: Callable[[Connection], None] = lambda _connection: None


def _sqlite_engines(url: URL, *, beside_service: bool) -> _Engines:
    guard = FileGuard(Path(url.database or "").absolute())
    return _Engines(
        write=sqlite_engine(url, guard, "second writer" if beside_service else "writer"),
        read=sqlite_engine(url, guard, "reader"),
        scan=sqlite_engine(url, guard, "reader"),
        # SQLite allows one writer, and its lock has no queue.
        writers=1,
        readers=READERS,
        before_commit=guard.check_still_there,
        release_locks=guard.checkpoint_lock.release,
    )


def _postgres_engines(url: URL) -> _Engines:
    from app.database.postgres import engine

    return _Engines(
        write=engine.postgres_write_engine(url),
        read=engine.postgres_read_engine(url),
        scan=engine.postgres_scan_engine(url),
        writers=engine.POSTGRES_THREADS,
        readers=engine.POSTGRES_THREADS,
        check_server=engine.check_server,
    )


class _Pools:
    """The engines and threads of an open database."""

    standby: "Standby | None" = None

    def __init__(
        self,
        url: URL,
        read_url: URL | None,
        *,
        beside_service: bool,
        answer_timeout_s: float,
        scan_timeout_s: float,
    ) -> None:
        is_sqlite = url.get_backend_name() == "sqlite"
        engines = _sqlite_engines(url, beside_service=beside_service) if is_sqlite else _postgres_engines(url)
        self.check_server, self._release_locks = engines.check_server, engines.release_locks
        self.writer = Writer(
            engines.write,
            SessionLocal,
            threads=engines.writers,
            timeout_s=answer_timeout_s,
            before_commit=engines.before_commit,
            after_commit=self._note_commit,
        )
        reader = partial(Reader, sessions=SessionLocal, threads=engines.readers, timeout_s=answer_timeout_s)
        scanner = partial(Reader, sessions=SessionLocal, threads=SCANNERS, timeout_s=scan_timeout_s)
        self.reader, self.scanner = reader(engines.read, name="read"), scanner(engines.scan, name="scan")
        if read_url is not None:
            from app.database.postgres.engine import postgres_read_engine, postgres_scan_engine
            from app.database.postgres.standby import Standby

            self.standby = Standby(
                reader(postgres_read_engine(read_url, READ_URL), name="standby_read"),
                scanner(postgres_scan_engine(read_url, READ_URL), name="standby_scan"),
                primary_reader=self.reader,
                primary_writer=self.writer,
            )

    def _note_commit(self) -> None:
        if self.standby is not None:
            self.standby.note_commit()

    async def usable_standby(self) -> "Standby | None":
        return self.standby if self.standby is not None and await self.standby.is_usable() else None

    def close(self) -> None:
        deadline = time.monotonic() + CLOSE_TIMEOUT_S
        of_standby = () if self.standby is None else (self.standby.scanner, self.standby.reader)
        # The writer closes last: only its connection may remove the WAL.
        pools = (*of_standby, self.scanner, self.reader, self.writer)
        ended = [pool.close(deadline) for pool in pools]
        if not all(ended):
            return
        for pool in pools:
            pool.engine.dispose()
        self._release_locks()


class Database:
    def __init__(
        self,
        url: str,
        read_url: str | None = None,
        *,
        beside_service: bool = False,
        answer_timeout_s: float = ANSWER_TIMEOUT_S,
        scan_timeout_s: float = SCAN_TIMEOUT_S,
    ) -> None:
        """Read from the standby of `read_url`. With `beside_service`, leave SQLite's checkpoints to the service."""
        self._url = url
        self._read_url = read_url
        self._make_pools = partial(
            _Pools, beside_service=beside_service, answer_timeout_s=answer_timeout_s, scan_timeout_s=scan_timeout_s
        )
        self._lock = threading.Lock()
        self._open_pools: _Pools | None = None

    def open(self) -> None:
        """Raise ConfigurationError, or DatabaseUnavailable without an SQLite file."""
        self._pools()

    def close(self) -> None:
        with self._lock:
            pools, self._open_pools = self._open_pools, None
        if pools is not None:
            pools.close()

    def _pools(self) -> _Pools:
        pools = self._open_pools
        if pools is not None:
            return pools
        with self._lock:
            if self._open_pools is None:
                self._open_pools = self._make_pools(self.url, self._checked_read_url())
            return self._open_pools

    @property
    def url(self) -> URL:
        return parse_database_url(self._url)

    def _checked_read_url(self) -> URL | None:
        if self._read_url is None:
            return None
        read_url = parse_database_url(self._read_url, READ_URL)
        if "sqlite" in (self.url.get_backend_name(), read_url.get_backend_name()):
            raise ConfigurationError(
                f"{READ_URL}: only PostgreSQL has standby servers; remove it if the database is SQLite"
            )
        return read_url

    @property
    def engine(self) -> Engine:
        return self._pools().writer.engine

    async def write(self, work: Work[T], then: Callable[[T], None] | None = None) -> T:
        """Return the work's result once its commit is on disk; raise its exception or a DatabaseError.

        A cancelled caller's work is stored only if its commit has begun. `then` gets the result in any case.
        """
        return await self._pools().writer.run(work, then)

    def batcher(self, prepare: Prepare[I, T], then: Callable[[T], None] | None = None) -> Batcher[I, T]:
        return Batcher(lambda: self._pools().writer, prepare, then)

    async def read(self, work: Work[T]) -> T:
        """Run the work on one snapshot."""
        return await self._read(lambda server: server.reader.run(work))

    async def scan(self, work: Work[T]) -> T:
        """Run a long read in separate threads."""
        return await self._read(lambda server: server.scanner.run(work))

    async def stream(self, work: Callable[[Session], Iterator[T]]) -> AsyncGenerator[T]:
        server = await self._pools().usable_standby() or self._pools()
        async with aclosing(server.scanner.stream(work)) as pieces:
            async for piece in pieces:
                yield piece

    async def _read(self, run: "Callable[[_Pools | Standby], Awaitable[T]]") -> T:
        standby = await self._pools().usable_standby()
        if standby is not None:
            with suppress(DatabaseUnavailable):
                return await run(standby)
        return await run(self._pools())

    @property
    def has_standby(self) -> bool:
        return self._read_url is not None

    @property
    def standby_problem(self) -> str | None:
        """Return why the last read did not use the standby."""
        standby = self._pools().standby
        return None if standby is None else standby.problem

    def snapshot(self) -> AbstractContextManager[Session]:
        """Open a snapshot of the primary, for scripts."""
        return self._pools().scanner.snapshot()

    def transaction(self) -> AbstractContextManager[Session]:
        """Commit after the block, for scripts."""
        return self._pools().writer.transaction()

    async def check_write(self) -> None:
        """Try a commit; raise DatabaseError."""
        check_server = self._pools().check_server

        def touch(session: Session) -> None:
            check_server(session.connection())
            session.execute(text("UPDATE alembic_version SET version_num = version_num"))

        await self.write(touch)

    async def check_read(self) -> str | None:
        """Return the problem of the tables, or None; raise DatabaseError."""
        return await self.read(lambda session: schema_problem(session.connection()))

    async def try_write(self) -> str | None:
        """Return any problem."""
        return await _problem_of(self.check_write())

    async def try_read(self) -> str | None:
        return await _problem_of(self.check_read())

    def schema_problem(self) -> str | None:
        """Check the tables, for scripts."""
        try:
            with translated_errors(), self._pools().reader.engine.connect() as connection:
                return schema_problem(connection)
        except DatabaseError as error:
            return str(error)

    def try_open_writer(self) -> str | None:
        """Open the writer, which enables WAL mode; return the problem, or None."""
        try:
            with translated_errors(), self.engine.connect() as connection:
                self._pools().check_server(connection)
                return None
        except DatabaseError as error:
            return str(error)


async def _problem_of(check: Awaitable[str | None]) -> str | None:
    try:
        return await check
    except DatabaseError as error:
        return str(error)


@cache
def get_database() -> Database:
    return Database(get_settings().database_url, get_settings().read_database_url)
