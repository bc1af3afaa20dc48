"""How many drawings one client may send: `RATE_LIMIT` for each address, whatever becomes of the call."""

import time
from functools import cache

import limits
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


def count_drawings(request: HTTPConnection, count: int = 1) -> None:
    """Count so many drawings; raise TooManyRequests when the address has not so many left, and count none then.

    Said by the routes themselves, not by slowapi's decorator: that runs after the key was checked, so guessing would be
    free, and it inspects two signatures on every call, which takes ten times as long as counting.
    """
    if not limiter.enabled or not count:
        return
    bucket = (client_address(request), CLASSIFY)
    for item in _items(get_settings().rate_limit):
        if not limiter.limiter.hit(item, *bucket, cost=count):
            raise _too_many(item, bucket, count)


def _too_many(item: limits.RateLimitItem, bucket: tuple[str, ...], count: int) -> TooManyRequests:
    reset = limiter.limiter.get_window_stats(item, *bucket).reset_time
    # One drawing of the call was counted before the others.
    fits = count < item.amount
    return TooManyRequests(str(item), max(1, int(reset - time.time()) + 1), None if fits else count + 1)
