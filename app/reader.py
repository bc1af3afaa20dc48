"""Reads: threads that run works which store nothing, each on one consistent state of the database."""

import asyncio
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Final, TypeVar

from sqlalchemy import Engine
from sqlalchemy.orm import Session, sessionmaker

from app.engine import DatabaseBusy, translated_errors
from app.writer import MAX_WAITING, Work

T = TypeVar("T")

_END: Final = object()


class Reader:
    """Some threads and their connections, and how many callers wait for one."""

    def __init__(
        self, engine: Engine, sessions: sessionmaker[Any], *, threads: int, patience: int = MAX_WAITING
    ) -> None:
        """Take the engine, what makes sessions, how many work at once and how many may wait for them."""
        self.engine = engine
        self._sessions = sessions
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="read")
        self._streams = asyncio.Semaphore(threads)
        self._patience = patience
        self._waiting = 0

    async def run(self, work: Work[T]) -> T:
        """Run the work and return its result; raise its exception, or a DatabaseError."""
        if self._waiting >= self._patience:
            raise DatabaseBusy(f"{self._patience} requests wait for the database already")
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._executor, self._read, work)
        finally:
            self._waiting -= 1

    def _read(self, work: Work[T]) -> T:
        with self.snapshot() as session:
            return work(session)

    @contextmanager
    def snapshot(self) -> Iterator[Session]:
        """Give a session that sees one state of the database for as long as it lasts."""
        with translated_errors(), self._sessions(bind=self.engine) as session:
            yield session

    async def stream(self, work: Callable[[Session], Iterator[T]]) -> AsyncIterator[T]:
        """Run the work, which yields, piece by piece; all pieces come from one state of the database.

        Raises DatabaseBusy at once when as many streams as there are threads are under way.
        """
        if self._streams.locked():
            raise DatabaseBusy("other exports are under way")
        loop = asyncio.get_running_loop()
        async with self._streams:
            pieces = self._pieces(work)
            step = None
            try:
                while True:
                    step = loop.run_in_executor(self._executor, next, pieces, _END)
                    if (piece := await asyncio.shield(step)) is _END:
                        break
                    yield piece  # type: ignore[misc]  # It is a piece, not the sign that there is none.
            finally:
                # Whoever hung up must not keep a state of the database alive. The thread may be at work still.
                if step is not None:
                    await asyncio.wait([step])
                await loop.run_in_executor(self._executor, pieces.close)

    def _pieces(self, work: Callable[[Session], Iterator[T]]) -> Generator[T, None, None]:
        with self.snapshot() as session:
            yield from work(session)

    def close(self) -> None:
        """Finish what was begun."""
        self._executor.shutdown()
