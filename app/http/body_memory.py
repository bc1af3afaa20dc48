"""Memory for the bodies of batches and images."""

import asyncio
from typing import Final

from app.http.errors import Busy

# Of one batch or image, in bytes.
MAX_LARGE_BODY: Final = 8 * 1024 * 1024
# Of all. The oldest incomplete body ignores the others, or all could wait for each other.
MAX_BYTES: Final = 32 * 1024 * 1024
MAX_WAIT_S: Final = 10.0


class BodyMemory:
    """Bytes in memory, by request; a request is any object."""

    def __init__(self) -> None:
        self._bytes: dict[object, int] = {}
        self._receiving: dict[object, None] = {}
        self._waiting: set[asyncio.Future[None]] = set()

    async def add(self, request: object, size: int, *, more: bool) -> None:
        """Count a part of a body once there is room; raise Busy."""
        self._receiving[request] = None
        try:
            if not self._has_room(request, size):
                async with asyncio.timeout(MAX_WAIT_S):
                    await self._wait_for_room(request, size)
        except TimeoutError:
            raise Busy from None
        self._bytes[request] = self._bytes.get(request, 0) + size
        if not more:
            self._receiving.pop(request)
            self._wake()

    def remove(self, request: object) -> None:
        self._bytes.pop(request, None)
        self._receiving.pop(request, None)
        self._wake()

    def _has_room(self, request: object, size: int) -> bool:
        oldest = next(iter(self._receiving)) is request
        incomplete = sum(self._bytes.get(other, 0) for other in self._receiving if other is not request)
        return sum(self._bytes.values()) + size - (incomplete if oldest else 0) <= MAX_BYTES

    async def _wait_for_room(self, request: object, size: int) -> None:
        while not self._has_room(request, size):
            waiter = asyncio.get_running_loop().create_future()
            self._waiting.add(waiter)
            try:
                await waiter
            finally:
                self._waiting.discard(waiter)

    def _wake(self) -> None:
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_result(None)
