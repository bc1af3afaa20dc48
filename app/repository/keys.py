from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple, cast

from sqlalchemy import Row, Table, Text, bindparam, select, update
from sqlalchemy.orm import Session

from app.models import ApiKey
from app.repository.dialects import dialect_insert

_KEYS: Final = cast(Table, ApiKey.__table__)
# Values that are not times read as None.
_ENDS: Final = (
    _KEYS.c.revoked_at.is_not(None).label("is_revoked"),
    (_KEYS.c.expires_at.cast(Text) != "infinity").label("expires"),
)


class StoredKey(NamedTuple):
    name: str
    sha256: str
    previous_sha256: str | None
    previous_until: datetime | None
    scopes: str
    rate_limit: str | None
    expires_at: datetime | None
    revoked_at: datetime | None
    is_revoked: bool
    expires: bool | None


def add_key(session: Session, values: Mapping[str, Any]) -> bool:
    """Return False if the name is taken."""
    statement = dialect_insert(session, _KEYS).values(**values).on_conflict_do_nothing(index_elements=[_KEYS.c.name])
    return session.execute(statement.returning(_KEYS.c.id)).one_or_none() is not None


def lock_key(session: Session, name: str) -> Row[Any] | None:
    return session.execute(select(_KEYS, *_ENDS).where(_KEYS.c.name == name).with_for_update()).one_or_none()


def change_key(session: Session, name: str, values: Mapping[str, Any]) -> None:
    session.execute(update(_KEYS).where(_KEYS.c.name == name).values(**values))


def list_keys(session: Session) -> list[Row[Any]]:
    return list(session.execute(select(_KEYS, *_ENDS).order_by(_KEYS.c.name)))


def list_secrets(session: Session) -> list[StoredKey]:
    """Return all keys, revoked ones too."""
    columns = [column for column in _KEYS.c if column.name in StoredKey._fields]
    return [StoredKey(**row._mapping) for row in session.execute(select(*columns, *_ENDS))]


def set_last_used(session: Session, used: Mapping[str, datetime]) -> None:
    """Store the times, unless later ones are stored."""
    is_later = _KEYS.c.last_used_at.is_(None) | (_KEYS.c.last_used_at < bindparam("used_at"))
    statement = update(_KEYS).where(_KEYS.c.name == bindparam("used"), is_later)
    statement = statement.values(last_used_at=bindparam("used_at"))
    # In one order, so that two processes cannot wait for each other.
    session.connection().execute(statement, [{"used": name, "used_at": used[name]} for name in sorted(used)])
