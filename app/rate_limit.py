"""How many drawings one client may send: `RATE_LIMIT` for each address, whatever becomes of the call."""

from functools import cache
from typing import cast

import limits
from limits.storage.base import SlidingWindowCounterSupport
from slowapi import Limiter
from starlette.requests import HTTPConnection

from app.config import RATE_LIMIT_OFF, get_settings
from app.errors import TooManyRequests

CLASSIFY = "classify"
"""The bucket that calls with and without a valid key share, so that guessing keys is as limited as using one."""


def client_address(request: HTTPConnection) -> str:
    """Return the address the request came from; uvicorn has replaced it by a trusted proxy's word already."""
    return request.client.host if request.client else "local"


# The sliding window keeps two counters an address. A fixed one lets twice the limit through at its edge, and a moving
# one stores the time of every call.
# Left to itself, slowapi also reads `.env`, for settings of its own; this file, which it is given instead, has none.
limiter = Limiter(
    key_func=client_address,
    strategy="sliding-window-counter",
    storage_uri="memory://",
    config_filename=__file__,
)


def configure() -> None:
    """Apply RATE_LIMIT; called when the service starts."""
    limiter.enabled = get_settings().rate_limit != RATE_LIMIT_OFF
    limiter.reset()


@cache
def _items(limit: str) -> list[limits.RateLimitItem]:
    return limits.parse_many(limit)


def count_drawings(request: HTTPConnection, count: int = 1, *, counted: int = 0) -> None:
    """Count the drawings of a call, less those that were counted already.

    Raises TooManyRequests, and counts none, when the address has not so many left. A call counts as one drawing before
    anything of it is read; how many more it holds is known later.

    Said by the routes themselves, not by slowapi's decorator: that runs after the key was checked, so guessing would be
    free, and it inspects two signatures on every call, which takes ten times as long as counting.
    """
    cost = count - counted
    if not limiter.enabled or not cost:
        return
    bucket = (client_address(request), CLASSIFY)
    items = _items(get_settings().rate_limit)
    if cost > 1:
        # What one part of the limit counts is not given back when another refuses.
        for item in items:
            if not limiter.limiter.test(item, *bucket, cost=cost):
                raise _too_many(item, bucket, count)
    for item in items:
        if not limiter.limiter.hit(item, *bucket, cost=cost):
            raise _too_many(item, bucket, count)


def _too_many(item: limits.RateLimitItem, bucket: tuple[str, ...], count: int) -> TooManyRequests:
    never_fits = count if count > item.amount else None
    return TooManyRequests(str(item), max(1, int(_wait(item, bucket, min(count, item.amount))) + 1), never_fits)


def _wait(item: limits.RateLimitItem, bucket: tuple[str, ...], count: int) -> float:
    """Seconds until so many drawings pass at once, if none are sent meanwhile.

    What was counted in the window before weighs less and less until the window ends; what was counted in this one does
    so in the next. See https://limits.readthedocs.io/en/stable/strategies.html#sliding-window-counter.
    """
    expiry = item.get_expiry()
    windows = cast(SlidingWindowCounterSupport, limiter.limiter.storage)
    before, before_left, current, current_left = windows.get_sliding_window(item.key_for(*bucket), expiry)
    room = item.amount - count + 1
    if current < room:
        return before_left - (room - current) * expiry / max(before, 1)
    return current_left - expiry + max(0, expiry - room * expiry / current)
