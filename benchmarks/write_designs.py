"""The ways to put a row on disk before the answer: who runs the session, and how SQLite keeps its journal."""

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from sqlalchemy import JSON, Connection, Engine, ForeignKey, create_engine, event, func, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship, sessionmaker

REQUEST_THREADS = 40
READ_CONNECTIONS = 8
SCORES = {str(digit): 0.1 for digit in range(10)}


class Base(DeclarativeBase):
    """The tables of this benchmark, of the shape the service has."""


class Prediction(Base):
    """The small row."""

    __tablename__ = "predictions"
    __table_args__ = ({"sqlite_autoincrement": True},)
    id: Mapped[int] = mapped_column(primary_key=True)
    prediction: Mapped[str]
    confidence: Mapped[float]
    model_version: Mapped[str]
    notes: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(default=lambda: datetime.now(UTC))
    drawing: Mapped["Drawing"] = relationship()


class Drawing(Base):
    """The large row beside it: 784 bytes and ten scores."""

    __tablename__ = "drawings"
    prediction_id: Mapped[int] = mapped_column(ForeignKey("predictions.id"), primary_key=True)
    pixels: Mapped[bytes]
    scores: Mapped[dict[str, float]] = mapped_column(JSON)


def prediction(pixels: bytes) -> Prediction:
    """What one request stores: two rows."""
    drawing = Drawing(pixels=pixels, scores=SCORES)
    return Prediction(prediction="7", confidence=0.94, model_version="v1", drawing=drawing)


@dataclass(frozen=True)
class Journal:
    """SQLite's journal mode and how far a commit is synced; each pair here survives a power cut."""

    mode: str
    synchronous: str

    def __str__(self) -> str:
        return f"{self.mode} {self.synchronous}"


JOURNALS = (
    Journal("WAL", "FULL"),
    Journal("DELETE", "EXTRA"),
    Journal("TRUNCATE", "EXTRA"),
    Journal("PERSIST", "FULL"),
)


def engine_for(path: Path, journal: Journal, connections: int, *, write: bool) -> Engine:
    """An engine of this many connections; a writing one takes the lock before its first statement."""
    engine = create_engine(f"sqlite:///{path}", pool_size=connections, max_overflow=0, pool_timeout=30)
    # The busy timeout stands first, so that changing the journal mode already waits for a lock.
    pragmas = ["busy_timeout=5000", f"journal_mode={journal.mode}", f"synchronous={journal.synchronous}"]
    pragmas += ["foreign_keys=ON"] if write else ["query_only=ON", "wal_autocheckpoint=0"]

    @event.listens_for(engine, "connect")
    def _set_up(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None
        for pragma in pragmas:
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")

    return engine


class Store:
    """One fresh database: `write` commits drawings, `read` asks what the history and the numbers ask."""

    def __init__(self, path: Path, journal: Journal, write_connections: int) -> None:
        self._write_engine = engine_for(path, journal, write_connections, write=True)
        self._read_engine = engine_for(path, journal, REQUEST_THREADS, write=False)
        self._write_session = sessionmaker(self._write_engine, expire_on_commit=False)
        self._read_session = sessionmaker(self._read_engine)
        Base.metadata.create_all(self._write_engine)

    def write(self, drawings: list[bytes]) -> None:
        """One session, one transaction: two rows for each drawing."""
        with self._write_session.begin() as session:
            session.add_all([prediction(pixels) for pixels in drawings])

    def write_in_sessions(self, drawings: list[bytes]) -> None:
        """A session for each drawing, all in one transaction: what `app.database.writer` does."""
        with self._write_engine.begin() as connection:
            for pixels in drawings:
                session = Session(connection, join_transaction_mode="rollback_only", expire_on_commit=False)
                with session, session.begin():
                    session.add(prediction(pixels))

    def read(self) -> None:
        """The 20 newest rows, and the mean confidence of the last hundred by model version."""
        newest = select(Prediction).order_by(Prediction.id.desc())
        last = newest.limit(100).subquery()
        means = select(last.c.model_version, func.avg(last.c.confidence)).group_by(last.c.model_version)
        with self._read_session.begin() as session:
            session.scalars(newest.limit(20)).all()
            session.execute(means).all()

    def rows(self) -> int:
        """How many drawings are there."""
        with Session(self._read_engine) as session:
            return session.scalar(select(func.count()).select_from(Drawing)) or 0

    def close(self) -> None:
        """Closes every connection."""
        self._read_engine.dispose()
        self._write_engine.dispose()


class Design(Protocol):
    """How an asyncio server hands a request to the database."""

    async def write(self, pixels: bytes) -> None:
        """Returns when the drawing is committed."""

    async def read(self) -> None:
        """Returns when the answer is read."""

    def close(self) -> None:
        """Ends the threads."""


class RequestThreads:
    """Every request in a thread of one pool, as a sync route has it."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._threads = ThreadPoolExecutor(REQUEST_THREADS)

    async def write(self, pixels: bytes) -> None:
        """A session in any of the threads."""
        await _in(self._threads, self._store.write, [pixels])

    async def read(self) -> None:
        """A session in any of the threads, which the writers may all hold."""
        await _in(self._threads, self._store.read)

    def close(self) -> None:
        """Ends the threads."""
        self._threads.shutdown()


class WriterThread:
    """All writes in one thread, a session and a commit each; reads in threads of their own."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._writer = ThreadPoolExecutor(1)
        self._readers = ThreadPoolExecutor(READ_CONNECTIONS)

    async def write(self, pixels: bytes) -> None:
        """Queues for the thread."""
        await _in(self._writer, self._store.write, [pixels])

    async def read(self) -> None:
        """A session in one of the reading threads."""
        await _in(self._readers, self._store.read)

    def close(self) -> None:
        """Ends the threads."""
        self._writer.shutdown()
        self._readers.shutdown()


class EventLoop:
    """Sessions on the event loop's own thread: none waits for a lock, and all wait for the disk."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def write(self, pixels: bytes) -> None:
        """Waits for its turn on the loop, as a request that has just arrived does."""
        await asyncio.sleep(0)
        self._store.write([pixels])

    async def read(self) -> None:
        """Waits for its turn as well."""
        await asyncio.sleep(0)
        self._store.read()

    def close(self) -> None:
        """Has nothing to end."""


class GroupCommit(WriterThread):
    """One writer thread that commits together all drawings which came while it was busy, through one session."""

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self._write_group = store.write
        self._waiting: list[tuple[bytes, asyncio.Future[None]]] = []
        self._work: asyncio.Task[None] | None = None

    async def write(self, pixels: bytes) -> None:
        """Joins those that wait; returns when their common transaction is committed."""
        committed = asyncio.get_running_loop().create_future()
        self._waiting.append((pixels, committed))
        if self._work is None or self._work.done():
            self._work = asyncio.create_task(self._commit_the_waiting())
        await committed

    async def _commit_the_waiting(self) -> None:
        while self._waiting:
            group, self._waiting = self._waiting, []
            try:
                await _in(self._writer, self._write_group, [pixels for pixels, _ in group])
            except SQLAlchemyError as error:
                for _, committed in group:
                    committed.set_exception(error)
            else:
                for _, committed in group:
                    committed.set_result(None)


class GroupCommitOfSessions(GroupCommit):
    """The same, but each drawing has a session of its own inside the common transaction."""

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self._write_group = store.write_in_sessions


async def _in(threads: ThreadPoolExecutor, work: Callable[..., Any], *arguments: object) -> None:
    await asyncio.get_running_loop().run_in_executor(threads, work, *arguments)


@dataclass(frozen=True)
class Way:
    """A design with the number of connections its writers share."""

    name: str
    design: Callable[[Store], Design]
    write_connections: int


WAYS = (
    Way("40 threads, 40 connections", RequestThreads, REQUEST_THREADS),
    Way("40 threads, 1 connection", RequestThreads, 1),
    Way("one writer thread", WriterThread, 1),
    Way("event loop thread", EventLoop, 1),
    Way("group commit, one session", GroupCommit, 1),
    Way("group commit, a session each", GroupCommitOfSessions, 1),
)
