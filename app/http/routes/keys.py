from datetime import timedelta
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Path, Query, Request
from sqlalchemy.orm import Session

from app.http import rate_limit_admin
from app.http.authentication import AdminKey, AnyKey, actor_of, key_of
from app.http.bodies import JSON, json_body
from app.http.errors import Advice
from app.http.openapi import documented, request_body
from app.http.reads import read
from app.http.routing import ApiRoute
from app.http.runtime import runtime_of
from app.schemas.keys import CurrentKey, KeyCreate, KeyList, KeyName, KeyWithSecret, RotateQuery
from app.services import keys

router = APIRouter(prefix="/keys", tags=["keys"], route_class=ApiRoute)

Name = Annotated[KeyName, Path(description="The name of a key.")]

_UNKNOWN: Final = "There is no such key."
_TAKEN: Final = "There is, or was, a key of this name."
_UNCHANGEABLE: Final = "The key is revoked, has expired, or is SECRET_API_KEY."
# The secret in an answer that was lost cannot be shown again.
_IF_CREATED: Final = Advice("If GET /keys lists the key, rotate it.")
_IF_ROTATED: Final = Advice("If GET /keys lists the key with another prefix, create another key and revoke this one.")


@router.get(
    "/current", dependencies=[AnyKey], responses=documented(401, 422, 429, 503), summary="Get the key of this request"
)
async def get_current_key(request: Request) -> CurrentKey:
    """Return the name of the key that was sent, and what it may do."""
    key = key_of(request)
    return CurrentKey(name=key.name, scopes=sorted(key.scopes), expires_at=key.expires_at)


@router.get("", dependencies=[AdminKey], responses=documented(401, 403, 422, 429, 503), summary="List the keys")
@rate_limit_admin.reads
async def list_keys(request: Request) -> KeyList:
    """List all keys with their last use, without their secrets. SECRET_API_KEY is not among them."""
    return await read(request, keys.list_keys)


@router.post(
    "",
    dependencies=[AdminKey],
    responses=documented(401, 403, 409, 413, 415, 422, 429, 503, 507, meanings={409: _TAKEN}),
    openapi_extra=request_body({JSON: KeyCreate}),
    summary="Create a key",
)
@rate_limit_admin.key_changes
async def create_key(request: Request, body: Annotated[KeyCreate, Depends(json_body(KeyCreate))]) -> KeyWithSecret:
    """Create a key. Its secret is in this answer only, and works at once."""
    request.state.advice = _IF_CREATED

    def write(session: Session) -> KeyWithSecret:
        return keys.create_key(session, body, actor_of(request))

    return await runtime_of(request).database.write(write)


@router.post(
    "/{name}/rotate",
    dependencies=[AdminKey],
    responses=documented(401, 403, 404, 409, 422, 429, 503, 507, meanings={404: _UNKNOWN, 409: _UNCHANGEABLE}),
    summary="Give a key a new secret",
)
@rate_limit_admin.key_changes
async def rotate_key(request: Request, name: Name, query: Annotated[RotateQuery, Query()]) -> KeyWithSecret:
    """Return a new secret for the key. The old one is accepted for `overlap_hours` more."""
    request.state.advice = _IF_ROTATED
    overlap = timedelta(hours=query.overlap_hours)

    def write(session: Session) -> KeyWithSecret:
        return keys.rotate_key(session, name, overlap, actor_of(request))

    rotated = await runtime_of(request).database.write(write)
    runtime_of(request).keys.expire()
    return rotated


@router.post(
    "/{name}/revoke",
    dependencies=[AdminKey],
    status_code=204,
    responses=documented(401, 403, 404, 409, 422, 429, 503, 507, meanings={404: _UNKNOWN, 409: _UNCHANGEABLE}),
    summary="Revoke a key",
)
@rate_limit_admin.key_changes
async def revoke_key(request: Request, name: Name) -> None:
    """Revoke a key. Every process refuses it within five seconds; its name is never used again."""
    await runtime_of(request).database.write(lambda session: keys.revoke_key(session, name, actor_of(request)))
    runtime_of(request).keys.expire()
