"""Group commit: writes that wait together share one transaction and one sync, each in its own session."""

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

# A transaction of 64 writes takes some ten milliseconds, and other processes wait that long for the lock.
COMMIT_BATCH_SIZE: Final = 64


class Writer:
    """Threads that run works in transactions.

    Works that arrive during a commit wait and share the next one, so the cost of a sync is divided among them.
    """

    def __init__(
        self,
        engine: Engine,
        sessions: sessionmaker[Any],
        *,
        threads: int,
        timeout_s: float,
        before_commit: Callable[[], None],
    ) -> None:
        """Start the threads; `before_commit` may refuse a commit by raising DatabaseError."""
        self.engine = engine
        self.pending = PendingJobs(queue_size=QUEUE_SIZE, timeout_s=timeout_s)
        self._sessions = sessions
        self._before_commit = before_commit
        self._batch: list[Job[Any]] = []
        self._queue: SimpleQueue[list[Job[Any]] | None] = SimpleQueue()
        # Daemon threads do not keep the process alive while a server hangs.
        self._threads = [threading.Thread(target=self._serve, name="write", daemon=True) for _ in range(threads)]
        for thread in self._threads:
            thread.start()

    async def run(self, work: Work[T]) -> T:
        """Run the work and return its result after the commit; raise its exception, or a DatabaseError."""
        self.pending.check_space()
        return await self._enter(work).future

    def _enter(self, work: Work[T]) -> Job[T]:
        # The jobs of one round of the event loop are queued together; otherwise the thread would start with the first.
        job = self.pending.add(work)
        batch = self._batch
        if batch and batch[0].loop is job.loop:
            batch.append(job)
        else:
            # A batch belongs to one loop and is changed only there, so several loops need no lock.
            self._batch = batch = [job]
            job.loop.call_soon(self._enqueue, batch)
        return job

    def _enqueue(self, batch: list[Job[Any]]) -> None:
        if self._batch is batch:
            self._batch = []
        self._queue.put(batch)

    @contextmanager
    def transaction(self, jobs: Sequence[Job[Any]] = ()) -> Iterator[Session]:
        """Give a session in the calling thread; commit at the end, or roll back when the block raises."""
        with translated_errors(), self._sessions(bind=self.engine) as session, session.begin():
            yield session
            self._check_commit(jobs)

    def _check_commit(self, jobs: Sequence[Job[Any]]) -> None:
        """Mark the jobs as committing, so that none can time out with "nothing was stored".

        Raises DatabaseError if the commit would be lost or a job has timed out.
        """
        self._before_commit()
        if not claim_all(jobs):
            raise DatabaseUnavailable("a caller timed out")

    def close(self, deadline: float) -> bool:
        """Finish the queue and stop the threads; return whether they ended by the deadline (`time.monotonic()`)."""
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
                    # Stop after these jobs.
                    self._queue.put(None)
                    break
                jobs += more
            for start in range(0, len(jobs), COMMIT_BATCH_SIZE):
                batch = jobs[start : start + COMMIT_BATCH_SIZE]
                self._write([job for job in batch if not job.expired])
                self.pending.finish(batch)

    def _write(self, jobs: list[Job[Any]]) -> None:
        try:
            if len(jobs) == 1 or not self._write_together(jobs):
                for job in jobs:
                    if not job.expired:
                        self._write_alone(job)
        except BaseException as error:  # noqa: BLE001  # The thread must survive to answer later callers.
            for job in jobs:
                job.error = job.error or error

    def _write_alone(self, job: Job[Any]) -> None:
        try:
            with self.transaction([job]) as session:
                job.result = job.work(session)
        except BaseException as error:  # noqa: BLE001  # The caller handles it.
            job.error = error

    def _write_together(self, jobs: list[Job[Any]]) -> bool:
        """Write all jobs in one transaction; return False, with nothing written, if one raised or timed out.

        Each is then written alone, so that only the failing one fails. If the commit itself fails, all fail: the rows
        may be on disk, and a second attempt could store them twice.
        """
        try:
            with translated_errors(), self.engine.connect() as connection:
                transaction = connection.begin()
                try:
                    for job in jobs:
                        # The session's commit only flushes; its rollback rolls back all jobs.
                        session = self._sessions(bind=connection, join_transaction_mode="rollback_only")
                        with session, session.begin():
                            job.result = job.work(session)
                    self._check_commit(jobs)
                except Exception:  # noqa: BLE001  # It is raised again when the job is written alone.
                    if transaction.is_active:
                        transaction.rollback()
                    return False
                try:
                    transaction.commit()
                except SQLAlchemyError:
                    # SQLite may leave the transaction open, and the connection could not begin another.
                    connection.invalidate()
                    raise
        except DatabaseError as error:
            for job in jobs:
                job.error = error
        return True
