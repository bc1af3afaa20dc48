"""Reads: threads that run works which store nothing, each on one consistent state of the database."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from queue import SimpleQueue
from typing import Any, Final, TypeVar

from sqlalchemy import Engine
from sqlalchemy.orm import Session, sessionmaker

from app.database.errors import DatabaseBusy, translated_errors
from app.database.pending_jobs import Job, Waiting, have_ended
from app.database.writer import MAX_WAITING, Work

T = TypeVar("T")

_END: Final = object()


class Reader:
    """Some threads and their connections, and how many callers wait for one."""

    def __init__(
        self,
        engine: Engine,
        sessions: sessionmaker[Any],
        *,
        threads: int,
        within_s: float,
        patience: int = MAX_WAITING,
    ) -> None:
        """Take the engine, what makes sessions, how many work at once, how long one may wait for them, and how many."""
        self.engine = engine
        self._sessions = sessions
        self._streams = asyncio.Semaphore(threads)
        self._waiting = Waiting(at_most=patience, within_s=within_s)
        self._queue: SimpleQueue[Job[Any] | None] = SimpleQueue()
        # Daemons: those of an executor keep the process from ending while a server hangs.
        self._threads = [threading.Thread(target=self._serve, name="read", daemon=True) for _ in range(threads)]
        for thread in self._threads:
            thread.start()

    async def run(self, work: Work[T]) -> T:
        """Run the work and return its result; raise its exception, or a DatabaseError."""
        self._waiting.refuse_more()
        return await self._enter(partial(self._read, work)).future

    def _enter(self, call: Callable[[], T]) -> Job[T]:
        job = self._waiting.add(call)
        self._queue.put(job)
        return job

    def _serve(self) -> None:
        while (job := self._queue.get()) is not None:
            if not job.withdrawn:
                try:
                    job.result = job.work()
                except BaseException as error:  # noqa: BLE001  # It is the caller's to handle; this thread serves on.
                    job.error = error
            self._waiting.finish([job])
            # An idle thread keeps neither what was read nor the state of the database it was read from.
            del job

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
        async with self._streams:
            pieces = self._pieces(work)
            abandoned = threading.Event()
            step = None
            try:
                while True:
                    step = self._enter(partial(_next, pieces, abandoned))
                    if (piece := await asyncio.shield(step.future)) is _END:
                        break
                    yield piece
            finally:
                # Whoever hung up must not keep a state of the database alive. The thread may be at work still.
                if step is not None:
                    await asyncio.wait([step.future])
                abandoned.set()
                closing = self._enter(partial(_close, pieces))
                if step is not None and step.withdrawn:
                    # Nobody knows when a thread will come to it.
                    closing.future.cancel()
                else:
                    await closing.future

    def _pieces(self, work: Callable[[Session], Iterator[T]]) -> Generator[T, None, None]:
        with self.snapshot() as session:
            yield from work(session)

    def close(self, deadline: float) -> bool:
        """Finish what was begun; return whether that was done by then (`time.monotonic()`)."""
        for _ in self._threads:
            self._queue.put(None)
        return have_ended(self._threads, deadline)


def _next(pieces: Generator[Any, None, None], abandoned: threading.Event) -> Any:
    piece = next(pieces, _END)
    if abandoned.is_set():
        _close(pieces)
    return piece


def _close(pieces: Generator[Any, None, None]) -> None:
    # A thread that is at work on them, while the database hangs, closes them itself when it comes back.
    with suppress(ValueError):
        pieces.close()
