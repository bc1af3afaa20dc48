"""Group commit: waiting writes share a transaction and a sync, each in its own session."""

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from queue import Empty, SimpleQueue
from typing import Any, Final, TypeVar

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session, sessionmaker

from app.database.errors import DatabaseError, DatabaseUnavailable, translated_errors
from app.database.limits import QUEUE_SIZE
from app.database.pending_jobs import Job, PendingJobs, claim_all, join_all

T = TypeVar("T")
Work = Callable[[Session], T]

# In rows. A batch takes about ten milliseconds, for which other processes wait.
COMMIT_BATCH_SIZE: Final = 64


class Writer:
    def __init__(
        self,
        engine: Engine,
        sessions: sessionmaker[Any],
        *,
        threads: int,
        timeout_s: float,
        before_commit: Callable[[], None],
    ) -> None:
        """`before_commit` may raise DatabaseError."""
        self.engine = engine
        self.pending = PendingJobs(queue_size=QUEUE_SIZE, timeout_s=timeout_s)
        self._sessions = sessions
        self._before_commit = before_commit
        self._batch: list[Job[Any]] = []
        self._queue: SimpleQueue[list[Job[Any]] | None] = SimpleQueue()
        # Daemons: a hanging server must not block the exit.
        self._threads = [threading.Thread(target=self._serve, name="write", daemon=True) for _ in range(threads)]
        for thread in self._threads:
            thread.start()

    async def run(self, work: Work[T], rows: int) -> T:
        self.pending.check_space()
        job = self._enter(work, rows)
        try:
            return await job.future
        except asyncio.CancelledError:
            job.abandon()
            raise

    def _enter(self, work: Work[T], rows: int) -> Job[T]:
        # Each event-loop iteration forms one batch; otherwise the thread would start with one job.
        job = self.pending.add(work, rows)
        batch = self._batch
        if batch and batch[0].loop is job.loop:
            batch.append(job)
        else:
            # A batch changes only on its own loop, so it needs no lock.
            self._batch = batch = [job]
            job.loop.call_soon(self._enqueue, batch)
        return job

    def _enqueue(self, batch: list[Job[Any]]) -> None:
        if self._batch is batch:
            self._batch = []
        self._queue.put(batch)

    @contextmanager
    def transaction(self, jobs: Sequence[Job[Any]] = ()) -> Iterator[Session]:
        with translated_errors(), self._sessions(bind=self.engine) as session, session.begin():
            yield session
            self._check_commit(jobs)

    def _check_commit(self, jobs: Sequence[Job[Any]]) -> None:
        """Mark the jobs as committing, so that none can time out with "nothing was stored"."""
        self._before_commit()
        if not claim_all(jobs):
            raise DatabaseUnavailable("a caller timed out")

    def close(self, deadline: float) -> bool:
        for _ in self._threads:
            self._queue.put(None)
        return join_all(self._threads, deadline)

    def _serve(self) -> None:
        while (jobs := self._queue.get()) is not None:
            while len(jobs) < COMMIT_BATCH_SIZE:
                try:
                    more = self._queue.get_nowait()
                except Empty:
                    break
                if more is None:
                    self._queue.put(None)
                    break
                jobs += more
            for batch in _batches(jobs):
                self._write([job for job in batch if not job.expired])
                self.pending.finish(batch)

    def _write(self, jobs: list[Job[Any]]) -> None:
        try:
            if len(jobs) == 1 or not self._write_together(jobs):
                for job in jobs:
                    if not job.expired:
                        self._write_alone(job)
        except BaseException as error:  # noqa: BLE001  # The thread must survive.
            for job in jobs:
                job.error = job.error or error

    def _write_alone(self, job: Job[Any]) -> None:
        try:
            with self.transaction([job]) as session:
                job.result = job.work(session)
        except BaseException as error:  # noqa: BLE001
            job.error = error

    def _write_together(self, jobs: list[Job[Any]]) -> bool:
        """Return False if a job raised or timed out; then nothing is stored.

        A failed commit fails all jobs: a retry could store rows twice.
        """
        try:
            with translated_errors(), self.engine.connect() as connection:
                transaction = connection.begin()
                try:
                    for job in jobs:
                        # The session's commit only flushes.
                        session = self._sessions(bind=connection, join_transaction_mode="rollback_only")
                        with session, session.begin():
                            job.result = job.work(session)
                    self._check_commit(jobs)
                except Exception:  # noqa: BLE001
                    if transaction.is_active:
                        transaction.rollback()
                    return False
                try:
                    transaction.commit()
                except SQLAlchemyError:
                    # SQLite may leave the transaction open.
                    connection.invalidate()
                    raise
        except DatabaseError as error:
            for job in jobs:
                job.error = error
        return True


def _batches(jobs: list[Job[Any]]) -> Iterator[list[Job[Any]]]:
    """Split the jobs into transactions, small jobs first."""
    batch: list[Job[Any]] = []
    rows = 0
    for job in sorted(jobs, key=lambda job: job.rows):
        if batch and rows + job.rows > COMMIT_BATCH_SIZE:
            yield batch
            batch, rows = [], 0
        batch.append(job)
        rows += job.rows
    yield batch
