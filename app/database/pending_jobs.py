"""Whoever waits for the database: how many may, for how long, and what becomes of work whose caller waits no longer."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any, Generic, TypeVar

from app.database.errors import DatabaseBusy, DatabaseUnavailable, OutcomeUnknown

T = TypeVar("T")


class Job(Generic[T]):
    """One caller's work, and what became of it."""

    def __init__(self, work: Callable[..., T], within_s: float) -> None:
        """Take the work, and in how many seconds the caller is answered; runs on the caller's loop."""
        self.work = work
        self.loop = asyncio.get_running_loop()
        self.future: asyncio.Future[T] = self.loop.create_future()
        self.answer_by = self.loop.time() + within_s
        self.result: T | None = None
        self.error: BaseException | None = None
        # Whoever gets it decides: the thread, that the work is committed, or the loop, that it never is.
        self._decision = threading.Lock()

    @property
    def withdrawn(self) -> bool:
        """Whether the caller was told that nothing was stored; for the thread, before it claims the job."""
        return self._decision.locked()

    def claim(self) -> bool:
        """Return whether the work may be committed: not once the caller was told that nothing was stored."""
        return self._decision.acquire(blocking=False)

    def release(self) -> None:
        """Take the claim back, with nothing committed."""
        self._decision.release()

    def expire(self) -> None:
        """Tell the caller that the database does not answer; runs on the caller's loop."""
        if self._decision.acquire(blocking=False):
            # It may lie in the queue for as long as the database hangs, and has a drawing in it, or a thousand.
            self.work = _refuse
            self.future.set_exception(DatabaseUnavailable("the database does not answer"))
        else:
            self.future.set_exception(
                OutcomeUnknown("the database does not answer the commit, which may have been made or not")
            )

    def deliver(self) -> None:
        """Wake the caller; runs on the caller's loop."""
        if self.future.done():
            return
        if self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(self.result)  # type: ignore[arg-type]  # The result of work without an error.


def _refuse(*_: object) -> Any:
    raise DatabaseUnavailable("nobody waits for this any more")


def claim_all(jobs: Sequence[Job[Any]]) -> bool:
    """Claim all of the jobs; return False, with none of them claimed, when one has been withdrawn."""
    for number, job in enumerate(jobs):
        if not job.claim():
            for claimed in jobs[:number]:
                claimed.release()
            return False
    return True


class Waiting:
    """The jobs that no thread has finished. There are so many at most, and the caller of each is answered in time.

    A job whose caller waits no longer counts until a thread comes upon it. So while all threads hang, callers are
    refused at once when the limit is reached, and what is kept for them does not grow.
    """

    def __init__(self, *, at_most: int, within_s: float) -> None:
        self._at_most = at_most
        self._within_s = within_s
        self._jobs: set[Job[Any]] = set()
        self._watched: set[asyncio.AbstractEventLoop] = set()

    def refuse_more(self) -> None:
        """Raise DatabaseBusy when there are as many as may be."""
        if len(self._jobs) >= self._at_most:
            raise DatabaseBusy(f"{self._at_most} requests wait for the database already")

    def add(self, work: Callable[..., T]) -> Job[T]:
        """Begin to wait for the work, on the running loop."""
        job = Job(work, self._within_s)
        self._jobs.add(job)
        if job.loop not in self._watched:
            self._watch(job.loop, job.answer_by)
        return job

    def finish(self, jobs: Sequence[Job[Any]]) -> None:
        """Tell the callers what became of their jobs; runs on the thread that did them."""
        self._jobs.difference_update(jobs)
        # With one call for each loop: it wakes the loop's thread, which costs more than the rest.
        by_loop: dict[asyncio.AbstractEventLoop, list[Job[Any]]] = {}
        for job in jobs:
            by_loop.setdefault(job.loop, []).append(job)
        for loop, theirs in by_loop.items():
            # Whoever closed their loop waits no longer.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(_deliver, theirs)

    def _watch(self, loop: asyncio.AbstractEventLoop, until: float) -> None:
        self._watched = {watched for watched in self._watched if not watched.is_closed()} | {loop}
        loop.call_at(until, self._expire, loop)

    def _expire(self, loop: asyncio.AbstractEventLoop) -> None:
        """Answer those whose time is over, and come again when that of the next one is.

        One timer for each loop, so that a job costs none of its own.
        """
        now = loop.time()
        waiting = [job for job in self._jobs.copy() if job.loop is loop and not job.future.done()]
        for job in waiting:
            if job.answer_by <= now:
                job.expire()
        later = [job.answer_by for job in waiting if job.answer_by > now]
        if later:
            loop.call_at(min(later), self._expire, loop)
        else:
            self._watched.discard(loop)


def _deliver(jobs: list[Job[Any]]) -> None:
    for job in jobs:
        job.deliver()


def have_ended(threads: Iterable[threading.Thread], deadline: float) -> bool:
    """Wait for the threads to end, until this time of the monotonic clock; return whether all have."""
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    return not any(thread.is_alive() for thread in threads)
