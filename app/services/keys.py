import hashlib
import secrets
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import Row
from sqlalchemy.orm import Session

from app.config import checked_rate
from app.repository import keys as repository
from app.repository.keys import StoredKey
from app.schemas.audit import Action
from app.schemas.keys import KeyCreate, KeyList, KeyRead, KeyWithSecret, Scope
from app.services.audit import Actor, record
from app.services.errors import Conflict, InvalidInput, NotFound

# The name of SECRET_API_KEY.
BUILT_IN: Final = "built-in"
KEY_PREFIX: Final = "pw_"
_SHOWN: Final = len(KEY_PREFIX) + 6
_PASSED: Final = datetime(1970, 1, 1, tzinfo=UTC)


def create_key(session: Session, wanted: KeyCreate, actor: Actor) -> KeyWithSecret:
    """Raise Conflict if the name is taken, or InvalidInput."""
    now = datetime.now(UTC)
    _check_not_built_in(wanted.name)
    if wanted.expires_at is not None and wanted.expires_at <= now:
        raise InvalidInput("expires_at", "must be in the future", under="body")
    secret = _new_secret()
    values = {
        "name": wanted.name,
        **_stored(secret),
        "scopes": " ".join(scope for scope in Scope if scope in wanted.scopes),
        "rate_limit": None if wanted.rate_limit is None else _checked_rate_limit(wanted.rate_limit),
        "created_at": now,
        "expires_at": wanted.expires_at,
    }
    if not repository.add_key(session, values):
        raise Conflict(f"There is, or was, a key {wanted.name}; choose another name.")
    record(session, actor, Action.CREATE_KEY, f"key {wanted.name}")
    return _with_secret(session, wanted.name, secret)


def _checked_rate_limit(rate_limit: str) -> str:
    try:
        return checked_rate(rate_limit)
    except ValueError as error:
        raise InvalidInput("rate_limit", str(error), under="body") from None


def list_keys(session: Session) -> KeyList:
    return KeyList(keys=[KeyRead(**_fields(row)) for row in repository.list_keys(session)])


def rotate_key(session: Session, name: str, overlap: timedelta, actor: Actor) -> KeyWithSecret:
    """Give the key a new secret and accept the old one a while longer; raise NotFound or Conflict."""
    now, row = datetime.now(UTC), _lock(session, name)
    if (end := end_of(row)) is not None and end <= now:
        raise Conflict(f"The key {name} is revoked or has expired; create a key with another name.")
    secret = _new_secret()
    # Another host's clock may be behind.
    previous = {"previous_sha256": row.sha256, "previous_until": now + overlap if overlap else _PASSED}
    repository.change_key(session, name, {**_stored(secret), **previous})
    record(session, actor, Action.ROTATE_KEY, f"key {name}")
    return _with_secret(session, name, secret)


def revoke_key(session: Session, name: str, actor: Actor) -> None:
    """Raise NotFound or Conflict. A key that is revoked already stays as it is."""
    if _lock(session, name).revoked_at is None:
        repository.change_key(session, name, {"revoked_at": datetime.now(UTC)})
        record(session, actor, Action.REVOKE_KEY, f"key {name}")


def end_of(key: StoredKey | Row[Any]) -> datetime | None:
    # Not revoked_at, which another host's clock may have set.
    return _PASSED if key.is_revoked else _ends(key)["expires_at"]


def _ends(key: StoredKey | Row[Any]) -> dict[str, datetime | None]:
    """Return the ends by name; an invalid one counts as 1970."""
    ends = {"revoked_at": (key.revoked_at, key.is_revoked), "expires_at": (key.expires_at, key.expires)}
    return {name: (time or _PASSED) if is_set else None for name, (time, is_set) in ends.items()}


def _lock(session: Session, name: str) -> Row[Any]:
    _check_not_built_in(name)
    row = repository.lock_key(session, name)
    if row is None:
        raise NotFound(f"There is no key {name}.")
    return row


def _check_not_built_in(name: str) -> None:
    if name.lower() == BUILT_IN:
        raise Conflict(f"{BUILT_IN} is the name of SECRET_API_KEY, which is changed in .env.")


def _new_secret() -> str:
    return KEY_PREFIX + secrets.token_urlsafe(32)


def _stored(secret: str) -> dict[str, str]:
    return {"prefix": secret[:_SHOWN], "sha256": hashlib.sha256(secret.encode()).hexdigest()}


def _fields(row: Row[Any]) -> dict[str, Any]:
    return {**row._mapping, **_ends(row), "scopes": row.scopes.split()}


def _with_secret(session: Session, name: str, secret: str) -> KeyWithSecret:
    row = repository.lock_key(session, name)
    assert row is not None
    return KeyWithSecret(**_fields(row), key=secret)
