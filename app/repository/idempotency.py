from datetime import datetime
from typing import NamedTuple, cast

from sqlalchemy import Table, delete, func, select, tuple_
from sqlalchemy.orm import Session

from app.models import IdempotencyKey
from app.repository.dialects import dialect_insert

_KEYS = cast(Table, IdempotencyKey.__table__)


class AnsweredRequest(NamedTuple):
    request_sha256: str
    response: str


def find_response(session: Session, client: str, key: str, *, since: datetime) -> AnsweredRequest | None:
    columns = (IdempotencyKey.request_sha256, IdempotencyKey.response)
    mine = (IdempotencyKey.client == client, IdempotencyKey.key == key, IdempotencyKey.created_at >= since)
    found = session.execute(select(*columns).where(*mine)).one_or_none()
    return None if found is None else AnsweredRequest(*found)


def add_response(
    session: Session, client: str, key: str, answered: AnsweredRequest, now: datetime, since: datetime
) -> bool:
    """Store the response; return False if one is stored since then.

    On PostgreSQL it waits for another transaction with the same key.
    """
    statement = dialect_insert(session, _KEYS).values(client=client, key=key, created_at=now, **answered._asdict())
    replaced = {name: statement.excluded[name] for name in ("request_sha256", "response", "created_at")}
    statement = statement.on_conflict_do_update(
        index_elements=[_KEYS.c.client, _KEYS.c.key], set_=replaced, where=_KEYS.c.created_at < since
    )
    return session.execute(statement.returning(_KEYS.c.key)).one_or_none() is not None


def count_responses(session: Session, *, before: datetime) -> int:
    older = select(func.count()).select_from(IdempotencyKey).where(IdempotencyKey.created_at < before)
    return session.scalar(older) or 0


def delete_responses(session: Session, *, before: datetime, limit: int) -> None:
    """Delete some older responses, except those that another transaction is deleting."""
    mine = tuple_(IdempotencyKey.client, IdempotencyKey.key)
    oldest = (
        select(IdempotencyKey.client, IdempotencyKey.key)
        .where(IdempotencyKey.created_at < before)
        .order_by(IdempotencyKey.created_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    session.execute(delete(IdempotencyKey).where(mine.in_(oldest)))
