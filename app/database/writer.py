"""Writes, each in a transaction of its own."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from time import perf_counter
from typing import Any, TypeVar

from sqlalchemy import Engine
from sqlalchemy.orm import Session, sessionmaker

from app.database.begin import begin
from app.database.errors import CallerTimedOut, translated_errors
from app.database.pending_jobs import Job, PendingJobs, claim_all
from app.database.threads import Threads
from app.metrics.instruments import WRITE_SECONDS

T = TypeVar("T")
Work = Callable[[Session], T]


class Writer:
    def __init__(
        self,
        engine: Engine,
        sessions: sessionmaker[Any],
        *,
        threads: int,
        timeout_s: float,
        before_commit: Callable[[], None],
        after_commit: Callable[[], None] = lambda: None,
    ) -> None:
        """`before_commit` may raise DatabaseError."""
        self.engine = engine
        self.pending = PendingJobs("write", timeout_s)
        self._sessions = sessions
        self._before_commit, self._after_commit = before_commit, after_commit
        self.threads = Threads("write", threads)
        self.close = self.threads.close

    async def run(self, work: Work[T], then: Callable[[T], None] | None = None) -> T:
        self.pending.check_space()
        job: Job[T] = self.pending.add(partial(self._write, work), then)
        self.threads.put(partial(self.pending.run, job))
        return await self.pending.outcome_of(job)

    @contextmanager
    def transaction(self, jobs: Sequence[Job[Any]] = ()) -> Iterator[Session]:
        """Commit after the block; raise CallerTimedOut, and store nothing, if a job has expired by then."""
        started = perf_counter()
        with translated_errors(), self.engine.connect() as connection:
            begin(connection)
            # A session that begins and commits by itself takes longer than an INSERT.
            with self._sessions(bind=connection) as session:
                yield session
                session.flush()
            self._before_commit()
            # From here on, none can time out with "nothing was stored".
            if not claim_all(jobs):
                raise CallerTimedOut("a caller timed out")
            connection.commit()
        self._after_commit()
        WRITE_SECONDS.observe(perf_counter() - started)

    def _write(self, work: Work[T], job: Job[T]) -> T:
        with self.transaction([job]) as session:
            return work(session)
