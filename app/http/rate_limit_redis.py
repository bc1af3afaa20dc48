import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from limits.aio.storage import RedisStorage
from redis.asyncio import BlockingConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from app.http.rate_limit_headers import RedisDown, Windows

log = logging.getLogger("pixelwise")

TIMEOUT_S: Final = 0.4
# Pause after a failure.
RETRY_AFTER_S: Final = 5.0
CONNECTIONS: Final = 16


class RedisCounts:
    def __init__(self, uri: str) -> None:
        self._pool = BlockingConnectionPool.from_url(
            uri,
            max_connections=CONNECTIONS,
            timeout=TIMEOUT_S,
            socket_timeout=TIMEOUT_S,
            socket_connect_timeout=TIMEOUT_S,
            # A retry opens a new connection after a restart of Redis.
            retry=Retry(NoBackoff(), 1),
        )
        self._storage = RedisStorage(
            f"async+{uri}",
            implementation="redispy",
            key_prefix="pixelwise",
            connection_pool=self._pool,  # type: ignore[arg-type]  # Documented, and missing in its types.
        )
        self.windows = self._storage.get_sliding_window
        self._down_until = 0.0
        self._is_down = False

    async def hit(self, key: str, amount: int, window: int, cost: int) -> tuple[bool, Windows]:
        fits = await self._storage.acquire_sliding_window_entry(key, amount, window, cost)
        return fits, await self.windows(key, window)

    @asynccontextmanager
    async def in_time(self) -> AsyncIterator[None]:
        """Raise RedisDown if the block fails or takes too long, and for RETRY_AFTER_S after that."""
        if time.monotonic() < self._down_until:
            raise RedisDown
        try:
            async with asyncio.timeout(TIMEOUT_S):
                yield
        except (RedisError, OSError) as error:  # TimeoutError is an OSError.
            self._down_until = time.monotonic() + RETRY_AFTER_S
            if not self._is_down:
                self._is_down = True
                # The error's text may contain the password.
                log.error(
                    "RATE_LIMIT_STORAGE_URI does not answer (%s): each process counts by itself until it does",
                    type(error).__name__,
                )
            raise RedisDown from error
        if self._is_down:
            self._is_down = False
            log.warning("RATE_LIMIT_STORAGE_URI answers again: the limits are shared")

    async def close(self) -> None:
        await self._pool.disconnect()
