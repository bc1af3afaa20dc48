"""Lanes for expensive requests: a few run at once, and some wait."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final, NamedTuple, TypeVar
from weakref import WeakValueDictionary

from starlette.requests import ClientDisconnect, HTTPConnection, Request

from app.database.limits import EXPORT_PLACES, REVIEW_PLACES, SCAN_PLACES
from app.http.errors import Busy
from app.http.rate_limit import client_address

T = TypeVar("T")


class LaneLimits(NamedTuple):
    """How many expensive requests run, and how many wait for how long."""

    places: int
    places_per_address: int
    queue_size: int
    queue_size_per_address: int
    wait_s: float


# One address cannot take all places, but a whole class behind it may queue.
SCANS: Final = LaneLimits(SCAN_PLACES, places_per_address=2, queue_size=256, queue_size_per_address=128, wait_s=10.0)
EXPORTS: Final = LaneLimits(EXPORT_PLACES, places_per_address=2, queue_size=4, queue_size_per_address=4, wait_s=5.0)
REVIEWS: Final = LaneLimits(REVIEW_PLACES, places_per_address=1, queue_size=32, queue_size_per_address=32, wait_s=10.0)
# Small and large ones each have a lane.
IMAGES: Final = LaneLimits(places=1, places_per_address=1, queue_size=30, queue_size_per_address=30, wait_s=10.0)
# A drawing waits for one batch at most.
BATCHES: Final = LaneLimits(places=1, places_per_address=1, queue_size=16, queue_size_per_address=16, wait_s=5.0)


class Lane:
    def __init__(self, limits: LaneLimits) -> None:
        self._limits = limits
        self._places = asyncio.Semaphore(limits.places)
        self._places_of_address = WeakValueDictionary[str, asyncio.Semaphore]()
        self._waiting: list[str] = []

    @asynccontextmanager
    async def place(self, request: HTTPConnection) -> AsyncIterator[None]:
        """Wait for a place; raise Busy."""
        address, limits = client_address(request), self._limits
        if len(self._waiting) >= limits.queue_size or self._waiting.count(address) >= limits.queue_size_per_address:
            raise Busy
        own = self._places_of_address.setdefault(address, asyncio.Semaphore(limits.places_per_address))
        async with AsyncExitStack() as places:
            self._waiting.append(address)
            try:
                async with asyncio.timeout(limits.wait_s):
                    await places.enter_async_context(own)
                    await places.enter_async_context(self._places)
            except TimeoutError:
                raise Busy from None
            finally:
                self._waiting.remove(address)
            yield


class Lanes:
    def __init__(self) -> None:
        self.scans = Lane(SCANS)
        self.exports = Lane(EXPORTS)
        self.reviews = Lane(REVIEWS)
        self.batches = Lane(BATCHES)


async def while_connected(request: Request, work: Awaitable[T]) -> T:
    """Return the work's result; cancel it and raise ClientDisconnect if the client disconnects.

    The body must have been read.
    """
    task = asyncio.current_task()
    assert task is not None
    watcher = asyncio.create_task(_wait_for_disconnect(request))
    disconnected = ended = False

    def cancel(_watcher: asyncio.Task[None]) -> None:
        nonlocal disconnected
        if not ended and not watcher.cancelled() and watcher.exception() is None:
            disconnected = True
            task.cancel()

    watcher.add_done_callback(cancel)
    try:
        return await work
    except asyncio.CancelledError:
        if disconnected and task.uncancel() == 0:
            raise ClientDisconnect from None
        raise
    finally:
        # A call of `cancel` may be scheduled already.
        ended = True
        watcher.cancel()


async def _wait_for_disconnect(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
