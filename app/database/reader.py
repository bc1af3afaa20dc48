"""Reads on one consistent state of the database."""

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Generator, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Final, TypeVar, cast

from sqlalchemy import Engine
from sqlalchemy.orm import Session, sessionmaker

from app.database.begin import begin_session
from app.database.errors import translated_errors
from app.database.pending_jobs import Job, PendingJobs
from app.database.threads import Threads
from app.database.writer import Work

T = TypeVar("T")

_END: Final = object()


class Reader:
    def __init__(
        self, engine: Engine, sessions: sessionmaker[Any], *, threads: int, timeout_s: float, name: str
    ) -> None:
        self.engine = engine
        self._sessions = sessions
        self._pending = PendingJobs(name, timeout_s)
        self._threads = Threads(name, threads)
        self.close = self._threads.close

    async def run(self, work: Work[T]) -> T:
        """Run the work; interrupt it if the caller is cancelled or times out."""
        self._pending.check_space()
        return await self._pending.outcome_of(self._enter(partial(self._read, work)))

    def _enter(self, call: Callable[[Job[T]], T]) -> Job[T]:
        job = self._pending.add(call)
        self._threads.put(partial(self._pending.run, job))
        return job

    def _read(self, work: Work[T], job: Job[T]) -> T:
        with self.snapshot() as session, job.interruptible(begin_session(session)):
            return work(session)

    @contextmanager
    def snapshot(self) -> Iterator[Session]:
        with translated_errors(), self._sessions(bind=self.engine) as session:
            yield session

    async def stream(self, work: Callable[[Session], Iterator[T]]) -> AsyncGenerator[T]:
        """Run a generator step by step; interrupt a step whose caller is cancelled or times out."""
        stream = _Stream(self._sessions(bind=self.engine), work)
        step = None
        try:
            while True:
                step = self._enter(stream.next)
                if (piece := await asyncio.shield(step.future)) is _END:
                    break
                yield piece
        finally:
            stream.abandoned = True
            if step is not None and not step.future.done():
                step.abandon()
                await asyncio.wait([step.future])
                step.future.exception()
            closing = self._enter(stream.close)
            if step is not None and step.is_claimed:
                closing.future.cancel()
            else:
                await closing.future


class _Stream:
    """A generator on a snapshot; its steps run in threads."""

    def __init__(self, session: Session, work: Callable[[Session], Iterator[Any]]) -> None:
        self.abandoned = False
        self._session = session
        self._pieces = cast(Generator[Any], work(session))
        self._running = threading.Lock()

    def next(self, job: Job[Any]) -> Any:
        try:
            with self._running, translated_errors(), job.interruptible(begin_session(self._session)):
                return next(self._pieces, _END)
        finally:
            if self.abandoned:
                self.close(job)

    def close(self, _job: Job[Any]) -> None:
        # A step that is running closes the stream at its end.
        if self._running.acquire(blocking=False):
            with translated_errors():
                self._pieces.close()
                self._session.close()
            self._running.release()
