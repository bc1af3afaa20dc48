"""Answer a repeated request with the stored answer."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from sqlalchemy.orm import Session

from app.repository.idempotency import AnsweredRequest, add_answer, delete_answers, find_answer
from app.services.errors import InProgress, KeyReused

KEPT: Final = timedelta(hours=24)

# Every new key deletes some expired ones.
DELETE_BATCH_SIZE: Final = 20

_IN_PROGRESS: Final = "Another request with this key is in progress; try again later"


class IdempotentRequest(NamedTuple):
    client: str
    key: str
    sha256: str

    @classmethod
    def of(cls, client: str, key: str, route: str, drawings: Sequence[bytes]) -> "IdempotentRequest":
        # Not of the body: a form's boundary differs each time.
        return cls(client, key, hashlib.sha256(route.encode() + b"\0" + b"".join(drawings)).hexdigest())


class Answer(NamedTuple):
    """A response body, and the ids stored for it: none for a repeated request."""

    body: str
    ids: list[int]


class RequestsInProgress:
    """The idempotent requests that this process is answering."""

    def __init__(self) -> None:
        self._keys: set[tuple[str, str]] = set()

    @contextmanager
    def exclusive(self, request: IdempotentRequest) -> Iterator[None]:
        """Raise InProgress if the block is running for the same client and key."""
        key = (request.client, request.key)
        if key in self._keys:
            raise InProgress(_IN_PROGRESS)
        self._keys.add(key)
        try:
            yield
        finally:
            self._keys.remove(key)


def answer_once(session: Session, request: IdempotentRequest, answer: Callable[[], Answer]) -> Answer:
    """Return the stored answer, or make one and store it; raise KeyReused, or InProgress in another process."""
    now = datetime.now(UTC)
    since = now - KEPT
    before = find_answer(session, request.client, request.key, since=since)
    if before is not None:
        if before.request_sha256 != request.sha256:
            raise KeyReused("This key was used for a different request; use a new key for each request")
        return Answer(before.response, [])
    new = answer()
    stored = AnsweredRequest(request.sha256, new.body)
    if not add_answer(session, request.client, request.key, stored, now=now, since=since):
        raise InProgress(_IN_PROGRESS)
    delete_answers(session, before=since, limit=DELETE_BATCH_SIZE)
    return new
