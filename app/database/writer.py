"""Group commit: writes that wait together share one transaction and one sync, each through a session of its own."""

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
from app.database.limits import ANSWER_WITHIN_S
from app.database.pending_jobs import Job, Waiting, claim_all, have_ended

T = TypeVar("T")
Work = Callable[[Session], T]

# A write takes less than a millisecond, so the last of a thousand waits about a second. Whoever comes
# later is told at once to come back, which is better than an answer after the client has given up.
MAX_WAITING: Final = 1000

# A transaction of this many writes takes some ten milliseconds, which is how long another process, such as a person's
# `sqlite3`, may have to wait for the lock.
MAX_TOGETHER: Final = 64


class Writer:
    """Threads that run works in transactions.

    Whoever arrives while a transaction is being committed waits, and all who wait are written in the next one. So the
    cost of a commit, most of which is the disk, is shared by as many as there are, and a single caller waits for none.
    """

    def __init__(
        self, engine: Engine, sessions: sessionmaker[Any], *, threads: int, before_commit: Callable[[], None]
    ) -> None:
        """Take the engine, what makes sessions, and a check that may still refuse a commit by raising DatabaseError."""
        self.engine = engine
        self._sessions = sessions
        self._before_commit = before_commit
        self._arriving: dict[asyncio.AbstractEventLoop, list[Job[Any]]] = {}
        self._queue: SimpleQueue[list[Job[Any]] | None] = SimpleQueue()
        self._waiting = Waiting(at_most=MAX_WAITING, within_s=ANSWER_WITHIN_S)
        # Daemons, so that a script which forgets to close the database can end, and the service while a server hangs.
        self._threads = [threading.Thread(target=self._serve, name="write", daemon=True) for _ in range(threads)]
        for thread in self._threads:
            thread.start()

    async def run(self, work: Work[T]) -> T:
        """Run the work and return its result after the commit; raise its exception, or a DatabaseError."""
        self._waiting.refuse_more()
        return await self._enter(work).future

    def _enter(self, work: Work[T]) -> Job[T]:
        """Let the work wait for the others of this round of the loop, which arrive before the thread can begin anyway.

        Handed over one by one they would be written one by one, the two threads snatching the interpreter from each
        other meanwhile.
        """
        job = self._waiting.add(work)
        loop = job.loop
        arriving = self._arriving.setdefault(loop, [])
        if not arriving:
            loop.call_soon(lambda: self._queue.put(self._arriving.pop(loop)))
        arriving.append(job)
        return job

    @contextmanager
    def transaction(self, jobs: Sequence[Job[Any]] = ()) -> Iterator[Session]:
        """Give a session in the calling thread; commit at the end, or roll back when the block raises."""
        with translated_errors(), self._sessions(bind=self.engine) as session, session.begin():
            yield session
            self._check_commit(jobs)

    def _check_commit(self, jobs: Sequence[Job[Any]]) -> None:
        """Mark the jobs as committing, so that none can time out with "nothing was stored".

        Raises DatabaseError when the commit would be lost or a job has timed out already.
        """
        self._before_commit()
        if not claim_all(jobs):
            raise DatabaseUnavailable("a caller timed out")

    def close(self, deadline: float) -> bool:
        """Finish what is waiting and stop the threads; return whether that was done by then (`time.monotonic()`)."""
        for _ in self._threads:
            self._queue.put(None)
        return have_ended(self._threads, deadline)

    def _serve(self) -> None:
        while (jobs := self._queue.get()) is not None:
            while len(jobs) < MAX_TOGETHER:
                try:
                    more = self._queue.get_nowait()
                except Empty:
                    break
                if more is None:
                    # The sign to stop: to be found again after these.
                    self._queue.put(None)
                    break
                jobs += more
            for start in range(0, len(jobs), MAX_TOGETHER):
                together = jobs[start : start + MAX_TOGETHER]
                self._write([job for job in together if not job.withdrawn])
                self._waiting.finish(together)

    def _write(self, jobs: list[Job[Any]]) -> None:
        try:
            if len(jobs) == 1 or not self._write_together(jobs):
                for job in jobs:
                    if not job.withdrawn:
                        self._write_alone(job)
        except BaseException as error:  # noqa: BLE001  # Without this thread nobody would ever be answered again.
            for job in jobs:
                job.error = job.error or error

    def _write_alone(self, job: Job[Any]) -> None:
        try:
            with self.transaction([job]) as session:
                job.result = job.work(session)
        except BaseException as error:  # noqa: BLE001  # It is the caller's to handle; this thread serves on.
            job.error = error

    def _write_together(self, jobs: list[Job[Any]]) -> bool:
        """Write all in one transaction; return False, with nothing written, when one raised or was withdrawn.

        Each is then written alone, so that only the one at fault fails. An error of the commit itself is everybody's:
        the rows may be on disk, and writing them again could store them twice.
        """
        try:
            with translated_errors(), self.engine.connect() as connection:
                transaction = connection.begin()
                try:
                    for job in jobs:
                        # The session's own commit flushes; its rollback would be that of all.
                        session = self._sessions(bind=connection, join_transaction_mode="rollback_only")
                        with session, session.begin():
                            job.result = job.work(session)
                    self._check_commit(jobs)
                except Exception:  # noqa: BLE001  # It is raised again, to its own caller, when the job is written alone.
                    if transaction.is_active:
                        transaction.rollback()
                    return False
                try:
                    transaction.commit()
                except SQLAlchemyError:
                    # SQLite may leave the transaction open, and the next one could then not begin on this connection.
                    connection.invalidate()
                    raise
        except DatabaseError as error:
            for job in jobs:
                job.error = error
        return True
