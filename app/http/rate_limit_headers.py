"""A limit such as 5/second;1000/day, how much of it is used, and the headers that say so."""

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Protocol

import limits

from app.config import RATE_LIMIT_OFF

Windows = tuple[int, float, int, float]
"""Count and seconds left: previous window, current window."""


class RedisDown(Exception):
    """Nothing was counted in Redis."""


class Counts(Protocol):
    async def hit(self, key: str, amount: int, window: int, cost: int) -> tuple[bool, Windows]:
        """Count the cost if there is room; return whether there was, and what is counted now."""
        ...

    async def windows(self, key: str, window: int, /) -> Windows: ...


class Limit:
    """A setting, for one kind of request."""

    def __init__(self, kind: str, setting: str) -> None:
        self.kind = kind
        self.items = [] if setting == RATE_LIMIT_OFF else limits.parse_many(setting)
        windows = [item.get_expiry() for item in self.items]
        name = kind.replace(" ", "-")
        names = [f'"{name}-{window}"' for window in windows] if len(windows) > 1 else [f'"{name}"']
        self._parts = [
            (name, item.amount, window) for name, item, window in zip(names, self.items, windows, strict=False)
        ]
        policy = ", ".join(f"{name};q={amount};w={window}" for name, amount, window in self._parts)
        self._policy = (b"ratelimit-policy", policy.encode())
        self.keyed = lru_cache(maxsize=10_000)(self._keyed)

    def _keyed(self, client: str) -> list[tuple[str, int, int]]:
        """Return key, amount and window of each item."""
        return [(item.key_for(client, self.kind), item.amount, item.get_expiry()) for item in self.items]

    def headers(self, counted: Sequence[Windows]) -> tuple[tuple[bytes, bytes], ...]:
        """See draft-ietf-httpapi-ratelimit-headers; `counted` has the windows of each item."""
        parts = [_available(*part, windows) for part, windows in zip(self._parts, counted, strict=True)]
        return (b"ratelimit", ", ".join(parts).encode()), self._policy


def _available(name: str, amount: int, window: int, counted: Windows) -> str:
    """Return what is left, and the seconds until it is more."""
    before, before_left, current, current_left = counted
    if not before:
        return f"{name};r={max(0, amount - current)};t={max(0, math.ceil(current_left - window))}"
    more_in = before_left % (window / before)
    return f"{name};r={max(0, amount - used(counted, window))};t={max(0, math.ceil(more_in))}"


def used(counted: Windows, window: int) -> int:
    before, before_left, current, _ = counted
    return int(before * before_left / window + current)
