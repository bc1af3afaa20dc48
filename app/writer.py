"""Group commit: writes that wait together share one transaction and one sync, each through a session of its own."""

import asyncio
import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any, Final, Generic, TypeVar

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session, sessionmaker

from app.engine import DatabaseBusy, DatabaseError, translated_errors

T = TypeVar("T")
Work = Callable[[Session], T]

# A write takes less than a millisecond, so the last of a thousand waits about a second. Whoever comes
# later is told at once to come back, which is better than an answer after the client has given up.
MAX_WAITING: Final = 1000

# A transaction of this many writes takes some ten milliseconds, which is how long another process, such as a person's
# `sqlite3`, may have to wait for the lock.
MAX_TOGETHER: Final = 64


class _Job(Generic[T]):
    """One caller's work, and what became of it."""

    def __init__(self, work: Work[T]) -> None:
        self.work = work
        self.future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self.result: T | None = None
        self.error: BaseException | None = None

    def deliver(self) -> None:
        """Wake the caller; runs on the caller's loop."""
        if self.future.done():
            return
        if self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(self.result)  # type: ignore[arg-type]  # The result of work without an error.


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
        self._arriving: dict[asyncio.AbstractEventLoop, list[_Job[Any]]] = {}
        self._queue: SimpleQueue[list[_Job[Any]] | None] = SimpleQueue()
        self._waiting = 0
        # Daemons, so that a script which forgets to close the database can end.
        self._threads = [threading.Thread(target=self._serve, name="write", daemon=True) for _ in range(threads)]
        for thread in self._threads:
            thread.start()

    async def run(self, work: Work[T]) -> T:
        """Run the work and return its result after the commit; raise its exception, or a DatabaseError."""
        if self._waiting >= MAX_WAITING:
            raise DatabaseBusy(f"{MAX_WAITING} requests wait for the database already")
        self._waiting += 1
        try:
            return await self._enter(work).future
        finally:
            self._waiting -= 1

    def _enter(self, work: Work[T]) -> _Job[T]:
        """Let the work wait for the others of this round of the loop, which arrive before the thread can begin anyway.

        Handed over one by one they would be written one by one, the two threads snatching the interpreter from each
        other meanwhile.
        """
        job = _Job(work)
        loop = job.future.get_loop()
        arriving = self._arriving.setdefault(loop, [])
        if not arriving:
            loop.call_soon(lambda: self._queue.put(self._arriving.pop(loop)))
        arriving.append(job)
        return job

    def close(self) -> None:
        """Finish what is waiting and stop the threads."""
        for _ in self._threads:
            self._queue.put(None)
        for thread in self._threads:
            thread.join()

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
                self._write(together)
                _wake(together)

    def _write(self, jobs: list[_Job[Any]]) -> None:
        try:
            if len(jobs) == 1 or not self._write_together(jobs):
                for job in jobs:
                    self._write_alone(job)
        except BaseException as error:  # noqa: BLE001  # Without this thread nobody would ever be answered again.
            for job in jobs:
                job.error = job.error or error

    def _write_alone(self, job: _Job[Any]) -> None:
        try:
            with translated_errors(), self._sessions(bind=self.engine) as session, session.begin():
                job.result = job.work(session)
                self._before_commit()
        except BaseException as error:  # noqa: BLE001  # It is the caller's to handle; this thread serves on.
            job.error = error

    def _write_together(self, jobs: list[_Job[Any]]) -> bool:
        """Write all in one transaction; return False, with nothing written, when one of them raised.

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
                    self._before_commit()
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


def _wake(jobs: list[_Job[Any]]) -> None:
    """Tell the callers, with one call for each loop: it wakes the loop's thread, which costs more than the rest."""
    by_loop: dict[asyncio.AbstractEventLoop, list[_Job[Any]]] = {}
    for job in jobs:
        by_loop.setdefault(job.future.get_loop(), []).append(job)
    for loop, theirs in by_loop.items():
        if not loop.is_closed():
            loop.call_soon_threadsafe(_deliver, theirs)


def _deliver(jobs: list[_Job[Any]]) -> None:
    for job in jobs:
        job.deliver()
