"""The API key: `X-API-Key` must be SECRET_API_KEY, compared in constant time."""

import hashlib
import hmac
from typing import Annotated

from fastapi import Security
from fastapi.security import APIKeyHeader
from starlette.requests import HTTPConnection

from app.http.problems import InvalidApiKey
from app.http.runtime import runtime_of

BUILT_IN = "built-in"
"""The client's name that is stored for calls with SECRET_API_KEY."""


class ApiKey(APIKeyHeader):
    """A dependency that checks the key and returns the client's name.

    One dependency both documents the key, for Swagger's Authorize button, and checks it; resolving a second one takes
    time in every request.
    """

    def __init__(self) -> None:
        super().__init__(
            name="X-API-Key",
            scheme_name="API key",
            description="SECRET_API_KEY in the service's `.env`.",
            auto_error=False,
        )

    async def __call__(self, request: HTTPConnection) -> str:
        """Return the client's name; raise InvalidApiKey, or TooManyRequests for an address with too many wrong keys."""
        # Digests have one length, so the time of the comparison reveals nothing. Headers are Latin-1, and a key with
        # other characters arrives as its UTF-8 bytes.
        given = request.headers.get("x-api-key", "").encode("latin-1")
        runtime = runtime_of(request)
        if not hmac.compare_digest(hashlib.sha256(given).digest(), runtime.key_sha256):
            await runtime.rate_limiter.count_drawings(request)
            raise InvalidApiKey
        return BUILT_IN


class ApiKeyUnlessPublic(ApiKey):
    """The same check, skipped while PUBLIC_RESULTS is true."""

    async def __call__(self, request: HTTPConnection) -> str:
        """Return the client's name, or an empty one while results are public."""
        return "" if runtime_of(request).settings.public_results else await super().__call__(request)


Client = Annotated[str, Security(ApiKey())]
"""The name of a client with a valid key."""

KeyRequired = Security(ApiKey())
KeyUnlessPublic = Security(ApiKeyUnlessPublic())
