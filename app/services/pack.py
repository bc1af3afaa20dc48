import time
from functools import partial
from typing import Final

from sqlalchemy.orm import Session

from app.database import Database
from app.progress import Progress
from app.repository import pack as repository
from app.schemas.pack import Packed
from app.services.pauses import write_and_pause

_ASK_AGAIN_S: Final = 60


class PackingPermission:
    """Whether new drawings are packed; until they are, asks the database once a minute."""

    def __init__(self) -> None:
        self._allowed = False
        self._ask_at = 0.0

    def is_allowed(self, session: Session) -> bool:
        if not self._allowed and time.monotonic() >= self._ask_at:
            self._allowed = repository.may_pack(session)
            self._ask_at = time.monotonic() + _ASK_AGAIN_S
        return self._allowed


def pack_all(database: Database, progress: Progress) -> Packed:
    """Refuse older releases, then pack all drawings in short steps; an interrupted run can be repeated."""
    with database.transaction() as session:
        repository.refuse_older_releases(session)
    with database.snapshot() as session:
        last = repository.last_drawing(session)
    packed = after = 0
    while after < last:
        progress("Packing", after, last)
        step = write_and_pause(database, partial(repository.pack_next, after=after))
        if step is None:
            break
        packed, after = packed + step.packed, step.last_id
    return Packed(drawings=packed)
