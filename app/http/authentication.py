import hashlib
import hmac
import re
from typing import Annotated, Final

from fastapi import Security
from fastapi.security import APIKeyHeader
from starlette.requests import HTTPConnection

from app.database.errors import DatabaseError
from app.http.errors import InvalidApiKey, MissingScope
from app.http.headers import raw_values
from app.http.runtime import runtime_of
from app.schemas.keys import Scope
from app.services.audit import Actor
from app.services.key_table import BUILT_IN_KEY, ClientKey
from app.services.keys import KEY_PREFIX

_BEARER: Final = re.compile(rb"bearer +(.*)", re.IGNORECASE | re.DOTALL)


class RequireKey(APIKeyHeader):
    """Requires a key with the scope, or any key without one."""

    def __init__(self, scope: Scope | None = None) -> None:
        super().__init__(
            name="X-API-Key",
            scheme_name="API key",
            description="SECRET_API_KEY in the service's `.env`, or a key with the scope that the route names.",
            auto_error=False,
        )
        self.scope = scope

    async def __call__(self, request: HTTPConnection) -> str:
        """Return the key's name; raise InvalidApiKey, MissingScope, TooManyRequests or DatabaseError."""
        key = await _find_key(request)
        if not key:
            await runtime_of(request).rate_limiter.count_wrong_key(request)
            raise InvalidApiKey
        name = _remember(request, key)
        if self.scope and not key.may(self.scope):
            raise MissingScope(name, self.scope)
        return name


class RequireKeyUnlessPublic(RequireKey):
    async def __call__(self, request: HTTPConnection) -> str:
        """Return the key's name, empty without a key; calls without the scope count towards READ_LIMIT."""
        runtime = runtime_of(request)
        if not runtime.settings.public_results:
            return await super().__call__(request)
        key = await _find_key(request)
        if not key and _given_key(request):
            await runtime.rate_limiter.count_wrong_key(request)
        if not key or not key.may(self.scope):
            await runtime.rate_limiter.count_read(request)
        return _remember(request, key) if key else ""


async def sees_causes(request: HTTPConnection) -> bool:
    """Return whether a key may read or administer."""
    try:
        key = await _find_key(request)
    except DatabaseError:
        return False
    return bool(key and (key.may(Scope.READ) or key.may(Scope.ADMIN)))


async def _find_key(request: HTTPConnection) -> ClientKey | None:
    runtime, given = runtime_of(request), _given_key(request)
    digest = hashlib.sha256(given).digest()
    # Digests have one length, so the time reveals nothing.
    if hmac.compare_digest(digest, runtime.key_sha256):
        return BUILT_IN_KEY
    return await runtime.keys.find(digest) if given.startswith(KEY_PREFIX.encode()) else None


def _given_key(request: HTTPConnection) -> bytes:
    """Return the key of `X-API-Key` or `Authorization: Bearer`; repeated or different keys make one that is wrong."""
    bearer = [match[1] for value in raw_values(request, b"authorization") if (match := _BEARER.fullmatch(value))]
    forms = (raw_values(request, b"x-api-key"), bearer)
    return b", ".join({b", ".join(keys).strip(b" \t") for keys in forms if keys})


def _remember(request: HTTPConnection, key: ClientKey) -> str:
    state = request.scope.setdefault("state", {})
    state["key"] = key
    # For the access log.
    state["client"] = key.name
    return key.name


def key_of(request: HTTPConnection) -> ClientKey:
    key: ClientKey = request.scope["state"]["key"]
    return key


def actor_of(request: HTTPConnection) -> Actor:
    return Actor(key_of(request).name, request.scope["state"]["request_id"])


AnyKey = Security(RequireKey())
ClassifyKey, ReadKey, LabelKey, AdminKey = (Security(RequireKey(scope), scopes=[scope]) for scope in Scope)
ReadKeyUnlessPublic = Security(RequireKeyUnlessPublic(Scope.READ), scopes=[Scope.READ])
Client = Annotated[str, ClassifyKey]
