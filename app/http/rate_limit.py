"""RATE_LIMIT, PREVIEW_LIMIT and READ_LIMIT, for each client address; the limit of a key, for that key."""

from contextlib import suppress
from functools import cache
from ipaddress import IPv6Address, IPv6Network

import limits
from starlette.requests import HTTPConnection

from app.config import Settings
from app.http.errors import TooManyRequests
from app.http.rate_limit_headers import Counts, Limit, RedisDown, Windows, used
from app.http.rate_limit_memory import MemoryCounts
from app.metrics.instruments import RATE_LIMITED
from app.services.key_table import ClientKey

DRAWINGS = "classify"
PREVIEWS = "preview"
READS = "read"
WRONG_KEYS = "wrong key"

NO_ADDRESS = "local"
"""All clients of a Unix socket, unless a trusted proxy names their addresses."""


class RateLimiter:
    """Counts in Redis while it is configured and answers, else in memory."""

    def __init__(self, settings: Settings) -> None:
        self._drawings = Limit(DRAWINGS, settings.rate_limit)
        self._wrong_keys = Limit(WRONG_KEYS, settings.rate_limit)
        self._previews = Limit(PREVIEWS, settings.preview_limit)
        self._reads = Limit(READS, settings.read_limit)
        self.memory = MemoryCounts()
        self._redis = None
        if settings.rate_limit_storage_uri is not None:
            # Lazily, because it takes 6 MB.
            from app.http.rate_limit_redis import RedisCounts

            self._redis = RedisCounts(settings.rate_limit_storage_uri.get_secret_value())

    async def count_drawings(self, request: HTTPConnection, count: int = 1, *, counted: int = 0) -> None:
        """Count all drawings not counted yet, or none; raise TooManyRequests."""
        if count > counted:
            limit, client = self._limit_of(request)
            await self._count(request, limit, client, count - counted, count)

    async def count_preview(self, request: HTTPConnection) -> None:
        await self._count(request, self._previews, client_address(request))

    async def count_wrong_key(self, request: HTTPConnection) -> None:
        """Count apart from drawings, so that guesses do not keep out the right key."""
        await self._count(request, self._wrong_keys, client_address(request))

    async def count_read(self, request: HTTPConnection) -> None:
        await self._count(request, self._reads, client_address(request))

    async def close(self) -> None:
        if self._redis is not None:
            await self._redis.close()

    def _limit_of(self, request: HTTPConnection) -> tuple[Limit, str]:
        key: ClientKey = request.scope["state"]["key"]
        if key.rate_limit is None:
            return self._drawings, client_address(request)
        return _limit_of_key(key.rate_limit), f"key {key.name}"

    async def _count(self, request: HTTPConnection, limit: Limit, client: str, cost: int = 1, count: int = 1) -> None:
        if not limit.items:
            return
        refusing, windows = await self._hit(limit, client, cost)
        # For the edge.
        request.scope.setdefault("state", {})["rate_limit"] = limit.headers(windows)
        if refusing is not None:
            RATE_LIMITED.labels(limit.kind).inc()
            item = limit.items[refusing]
            never_fits = count if count > item.amount else None
            wait = _wait(item, windows[refusing], min(count, item.amount))
            text = f"{item} with a wrong key" if limit.kind == WRONG_KEYS else str(item)
            raise TooManyRequests(text, max(1, int(wait) + 1), never_fits, of_key=limit is not self._drawings)

    async def _hit(self, limit: Limit, client: str, cost: int) -> tuple[int | None, list[Windows]]:
        """Return the number of the first part without room, and the windows of all parts."""
        if self._redis is not None:
            with suppress(RedisDown):
                async with self._redis.in_time():
                    return await _count_in(self._redis, limit, client, cost)
        return await _count_in(self.memory, limit, client, cost)


def client_address(request: HTTPConnection) -> str:
    """Return the IPv4 address or the IPv6 /64; uvicorn has applied X-Forwarded-For."""
    # `request.client` makes a tuple with names of it.
    client = request.scope.get("client")
    return _counted_as(client[0]) if client else NO_ADDRESS


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


@cache
def _limit_of_key(rate_limit: str) -> Limit:
    return Limit(DRAWINGS, rate_limit)


async def _count_in(counts: Counts, limit: Limit, client: str, cost: int) -> tuple[int | None, list[Windows]]:
    parts = limit.keyed(client)
    if cost > 1 or len(parts) > 1:
        # A part that counted cannot undo it.
        counted = [await counts.windows(key, window) for key, _, window in parts]
        for number, ((_, amount, window), windows) in enumerate(zip(parts, counted, strict=True)):
            if used(windows, window) + cost > amount:
                return number, counted
    counted = []
    for number, (key, amount, window) in enumerate(parts):
        fits, windows = await counts.hit(key, amount, window, cost)
        counted.append(windows)
        if not fits:
            return number, counted + [await counts.windows(key, window) for key, _, window in parts[number + 1 :]]
    return None, counted


def _wait(item: limits.RateLimitItem, windows: Windows, count: int) -> float:
    """Return the seconds until this many drawings fit.

    See https://limits.readthedocs.io/en/stable/strategies.html#sliding-window-counter.
    """
    window = item.get_expiry()
    before, before_left, current, current_left = windows
    room = item.amount - count + 1
    if current < room:
        return before_left - (room - current) * window / max(before, 1)
    return current_left - window + max(0, window - room * window / current)
