"""Pending jobs: queue limit, deadlines and timeouts."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from itertools import groupby
from typing import Any, Final, Generic, TypeVar

from sqlalchemy import Connection

from app.database.errors import CallerTimedOut, DatabaseBusy, DatabaseUnavailable, OutcomeUnknown
from app.database.limits import BUSY_TIMEOUT_S, QUEUE_SIZE
from app.metrics.instruments import QUEUE_LENGTH

T = TypeVar("T")

# An interrupt between two statements has no effect.
_INTERRUPT_INTERVAL_S: Final = 0.01


class Job(Generic[T]):
    """A caller's work and its outcome."""

    def __init__(self, work: Callable[..., T], timeout_s: float, then: Callable[[T], None] | None) -> None:
        self.work, self.then = work, then
        self.loop = asyncio.get_running_loop()
        self.future: asyncio.Future[T] = self.loop.create_future()
        self.outcome: T | BaseException | None = None
        # The writer takes it before the commit, or the event loop at the deadline; the second gives up.
        self._decision = threading.Lock()
        self.deadline = self.loop.time() + timeout_s
        self._running = threading.Lock()
        self._interrupt: Callable[[], None] | None = None

    @property
    def is_claimed(self) -> bool:
        """Also if its caller timed out or left."""
        return self._decision.locked()

    def claim(self) -> bool:
        return self._decision.acquire(blocking=False)

    def unclaim(self) -> None:
        self._decision.release()

    def expire(self) -> None:
        if self.future.done():
            return
        if self.claim():
            self._drop()
            self.future.set_exception(DatabaseUnavailable("the database does not answer"))
        else:
            self.future.set_exception(OutcomeUnknown("the database does not answer; the row may or may not be stored"))

    def abandon(self) -> None:
        """Drop a job whose caller is gone, unless it is being committed."""
        if self.claim():
            self._drop()

    def _drop(self) -> None:
        # The job stays queued; without its work, what that holds is freed.
        self.work = refuse
        if self._interrupt is not None:
            threading.Thread(target=self._interrupt_until_it_ends, name="interrupt", daemon=True).start()

    @contextmanager
    def interruptible(self, connection: Connection) -> Iterator[None]:
        """Interrupt the block's statements once the job has expired."""
        driver: Any = connection.connection.driver_connection
        with self._running:
            self._interrupt = getattr(driver, "interrupt", None) or partial(driver.cancel_safe, timeout=BUSY_TIMEOUT_S)
        try:
            if self.is_claimed:
                refuse()
            yield
        finally:
            with self._running:
                self._interrupt = None
            if self.is_claimed:
                # An interrupt may still be on its way to the server.
                connection.invalidate()

    def _interrupt_until_it_ends(self) -> None:
        while True:
            with self._running:
                if self._interrupt is None:
                    return
                with suppress(Exception):
                    self._interrupt()
            time.sleep(_INTERRUPT_INTERVAL_S)

    def deliver(self) -> None:
        is_waiting = not self.future.done()
        if isinstance(self.outcome, BaseException):
            if is_waiting:
                self.future.set_exception(self.outcome)
            return
        if self.then is not None and self.outcome is not None:
            # Also if the caller has left.
            self.then(self.outcome)
        if is_waiting:
            self.future.set_result(self.outcome)  # type: ignore[arg-type]


def refuse(*_: object) -> Any:
    raise CallerTimedOut("the caller timed out")


def claim_all(jobs: Sequence[Job[Any]]) -> bool:
    """Claim all jobs, or none if one has expired."""
    for number, job in enumerate(jobs):
        if not job.claim():
            for claimed in jobs[:number]:
                claimed.unclaim()
            return False
    return True


class PendingJobs:
    def __init__(self, name: str, timeout_s: float) -> None:
        self.timeout_s = timeout_s
        self._jobs: set[Job[Any]] = set()
        self._length = QUEUE_LENGTH.labels(name)
        self._timer: asyncio.TimerHandle | None = None
        self._timer_loop: asyncio.AbstractEventLoop | None = None

    def __len__(self) -> int:
        return len(self._jobs)

    def check_space(self) -> None:
        if len(self._jobs) >= QUEUE_SIZE:
            raise DatabaseBusy(f"{QUEUE_SIZE} requests are waiting for the database")

    def add(self, work: Callable[..., T], then: Callable[[T], None] | None = None) -> Job[T]:
        job = Job(work, self.timeout_s, then)
        self._jobs.add(job)
        self._length.inc()
        # One timer for all jobs: with one each, a request takes 2 % longer.
        if self._timer is None or self._timer_loop is not job.loop or job.deadline < self._timer.when():
            self._start_timer(job.loop, job.deadline)
        return job

    def run(self, job: Job[T]) -> None:
        """Do the work, unless its caller has timed out, and answer the caller."""
        if not job.is_claimed:
            try:
                job.outcome = job.work(job)
            except BaseException as error:  # noqa: BLE001  # The thread must survive.
                job.outcome = error
        self.finish([job])

    async def outcome_of(self, job: Job[T]) -> T:
        try:
            return await job.future
        except asyncio.CancelledError:
            job.abandon()
            raise

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
        self._length.dec(len(jobs))
        # One call for each loop, since it is expensive.
        for loop, jobs_of_loop in groupby(jobs, lambda job: job.loop):
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(_deliver, list(jobs_of_loop))


def _deliver(jobs: list[Job[Any]]) -> None:
    for job in jobs:
        job.deliver()
