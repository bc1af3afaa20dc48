"""The interface of the rate limits' counters."""

from typing import Protocol

Windows = tuple[int, float, int, float]
"""Count and seconds left: previous window, current window."""


class RedisDown(Exception):
    """Nothing was counted in Redis."""


class Counts(Protocol):
    """As in the storages of `limits`."""

    async def acquire_sliding_window_entry(self, key: str, limit: int, expiry: int, amount: int) -> bool:
        """Return whether there was room for the amount, which then counts."""
        ...

    async def get_sliding_window(self, key: str, expiry: int) -> Windows: ...
