"""RATE_LIMIT, PREVIEW_LIMIT and READ_LIMIT, for each client address."""

import time
from collections.abc import Callable
from contextlib import suppress
from ipaddress import IPv6Address, IPv6Network
from threading import Timer
from typing import cast

import limits
from limits.storage import MemoryStorage
from limits.strategies import SlidingWindowCounterRateLimiter
from starlette.requests import HTTPConnection

from app.config import RATE_LIMIT_OFF, Settings
from app.http.counts import Counts, RedisDown, Windows
from app.http.problems import TooManyRequests

DRAWINGS = "classify"
PREVIEWS = "preview"
READS = "read"
WRONG_KEYS = "wrong key"

NO_ADDRESS = "local"
"""All clients of a Unix socket, unless a trusted proxy names their addresses."""

SWEEP_S = 10.0

Refusal = tuple[limits.RateLimitItem, Windows]


class _Sweep:
    """Drops expired counts now and then; the storage's own timer starts up to 100 threads a second."""

    def __init__(self, drop_expired: Callable[..., object]) -> None:
        self._drop_expired = drop_expired
        self._next = time.monotonic() + SWEEP_S

    def is_alive(self) -> bool:
        """The storage asks at each count whether its timer runs."""
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + SWEEP_S
            self._drop_expired()
        return True


class MemoryCounts:
    """Counters of this process: 9 µs a call with 10,000 addresses, against 885 µs with `limits.aio`."""

    def __init__(self) -> None:
        self.storage = MemoryStorage()
        self.storage.timer = cast(Timer, _Sweep(self.storage.timer.function))
        # A fixed window allows twice the limit at its edge.
        self.strategy = SlidingWindowCounterRateLimiter(self.storage)

    async def test(self, item: limits.RateLimitItem, *bucket: str, cost: int) -> bool:
        return self.strategy.test(item, *bucket, cost=cost)

    async def hit(self, item: limits.RateLimitItem, *bucket: str, cost: int) -> bool:
        return self.strategy.hit(item, *bucket, cost=cost)

    async def windows(self, item: limits.RateLimitItem, *bucket: str) -> Windows:
        return self.storage.get_sliding_window(item.key_for(*bucket), item.get_expiry())


class RateLimiter:
    """Counts in Redis while it is configured and answers, else in memory."""

    def __init__(self, settings: Settings) -> None:
        self._drawings = _parsed(settings.rate_limit)
        self._previews = _parsed(settings.preview_limit)
        self._reads = _parsed(settings.read_limit)
        self.memory = MemoryCounts()
        self._redis = None
        if settings.rate_limit_storage_uri is not None:
            # Lazily, because it takes 6 MB.
            from app.http.redis_counts import RedisCounts

            self._redis = RedisCounts(settings.rate_limit_storage_uri.get_secret_value())

    async def count_drawings(self, request: HTTPConnection, count: int = 1, *, counted: int = 0) -> None:
        """Count all drawings not counted yet, or none; raise TooManyRequests."""
        if self._drawings and count > counted:
            await self._count(self._drawings, (client_address(request), DRAWINGS), count - counted, count)

    async def count_preview(self, request: HTTPConnection) -> None:
        if self._previews:
            await self._count(self._previews, (client_address(request), PREVIEWS), 1, 1)

    async def count_wrong_key(self, request: HTTPConnection) -> None:
        """Count apart from drawings, so that guesses do not keep out the right key."""
        if self._drawings:
            await self._count(self._drawings, (client_address(request), WRONG_KEYS), 1, 1)

    async def count_read(self, request: HTTPConnection) -> None:
        if self._reads:
            await self._count(self._reads, (client_address(request), READS), 1, 1)

    async def close(self) -> None:
        if self._redis is not None:
            await self._redis.close()

    async def _count(self, items: list[limits.RateLimitItem], bucket: tuple[str, str], cost: int, count: int) -> None:
        refusal = await self._refusal(items, bucket, cost)
        if refusal is not None:
            item, windows = refusal
            never_fits = count if count > item.amount else None
            wait = _wait(item, windows, min(count, item.amount))
            limit = f"{item} with a wrong key" if bucket[1] == WRONG_KEYS else str(item)
            raise TooManyRequests(limit, max(1, int(wait) + 1), never_fits)

    async def _refusal(self, items: list[limits.RateLimitItem], bucket: tuple[str, str], cost: int) -> Refusal | None:
        if self._redis is not None:
            with suppress(RedisDown):
                async with self._redis.in_time():
                    return await _first_refusal(self._redis, items, bucket, cost)
        return await _first_refusal(self.memory, items, bucket, cost)


def client_address(request: HTTPConnection) -> str:
    """Return the IPv4 address or the IPv6 /64; uvicorn has applied X-Forwarded-For."""
    return _counted_as(request.client.host) if request.client else NO_ADDRESS


def _counted_as(host: str) -> str:
    if ":" not in host:
        return host
    try:
        address = IPv6Address(host)
    except ValueError:
        return host
    if address.ipv4_mapped:
        return str(address.ipv4_mapped)
    # Providers give each customer at least a /64.
    return str(IPv6Network((int(address) >> 64 << 64, 64)))


def _parsed(limit: str) -> list[limits.RateLimitItem]:
    return [] if limit == RATE_LIMIT_OFF else limits.parse_many(limit)


async def _first_refusal(
    counts: Counts, items: list[limits.RateLimitItem], bucket: tuple[str, str], cost: int
) -> Refusal | None:
    """Count the cost; return the first part of the limit without room."""
    # A batch tests all parts first, because a part that counted cannot undo it.
    for ask in (counts.test, counts.hit) if cost > 1 else (counts.hit,):
        for item in items:
            if not await ask(item, *bucket, cost=cost):
                return item, await counts.windows(item, *bucket)
    return None


def _wait(item: limits.RateLimitItem, windows: Windows, count: int) -> float:
    """Return the seconds until this many drawings fit.

    See https://limits.readthedocs.io/en/stable/strategies.html#sliding-window-counter.
    """
    expiry = item.get_expiry()
    before, before_left, current, current_left = windows
    room = item.amount - count + 1
    if current < room:
        return before_left - (room - current) * expiry / max(before, 1)
    return current_left - expiry + max(0, expiry - room * expiry / current)
