"""The interface of the rate limits' counters."""

from typing import Protocol

Windows = tuple[int, float, int, float]
"""Count and seconds left: previous window, current window."""


class RedisDown(Exception):
    """Nothing was counted in Redis."""


class Counts(Protocol):
    async def hit(self, key: str, limit: int, expiry: int, amount: int) -> tuple[bool, Windows]:
        """Count the amount if there is room; return whether there was, and what is counted now."""
        ...

    async def windows(self, key: str, expiry: int) -> Windows: ...
