"""Reads on one consistent state of the database."""

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
from app.database.limits import QUEUE_SIZE
from app.database.pending_jobs import Job, PendingJobs, join_all
from app.database.writer import Work

T = TypeVar("T")

_END: Final = object()


class Reader:
    def __init__(
        self,
        engine: Engine,
        sessions: sessionmaker[Any],
        *,
        threads: int,
        timeout_s: float,
        queue_size: int = QUEUE_SIZE,
    ) -> None:
        self.engine = engine
        self._sessions = sessions
        self._streams = asyncio.Semaphore(threads)
        self._pending = PendingJobs(queue_size=queue_size, timeout_s=timeout_s)
        self._queue: SimpleQueue[Job[Any] | None] = SimpleQueue()
        self._threads = [threading.Thread(target=self._serve, name="read", daemon=True) for _ in range(threads)]
        for thread in self._threads:
            thread.start()

    async def run(self, work: Work[T]) -> T:
        self._pending.check_space()
        return await self._enter(partial(self._read, work)).future

    def _enter(self, call: Callable[[], T]) -> Job[T]:
        job = self._pending.add(call)
        self._queue.put(job)
        return job

    def _serve(self) -> None:
        while (job := self._queue.get()) is not None:
            if not job.expired:
                try:
                    job.result = job.work()
                except BaseException as error:  # noqa: BLE001
                    job.error = error
            self._pending.finish([job])
            # Otherwise the idle thread keeps the result.
            del job

    def _read(self, work: Work[T]) -> T:
        with self.snapshot() as session:
            return work(session)

    @contextmanager
    def snapshot(self) -> Iterator[Session]:
        with translated_errors(), self._sessions(bind=self.engine) as session:
            yield session

    async def stream(self, work: Callable[[Session], Iterator[T]]) -> AsyncIterator[T]:
        """Run a generator step by step; raise DatabaseBusy if all threads have a stream."""
        if self._streams.locked():
            raise DatabaseBusy("other exports are running")
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
                # Close the snapshot even if the client disconnected.
                if step is not None:
                    await asyncio.wait([step.future])
                abandoned.set()
                closing = self._enter(partial(_close, pieces))
                if step is not None and step.expired:
                    closing.future.cancel()
                else:
                    await closing.future

    def _pieces(self, work: Callable[[Session], Iterator[T]]) -> Generator[T, None, None]:
        with self.snapshot() as session:
            yield from work(session)

    def close(self, deadline: float) -> bool:
        for _ in self._threads:
            self._queue.put(None)
        return join_all(self._threads, deadline)


def _next(pieces: Generator[Any, None, None], abandoned: threading.Event) -> Any:
    piece = next(pieces, _END)
    if abandoned.is_set():
        _close(pieces)
    return piece


def _close(pieces: Generator[Any, None, None]) -> None:
    # While a step runs in another thread, that thread closes the generator.
    with suppress(ValueError):
        pieces.close()
