import hashlib
import hmac
import re
from typing import Annotated, Final

from fastapi import Security
from fastapi.security import APIKeyHeader
from starlette.requests import HTTPConnection

from app.http.headers import raw_values
from app.http.problems import InvalidApiKey
from app.http.runtime import runtime_of

# The name of the client that holds the key.
BUILT_IN = "built-in"

_BEARER: Final = re.compile(rb"bearer +(.*)", re.IGNORECASE | re.DOTALL)


class ApiKey(APIKeyHeader):
    def __init__(self) -> None:
        super().__init__(
            name="X-API-Key",
            scheme_name="API key",
            description="SECRET_API_KEY in the service's `.env`.",
            auto_error=False,
        )

    async def __call__(self, request: HTTPConnection) -> str:
        """Return the client's name; raise InvalidApiKey or TooManyRequests."""
        if not _has_key(request):
            await runtime_of(request).rate_limiter.count_wrong_key(request)
            raise InvalidApiKey
        # For the access log.
        request.scope.setdefault("state", {})["client"] = BUILT_IN
        return BUILT_IN


class ApiKeyUnlessPublic(ApiKey):
    async def __call__(self, request: HTTPConnection) -> str:
        """Return the client's name, empty without the key; such calls count towards READ_LIMIT."""
        runtime = runtime_of(request)
        if not runtime.settings.public_results:
            return await super().__call__(request)
        if _has_key(request):
            return BUILT_IN
        await runtime.rate_limiter.count_read(request)
        return ""


def _has_key(request: HTTPConnection) -> bool:
    # Digests have one length, so the time reveals nothing.
    return hmac.compare_digest(hashlib.sha256(_given_key(request)).digest(), runtime_of(request).key_sha256)


def _given_key(request: HTTPConnection) -> bytes:
    """Return the key of `X-API-Key` or `Authorization: Bearer`; repeated or different keys make one that is wrong."""
    bearer = [match[1] for value in raw_values(request, "Authorization") if (match := _BEARER.fullmatch(value))]
    forms = (raw_values(request, "X-API-Key"), bearer)
    return b", ".join({b", ".join(keys).strip(b" \t") for keys in forms if keys})


KeyRequired = Security(ApiKey())
# The same object, so that a route checks it once.
Client = Annotated[str, KeyRequired]
KeyUnlessPublic = Security(ApiKeyUnlessPublic())
