"""Designs for durable writes: which thread runs the session, and which journal mode SQLite uses."""

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
    """Tables of the same shape as the service's."""


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
    """The large row that belongs to it: 784 bytes and ten scores."""

    __tablename__ = "drawings"
    prediction_id: Mapped[int] = mapped_column(ForeignKey("predictions.id"), primary_key=True)
    pixels: Mapped[bytes]
    scores: Mapped[dict[str, float]] = mapped_column(JSON)


def prediction(pixels: bytes) -> Prediction:
    """Return the two rows of one request."""
    drawing = Drawing(pixels=pixels, scores=SCORES)
    return Prediction(prediction="7", confidence=0.94, model_version="v1", drawing=drawing)


@dataclass(frozen=True)
class Journal:
    """SQLite's journal mode and synchronous setting. Each pair below survives a power cut."""

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
    """Create an engine with this many connections; for writing, transactions start with BEGIN IMMEDIATE."""
    engine = create_engine(f"sqlite:///{path}", pool_size=connections, max_overflow=0, pool_timeout=30)
    # The busy timeout comes first, so that changing the journal mode waits for locks.
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
    """A new database. `write` commits drawings; `read` runs the queries of the history and the statistics."""

    def __init__(self, path: Path, journal: Journal, write_connections: int) -> None:
        self._write_engine = engine_for(path, journal, write_connections, write=True)
        self._read_engine = engine_for(path, journal, REQUEST_THREADS, write=False)
        self._write_session = sessionmaker(self._write_engine, expire_on_commit=False)
        self._read_session = sessionmaker(self._read_engine)
        Base.metadata.create_all(self._write_engine)

    def write(self, drawings: list[bytes]) -> None:
        """Write all drawings in one session and one transaction, two rows each."""
        with self._write_session.begin() as session:
            session.add_all([prediction(pixels) for pixels in drawings])

    def write_in_sessions(self, drawings: list[bytes]) -> None:
        """Write each drawing in a session of its own, all in one transaction, as the service does."""
        with self._write_engine.begin() as connection:
            for pixels in drawings:
                session = Session(connection, join_transaction_mode="rollback_only", expire_on_commit=False)
                with session, session.begin():
                    session.add(prediction(pixels))

    def read(self) -> None:
        """Read the 20 newest rows, and the mean confidence of the last hundred by model version."""
        newest = select(Prediction).order_by(Prediction.id.desc())
        last = newest.limit(100).subquery()
        means = select(last.c.model_version, func.avg(last.c.confidence)).group_by(last.c.model_version)
        with self._read_session.begin() as session:
            session.scalars(newest.limit(20)).all()
            session.execute(means).all()

    def rows(self) -> int:
        """Count the drawings."""
        with Session(self._read_engine) as session:
            return session.scalar(select(func.count()).select_from(Drawing)) or 0

    def close(self) -> None:
        """Close all connections."""
        self._read_engine.dispose()
        self._write_engine.dispose()


class Design(Protocol):
    """How an asyncio server passes a request to the database."""

    async def write(self, pixels: bytes) -> None:
        """Commit a drawing."""

    async def read(self) -> None:
        """Read once."""

    def close(self) -> None:
        """End the threads."""


class RequestThreads:
    """Each request runs in a thread of one pool, as in a sync route."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._threads = ThreadPoolExecutor(REQUEST_THREADS)

    async def write(self, pixels: bytes) -> None:
        """Commit in any thread of the pool."""
        await _in(self._threads, self._store.write, [pixels])

    async def read(self) -> None:
        """Read in any thread of the pool; the writers may occupy them all."""
        await _in(self._threads, self._store.read)

    def close(self) -> None:
        """End the threads."""
        self._threads.shutdown()


class WriterThread:
    """One thread does all writes, with a session and a commit each; other threads do the reads."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._writer = ThreadPoolExecutor(1)
        self._readers = ThreadPoolExecutor(READ_CONNECTIONS)

    async def write(self, pixels: bytes) -> None:
        """Commit in the writer thread."""
        await _in(self._writer, self._store.write, [pixels])

    async def read(self) -> None:
        """Read in one of the reader threads."""
        await _in(self._readers, self._store.read)

    def close(self) -> None:
        """End the threads."""
        self._writer.shutdown()
        self._readers.shutdown()


class EventLoop:
    """Sessions run in the event loop's thread: none waits for a lock, but all wait for the disk."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def write(self, pixels: bytes) -> None:
        """Commit after the loop's other ready tasks, as a new request would."""
        await asyncio.sleep(0)
        self._store.write([pixels])

    async def read(self) -> None:
        """Read after the loop's other ready tasks."""
        await asyncio.sleep(0)
        self._store.read()

    def close(self) -> None:
        """Do nothing; there are no threads."""


class GroupCommit(WriterThread):
    """One writer thread commits all drawings that arrived while it was busy, in one session."""

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self._write_group = store.write
        self._waiting: list[tuple[bytes, asyncio.Future[None]]] = []
        self._work: asyncio.Task[None] | None = None

    async def write(self, pixels: bytes) -> None:
        """Add the drawing to the next group; return when the group is committed."""
        committed = asyncio.get_running_loop().create_future()
        self._waiting.append((pixels, committed))
        if self._work is None or self._work.done():
            self._work = asyncio.create_task(self._commit_waiting())
        await committed

    async def _commit_waiting(self) -> None:
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
    """Group commit in which each drawing has a session of its own within the common transaction."""

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self._write_group = store.write_in_sessions


async def _in(threads: ThreadPoolExecutor, work: Callable[..., Any], *arguments: object) -> None:
    await asyncio.get_running_loop().run_in_executor(threads, work, *arguments)


@dataclass(frozen=True)
class Way:
    """A design and the number of connections that its writers share."""

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
