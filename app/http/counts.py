"""The interface of the rate limits' counters."""

from typing import Protocol

import limits

Windows = tuple[int, float, int, float]
"""Count and seconds left: previous window, current window."""


class RedisDown(Exception):
    """Nothing was counted in Redis."""


class Counts(Protocol):
    async def test(self, item: limits.RateLimitItem, *bucket: str, cost: int) -> bool: ...

    async def hit(self, item: limits.RateLimitItem, *bucket: str, cost: int) -> bool: ...

    async def windows(self, item: limits.RateLimitItem, *bucket: str) -> Windows: ...
