"""Pending jobs: queue limit, deadlines and timeouts."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from itertools import groupby
from typing import Any, Generic, TypeVar

from app.database.errors import DatabaseBusy, DatabaseUnavailable, OutcomeUnknown

T = TypeVar("T")


class Job(Generic[T]):
    """A caller's work and its outcome."""

    def __init__(self, work: Callable[..., T], timeout_s: float) -> None:
        self.work = work
        self.loop = asyncio.get_running_loop()
        self.future: asyncio.Future[T] = self.loop.create_future()
        self.result: T | None = None
        self.error: BaseException | None = None
        # The writer takes it before the commit, or the event loop at the deadline; the second gives up.
        self._decision = threading.Lock()
        self.deadline = self.loop.time() + timeout_s

    @property
    def expired(self) -> bool:
        """Whether the caller of an unclaimed job timed out."""
        return self._decision.locked()

    def claim(self) -> bool:
        return self._decision.acquire(blocking=False)

    def unclaim(self) -> None:
        self._decision.release()

    def expire(self) -> None:
        if self.future.done():
            return
        if self._decision.acquire(blocking=False):
            # The job stays queued; without its work, the drawings are freed.
            self.work = _refuse
            self.future.set_exception(DatabaseUnavailable("the database does not answer"))
        else:
            self.future.set_exception(OutcomeUnknown("the database does not answer; the row may or may not be stored"))

    def deliver(self) -> None:
        if self.future.done():
            return
        if self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(self.result)  # type: ignore[arg-type]


def _refuse(*_: object) -> Any:
    raise DatabaseUnavailable("the caller timed out")


def claim_all(jobs: Sequence[Job[Any]]) -> bool:
    """Claim all jobs, or none if one has expired."""
    for number, job in enumerate(jobs):
        if not job.claim():
            for claimed in jobs[:number]:
                claimed.unclaim()
            return False
    return True


class PendingJobs:
    def __init__(self, *, queue_size: int, timeout_s: float) -> None:
        self.timeout_s = timeout_s
        self._queue_size = queue_size
        self._jobs: set[Job[Any]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_loop: asyncio.AbstractEventLoop | None = None

    def __len__(self) -> int:
        return len(self._jobs)

    def check_space(self) -> None:
        if len(self._jobs) >= self._queue_size:
            raise DatabaseBusy(f"{self._queue_size} requests are waiting for the database")

    def add(self, work: Callable[..., T]) -> Job[T]:
        job = Job(work, self.timeout_s)
        self._jobs.add(job)
        # One timer for all jobs: with one each, a request takes 2 % longer.
        if self._timer is None or self._timer_loop is not job.loop or job.deadline < self._timer.when():
            self._start_timer(job.loop, job.deadline)
        return job

    def _start_timer(self, loop: asyncio.AbstractEventLoop, deadline: float) -> None:
        self._timer_loop = loop
        self._timer = loop.call_at(deadline, self._expire, loop)

    def _expire(self, loop: asyncio.AbstractEventLoop) -> None:
        """Expire the overdue jobs of the loop, and wait for the next deadline."""
        self._timer = None
        now = loop.time()
        waiting = [job for job in self._jobs.copy() if job.loop is loop and not job.future.done()]
        for job in waiting:
            if job.deadline <= now:
                job.expire()
        if later := [job.deadline for job in waiting if job.deadline > now]:
            self._start_timer(loop, min(later))

    def finish(self, jobs: Sequence[Job[Any]]) -> None:
        """Answer the callers, from any thread."""
        self._jobs.difference_update(jobs)
        # One call for each loop, since it is expensive.
        for loop, jobs_of_loop in groupby(jobs, lambda job: job.loop):
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(_deliver, list(jobs_of_loop))


def _deliver(jobs: list[Job[Any]]) -> None:
    for job in jobs:
        job.deliver()


def join_all(threads: Iterable[threading.Thread], deadline: float) -> bool:
    """Return whether all have ended by the deadline (`time.monotonic()`)."""
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    return not any(thread.is_alive() for thread in threads)
