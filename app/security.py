"""Who may call: the API key of `.env`, compared in constant time."""

import hashlib
import hmac
from functools import cache
from typing import Annotated

from fastapi import Depends, Request, Security
from fastapi.security import APIKeyHeader

from app.config import get_settings
from app.errors import InvalidApiKey
from app.rate_limit import count_failed_key

BUILT_IN = "built-in"
"""The name under which calls with SECRET_API_KEY are remembered."""

_header = APIKeyHeader(
    name="X-API-Key", scheme_name="API key", description="SECRET_API_KEY of the service's `.env`.", auto_error=False
)
GivenKey = Annotated[str | None, Security(_header)]


@cache
def _expected() -> bytes:
    return hashlib.sha256(get_settings().require_secret_api_key().get_secret_value().encode()).digest()


def forget_key() -> None:
    """Read the key again at the next call; called when the service starts."""
    _expected.cache_clear()


async def require_key(request: Request, given: GivenKey) -> str:
    """Return the name of the caller's key; raise InvalidApiKey, or TooManyRequests for an address that guesses."""
    # Digests have one length whatever was given, so the comparison's time tells nothing. Headers are Latin-1 by their
    # standard, and a key with other characters arrives as its UTF-8 bytes.
    digest = hashlib.sha256((given or "").encode("latin-1", "replace")).digest()
    if not hmac.compare_digest(digest, _expected()):
        count_failed_key(request)
        raise InvalidApiKey
    return BUILT_IN


async def require_key_unless_public(request: Request, given: GivenKey) -> None:
    """Let anybody read when PUBLIC_RESULTS is true, else ask for a key."""
    if not get_settings().public_results:
        await require_key(request, given)


Client = Annotated[str, Depends(require_key)]
"""The name of the key of a caller who has a valid one."""

Reader = Depends(require_key_unless_public)
