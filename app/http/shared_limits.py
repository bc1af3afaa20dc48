"""Counts that several processes share, in Redis: RATE_LIMIT_STORAGE_URI.

Redis may be down, hang or be restarted. No call waits longer for it than PATIENCE_S; after a failure each process
counts by itself for a while, and Redis is asked again when that is over. What is counted in one place is not carried
over to the other.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import limits

from app.config import get_settings

log = logging.getLogger("pixelwise")

PATIENCE_S: Final = 0.4
# One call in so many seconds waits in vain while Redis hangs.
REST_S: Final = 5.0
# A crowd waits its turn for one of these; the usual pool refuses whoever comes when a hundred are in use.
CONNECTIONS: Final = 16

Windows = tuple[int, float, int, float]
"""How much was counted in the window before and in this one, each with the seconds until it is forgotten."""
Refusal = tuple[limits.RateLimitItem, Windows]
"""The part of the limit that has not so much left, and what it has counted."""


class NotShared(Exception):
    """Redis does not answer; nothing was counted there."""


class SharedLimits:
    """The counts in Redis, while it answers."""

    def __init__(self, uri: str) -> None:
        # Here, since most services count in no Redis: its client takes six megabytes, and a start longer by a tenth.
        from limits.aio.storage import RedisStorage
        from limits.aio.strategies import SlidingWindowCounterRateLimiter
        from redis.asyncio import BlockingConnectionPool
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff
        from redis.exceptions import RedisError

        self._failures = (RedisError, OSError)
        self._pool = BlockingConnectionPool.from_url(
            uri,
            max_connections=CONNECTIONS,
            timeout=PATIENCE_S,
            socket_timeout=PATIENCE_S,
            socket_connect_timeout=PATIENCE_S,
            # Once and at once: a connection from before a restart of Redis is found broken only when it is used.
            retry=Retry(NoBackoff(), 1),
        )
        self._storage = RedisStorage(
            f"async+{uri}",
            implementation="redispy",
            key_prefix="pixelwise",
            connection_pool=self._pool,  # type: ignore[arg-type]  # Its own documentation names it.
        )
        self._strategy = SlidingWindowCounterRateLimiter(self._storage)
        self._resting_until = 0.0
        self._failed = False

    async def count(self, items: list[limits.RateLimitItem], bucket: tuple[str, str], cost: int) -> Refusal | None:
        """Count; return the part of the limit that has not so much left, or None. Raises NotShared."""
        if time.monotonic() < self._resting_until:
            raise NotShared
        try:
            async with asyncio.timeout(PATIENCE_S):
                refusal = await self._count(items, bucket, cost)
        except self._failures as error:
            self._rest(error)
            raise NotShared from error
        if self._failed:
            self._failed = False
            log.warning("RATE_LIMIT_STORAGE_URI answers again: the limits are shared")
        return refusal

    async def close(self) -> None:
        """Close the connections to Redis."""
        await self._pool.disconnect()

    async def _count(self, items: list[limits.RateLimitItem], bucket: tuple[str, str], cost: int) -> Refusal | None:
        asked = [self._strategy.test, self._strategy.hit] if cost > 1 else [self._strategy.hit]
        for ask in asked:
            for item in items:
                if not await ask(item, *bucket, cost=cost):
                    return item, await self._storage.get_sliding_window(item.key_for(*bucket), item.get_expiry())
        return None

    def _rest(self, error: Exception) -> None:
        self._resting_until = time.monotonic() + REST_S
        if not self._failed:
            self._failed = True
            # Its text may hold the address, and that a password.
            name = type(error).__name__
            log.error("RATE_LIMIT_STORAGE_URI does not answer (%s): each process counts by itself until it does", name)


_shared: SharedLimits | None = None


@asynccontextmanager
async def running() -> AsyncIterator[None]:
    """Count in what RATE_LIMIT_STORAGE_URI names, if it names anything, until the block ends."""
    global _shared
    uri = get_settings().rate_limit_storage_uri
    if uri is None:
        yield
        return
    shared = _shared = SharedLimits(uri.get_secret_value())
    try:
        yield
    finally:
        _shared = None
        await shared.close()


def get() -> SharedLimits | None:
    """Return the shared counts, or None where each process counts by itself."""
    return _shared
