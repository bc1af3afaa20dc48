"""Who may call: the API key of `.env`, compared in constant time."""

import hashlib
import hmac
from functools import cache
from typing import Annotated

from fastapi import Security
from fastapi.security import APIKeyHeader
from starlette.requests import HTTPConnection

from app.config import get_settings
from app.http.problems import InvalidApiKey
from app.http.rate_limit import count_drawings

BUILT_IN = "built-in"
"""The name under which calls with SECRET_API_KEY are remembered."""


@cache
def _expected() -> bytes:
    return hashlib.sha256(get_settings().require_secret_api_key().get_secret_value().encode()).digest()


def forget_key() -> None:
    """Read the key again at the next call; called when the service starts."""
    _expected.cache_clear()


class KnownKey(APIKeyHeader):
    """A dependency that lets callers with a valid key pass and gives the route the key's name.

    It is FastAPI's own security scheme, so Swagger offers its Authorize button, and the check in one, which saves every
    request the resolution of a second dependency.
    """

    def __init__(self) -> None:
        super().__init__(
            name="X-API-Key",
            scheme_name="API key",
            description="SECRET_API_KEY of the service's `.env`.",
            auto_error=False,
        )

    async def __call__(self, request: HTTPConnection) -> str:
        """Return the key's name; raise InvalidApiKey, or TooManyRequests for an address that guesses."""
        # Digests have one length whatever was given, so the comparison's time tells nothing. Headers are Latin-1 by
        # their standard, and a key with other characters arrives as its UTF-8 bytes.
        given = request.headers.get("x-api-key", "").encode("latin-1")
        if not hmac.compare_digest(hashlib.sha256(given).digest(), _expected()):
            await count_drawings(request)
            raise InvalidApiKey
        return BUILT_IN


class KnownKeyUnlessPublic(KnownKey):
    """The same, but anybody may read while PUBLIC_RESULTS is true."""

    async def __call__(self, request: HTTPConnection) -> str:
        """Return the key's name, or nothing for the public."""
        return "" if get_settings().public_results else await super().__call__(request)


Client = Annotated[str, Security(KnownKey())]
"""The name of the key of a caller who has a valid one."""

KeyRequired = Security(KnownKey())
KeyUnlessPublic = Security(KnownKeyUnlessPublic())
