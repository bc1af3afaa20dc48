"""How many drawings one client may send: `RATE_LIMIT` for each address, whatever becomes of the call.

Previews, which store nothing and come several times a second while a person draws, have `PREVIEW_LIMIT` of their own.
Several processes share their counts through RATE_LIMIT_STORAGE_URI; see `app.http.shared_limits`.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from typing import cast

import limits
from limits.storage.base import SlidingWindowCounterSupport
from slowapi import Limiter
from starlette.requests import HTTPConnection

from app.config import RATE_LIMIT_OFF, get_settings
from app.http import shared_limits
from app.http.problems import TooManyRequests

CLASSIFY = "classify"
"""The bucket that calls with and without a valid key share, so that guessing keys is as limited as using one."""
PREVIEW = "preview"


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


@asynccontextmanager
async def running() -> AsyncIterator[None]:
    """Begin to count anew, together with other processes where the settings say so, until the block ends."""
    limiter.reset()
    async with shared_limits.running():
        yield


@cache
def _items(limit: str) -> list[limits.RateLimitItem]:
    return [] if limit == RATE_LIMIT_OFF else limits.parse_many(limit)


async def count_drawings(request: HTTPConnection, count: int = 1, *, counted: int = 0) -> None:
    """Count the drawings of a call, less those that were counted already.

    Raises TooManyRequests, and counts none, when the address has not so many left. A call counts as one drawing before
    anything of it is read; how many more it holds is known later.

    Said by the routes themselves, not by slowapi's decorator: that runs after the key was checked, so guessing would be
    free, and it inspects two signatures on every call, which takes ten times as long as counting.
    """
    if count > counted:
        items = _items(get_settings().rate_limit)
        await _count(items, (client_address(request), CLASSIFY), count - counted, count)


async def count_preview(request: HTTPConnection) -> None:
    """Count a drawing that is not to be stored; raise TooManyRequests when the address has none left."""
    await _count(_items(get_settings().preview_limit), (client_address(request), PREVIEW), 1, 1)


async def _count(items: list[limits.RateLimitItem], bucket: tuple[str, str], cost: int, count: int) -> None:
    try:
        shared = shared_limits.get()
        refusal = await shared.count(items, bucket, cost) if shared else _count_here(items, bucket, cost)
    except shared_limits.NotShared:
        refusal = _count_here(items, bucket, cost)
    if refusal is not None:
        item, windows = refusal
        never_fits = count if count > item.amount else None
        wait = _wait(item, windows, min(count, item.amount))
        raise TooManyRequests(str(item), max(1, int(wait) + 1), never_fits)


def _count_here(items: list[limits.RateLimitItem], bucket: tuple[str, str], cost: int) -> shared_limits.Refusal | None:
    """Count in this process; return the first part of the limit that has not so much left, or None."""
    strategy = limiter.limiter
    # What one part of the limit counts is not given back when another refuses, so a batch asks all of them first.
    asked = [strategy.test, strategy.hit] if cost > 1 else [strategy.hit]
    for ask in asked:
        for item in items:
            if not ask(item, *bucket, cost=cost):
                storage = cast(SlidingWindowCounterSupport, strategy.storage)
                return item, storage.get_sliding_window(item.key_for(*bucket), item.get_expiry())
    return None


def _wait(item: limits.RateLimitItem, windows: shared_limits.Windows, count: int) -> float:
    """Seconds until so many drawings pass at once, if none are sent meanwhile.

    What was counted in the window before weighs less and less until the window ends; what was counted in this one does
    so in the next. See https://limits.readthedocs.io/en/stable/strategies.html#sliding-window-counter.
    """
    expiry = item.get_expiry()
    before, before_left, current, current_left = windows
    room = item.amount - count + 1
    if current < room:
        return before_left - (room - current) * expiry / max(before, 1)
    return current_left - expiry + max(0, expiry - room * expiry / current)
