"""Rate limits: RATE_LIMIT for drawings and PREVIEW_LIMIT for previews, for each client address.

`limits` counts; of slowapi, which v0.5 used, nothing is left. Its decorator runs after the key check, so that guessing
keys would not be limited, and inspects two signatures a call, which takes ten times as long as counting.
"""

from contextlib import suppress
from typing import Protocol

import limits
from limits.storage import MemoryStorage
from limits.strategies import SlidingWindowCounterRateLimiter
from starlette.requests import HTTPConnection

from app.config import RATE_LIMIT_OFF, Settings
from app.http.problems import TooManyRequests

DRAWINGS = "classify"
"""The bucket of drawings. Calls with a wrong key share it, so that guessing keys is limited too."""
PREVIEWS = "preview"

Windows = tuple[int, float, int, float]
"""Count of the previous window and its seconds left, count of the current window and its seconds left."""
Refusal = tuple[limits.RateLimitItem, Windows]
"""The part of a limit that is used up, and its counts."""


class RedisDown(Exception):
    """Redis does not answer; nothing was counted there."""


class Counts(Protocol):
    """Counters for a sliding window, in memory or in Redis."""

    async def test(self, item: limits.RateLimitItem, *bucket: str, cost: int) -> bool:
        """Return whether there is room for the cost."""

    async def hit(self, item: limits.RateLimitItem, *bucket: str, cost: int) -> bool:
        """Count the cost if there is room for it; return whether there was."""

    async def windows(self, item: limits.RateLimitItem, *bucket: str) -> Windows:
        """Return what was counted."""


class MemoryCounts:
    """Counters of this process.

    Not those of `limits.aio`, which walk through all addresses at every call: 885 µs with 10,000 addresses, against 9.
    """

    def __init__(self) -> None:
        self.storage = MemoryStorage()
        # Two counters an address. A fixed window lets twice the limit through at its edge; a moving one stores the
        # time of every call.
        self.strategy = SlidingWindowCounterRateLimiter(self.storage)

    async def test(self, item: limits.RateLimitItem, *bucket: str, cost: int) -> bool:
        """Return whether there is room for the cost."""
        return self.strategy.test(item, *bucket, cost=cost)

    async def hit(self, item: limits.RateLimitItem, *bucket: str, cost: int) -> bool:
        """Count the cost if there is room for it; return whether there was."""
        return self.strategy.hit(item, *bucket, cost=cost)

    async def windows(self, item: limits.RateLimitItem, *bucket: str) -> Windows:
        """Return what was counted."""
        return self.storage.get_sliding_window(item.key_for(*bucket), item.get_expiry())


class RateLimiter:
    """Counts the calls of each address, in Redis if RATE_LIMIT_STORAGE_URI is set and in memory otherwise."""

    def __init__(self, settings: Settings) -> None:
        self._drawings = _parsed(settings.rate_limit)
        self._previews = _parsed(settings.preview_limit)
        self.memory = MemoryCounts()
        self._redis = None
        if settings.rate_limit_storage_uri is not None:
            # Imported here because the client takes 6 MB and a tenth of the start.
            from app.http.redis_counts import RedisCounts

            self._redis = RedisCounts(settings.rate_limit_storage_uri.get_secret_value())

    async def count_drawings(self, request: HTTPConnection, count: int = 1, *, counted: int = 0) -> None:
        """Count the drawings of a call, except those counted already.

        Raises TooManyRequests, and counts none, when the address has no room for them. A call counts as one drawing
        before its body is read.
        """
        if self._drawings and count > counted:
            await self._count(self._drawings, (client_address(request), DRAWINGS), count - counted, count)

    async def count_preview(self, request: HTTPConnection) -> None:
        """Count a preview; raise TooManyRequests when the address has no room for it."""
        if self._previews:
            await self._count(self._previews, (client_address(request), PREVIEWS), 1, 1)

    async def close(self) -> None:
        """Close the connections to Redis."""
        if self._redis is not None:
            await self._redis.close()

    async def _count(self, items: list[limits.RateLimitItem], bucket: tuple[str, str], cost: int, count: int) -> None:
        refusal = await self._refusal(items, bucket, cost)
        if refusal is not None:
            item, windows = refusal
            never_fits = count if count > item.amount else None
            wait = _wait(item, windows, min(count, item.amount))
            raise TooManyRequests(str(item), max(1, int(wait) + 1), never_fits)

    async def _refusal(self, items: list[limits.RateLimitItem], bucket: tuple[str, str], cost: int) -> Refusal | None:
        if self._redis is not None:
            with suppress(RedisDown):
                async with self._redis.in_time():
                    return await _first_refusal(self._redis, items, bucket, cost)
        return await _first_refusal(self.memory, items, bucket, cost)


def client_address(request: HTTPConnection) -> str:
    """Return the client's address; uvicorn has replaced it by the one that a trusted proxy names."""
    return request.client.host if request.client else "local"


def _parsed(limit: str) -> list[limits.RateLimitItem]:
    return [] if limit == RATE_LIMIT_OFF else limits.parse_many(limit)


async def _first_refusal(
    counts: Counts, items: list[limits.RateLimitItem], bucket: tuple[str, str], cost: int
) -> Refusal | None:
    """Count the cost; return the first part of the limit that has no room for it, or None."""
    # A part that counted does not take it back when another one refuses, so a batch tests all of them first.
    for ask in (counts.test, counts.hit) if cost > 1 else (counts.hit,):
        for item in items:
            if not await ask(item, *bucket, cost=cost):
                return item, await counts.windows(item, *bucket)
    return None


def _wait(item: limits.RateLimitItem, windows: Windows, count: int) -> float:
    """Return the seconds until this many drawings fit, if none are sent meanwhile.

    The previous window's count weighs less and less until that window ends; then the current one's does.
    See https://limits.readthedocs.io/en/stable/strategies.html#sliding-window-counter.
    """
    expiry = item.get_expiry()
    before, before_left, current, current_left = windows
    room = item.amount - count + 1
    if current < room:
        return before_left - (room - current) * expiry / max(before, 1)
    return current_left - expiry + max(0, expiry - room * expiry / current)
