"""How often one client may call: `RATE_LIMIT` for each address, whatever becomes of the call."""

import inspect
import time
from collections.abc import Callable
from typing import Any, TypeVar

import limits
from fastapi import Request
from slowapi import Limiter
from slowapi.errors import RateLimitExceeded
from starlette.requests import HTTPConnection
from starlette.responses import Response

from app.config import RATE_LIMIT_OFF, get_settings
from app.errors import ProblemError, TooManyRequests, problem_response

F = TypeVar("F", bound=Callable[..., Any])

CLASSIFY = "classify"
"""The bucket that calls with and without a valid key share, so that guessing keys is as limited as using one."""


def _inspected_once(function: F) -> F:
    """Keep the function's signature on it: slowapi asks for it on every call, which costs more than counting."""
    function.__signature__ = inspect.signature(function)  # type: ignore[attr-defined]  # What `inspect` looks for first.
    return function


@_inspected_once
def client_address(request: HTTPConnection) -> str:
    """Return the address the request came from; uvicorn has replaced it by a trusted proxy's word already."""
    return request.client.host if request.client else "local"


# The sliding window keeps two counters an address. A fixed one lets twice the limit through at its edge, and a moving
# one stores the time of every call.
# Left to itself, slowapi also reads `.env`, for settings of its own; this file, which it is given instead, has none.
limiter = Limiter(
    key_func=client_address,
    strategy="sliding-window-counter",
    key_style="endpoint",
    storage_uri="memory://",
    config_filename=__file__,
)


def configure() -> None:
    """Apply RATE_LIMIT; called when the service starts."""
    limiter.enabled = get_settings().rate_limit != RATE_LIMIT_OFF
    limiter.reset()


@_inspected_once
def _limit() -> str:
    return get_settings().rate_limit


limited = limiter.shared_limit(_limit, scope=CLASSIFY)
"""Decorates a route, below its router's decorator; the route's parameter must be called `request`."""


def count_failed_key(request: HTTPConnection) -> None:
    """Count a call that was refused for its key; raise TooManyRequests when the address has no call left.

    slowapi's decorator runs after the key was checked, so these calls would not be counted by it.
    """
    if not limiter.enabled:
        return
    bucket = (client_address(request), CLASSIFY)
    for item in limits.parse_many(_limit()):
        if not limiter.limiter.hit(item, *bucket):
            raise _too_many(item, bucket)


async def on_rate_limit_exceeded(request: Request, error: Exception) -> Response:
    """Answer what slowapi's decorator refuses."""
    assert isinstance(error, RateLimitExceeded)
    problem: ProblemError = _too_many(*request.state.view_rate_limit)
    return problem_response(problem, request.state.request_id)


def _too_many(item: limits.RateLimitItem, bucket: tuple[str, ...]) -> TooManyRequests:
    reset = limiter.limiter.get_window_stats(item, *bucket).reset_time
    return TooManyRequests(str(item), max(1, int(reset - time.time()) + 1))
