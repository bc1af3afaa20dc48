"""The limits of administrative routes, where the 50 µs that slowapi takes do not matter."""

import time
from typing import Final

from fastapi import FastAPI, Request, Response
from slowapi import Limiter
from slowapi.errors import RateLimitExceeded

from app.http.authentication import key_of
from app.http.errors import TooManyRequests
from app.http.problems import response_to
from app.metrics.instruments import RATE_LIMITED

CHANGES: Final = "30/minute"
READS: Final = "120/minute"


def _name_of_key(request: Request) -> str:
    return key_of(request).name


limiter: Final = Limiter(
    _name_of_key,
    strategy="moving-window",
    # By default each URL would have a limit of its own.
    key_style="endpoint",
    # By default slowapi reads .env in its own way.
    config_filename=__file__,
)
key_changes: Final = limiter.shared_limit(CHANGES, scope="keys")
reads: Final = limiter.limit(READS)


async def _on_exceeded(request: Request, error: Exception) -> Response:
    assert isinstance(error, RateLimitExceeded)
    RATE_LIMITED.labels("admin").inc()
    item, bucket = request.state.view_rate_limit
    reset_at = limiter.limiter.get_window_stats(item, *bucket).reset_time
    return response_to(request, TooManyRequests(str(item), max(1, int(reset_at - time.time()) + 1)))


def install(app: FastAPI) -> None:
    app.add_exception_handler(RateLimitExceeded, _on_exceeded)
