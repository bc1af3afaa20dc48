"""Doing what a request asks exactly once: `Idempotency-Key`."""

import hashlib
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from sqlalchemy.orm import Session

from app.repository.classify import NewPrediction
from app.repository.idempotency import AnsweredRequest, add_answer, delete_answers, find_answer
from app.schemas.classify import ClassifyResponse
from app.services.classify import remember
from app.services.errors import InProgress, KeyReused

KEPT: Final = timedelta(hours=24)

# Each new key takes some that have expired with it, so the table needs no other care and no call waits for a million.
FORGOTTEN_TOGETHER: Final = 20


class Call(NamedTuple):
    """Whose request under which key, and a checksum of what it asks for."""

    client: str
    key: str
    sha256: str

    @classmethod
    def of(cls, client: str, key: str, route: str, drawings: Sequence[bytes]) -> "Call":
        """Take the route and its drawings: their bytes, since one form of them differs each time it is sent."""
        return cls(client, key, hashlib.sha256(route.encode() + b"\0" + b"".join(drawings)).hexdigest())


class Answer(NamedTuple):
    """The body of the answer, and the ids of what was stored for it: none when it was an answer already."""

    body: str
    ids: list[int]


def remember_once(
    session: Session, call: Call, many: Sequence[NewPrediction], render: Callable[[list[ClassifyResponse]], str]
) -> Answer:
    """Store the answers and, in the same transaction, what is sent for them; or return what was sent before.

    Raises KeyReused when the key came with something else within 24 hours, and InProgress when another process has just
    answered it, so that the next try finds that answer.
    """
    now = datetime.now(UTC)
    since = now - KEPT
    before = find_answer(session, call.client, call.key, since=since)
    if before is not None:
        if before.request_sha256 != call.sha256:
            raise KeyReused("This key was used for another request; use a new one for each")
        return Answer(before.response, [])
    remembered = remember(session, many)
    body = render(remembered)
    if not add_answer(session, call.client, call.key, AnsweredRequest(call.sha256, body), now=now, since=since):
        raise InProgress("The request with this key is being answered; try again")
    delete_answers(session, before=since, limit=FORGOTTEN_TOGETHER)
    return Answer(body, [answer.id for answer in remembered])
