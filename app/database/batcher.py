"""Dynamic batching: items that arrive during a commit share the next transaction."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Final, Generic, TypeVar

from app.database.errors import CallerTimedOut
from app.database.pending_jobs import Job, refuse
from app.database.writer import Work, Writer

I = TypeVar("I")  # noqa: E741
R = TypeVar("R")

Prepare = Callable[[list[I]], Work[Sequence[R | Exception]]]
"""Takes items and returns the work that stores them; the work returns a result or an exception for each."""

# Writers of other processes wait for it, about ten milliseconds.
MAX_ITEMS: Final = 64


class Batcher(Generic[I, R]):
    def __init__(
        self, writer: Callable[[], Writer], prepare: Prepare[I, R], then: Callable[[R], None] | None = None
    ) -> None:
        self._writer = writer
        self._prepare, self._then = prepare, then
        self._waiting: deque[tuple[Job[R], I]] = deque()
        self._scheduled_by: asyncio.AbstractEventLoop | None = None

    async def write(self, item: I) -> R:
        """Return the item's result once it is on disk; raise its exception or a DatabaseError."""
        writer = self._writer()
        writer.pending.check_space()
        job: Job[R] = writer.pending.add(refuse, self._then)
        self._waiting.append((job, item))
        if self._scheduled_by is not job.loop:
            self._scheduled_by = job.loop
            # After all requests of this round of the event loop.
            job.loop.call_soon(writer.threads.put, partial(self._write_waiting, writer))
        return await writer.pending.outcome_of(job)

    def _write_waiting(self, writer: Writer) -> None:
        batch: list[tuple[Job[R], I]] = []
        # On PostgreSQL, two threads may take items at the same time.
        with suppress(IndexError):
            while len(batch) < MAX_ITEMS:
                batch.append(self._waiting.popleft())
        self._write(writer, batch)
        self._scheduled_by = None
        writer.pending.finish([job for job, _ in batch])
        if self._waiting:
            writer.threads.put(partial(self._write_waiting, writer))

    def _write(self, writer: Writer, batch: list[tuple[Job[R], I]]) -> None:
        while batch := [(job, item) for job, item in batch if not job.is_claimed]:
            jobs, items = zip(*batch, strict=True)
            try:
                work = self._prepare(list(items))
                with writer.transaction(jobs) as session:
                    outcomes = work(session)
                for job, outcome in zip(jobs, outcomes, strict=True):
                    job.outcome = outcome
            except CallerTimedOut:
                # Nothing was stored; the others are written again.
                continue
            except BaseException as error:  # noqa: BLE001  # The thread must survive.
                for job in jobs:
                    job.outcome = error
            return
