"""Idempotency keys: a request that is sent again gets the stored answer."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from sqlalchemy.orm import Session

from app.repository.idempotency import AnsweredRequest, add_answer, delete_answers, find_answer
from app.services.errors import InProgress, KeyReused

KEPT: Final = timedelta(hours=24)

# Each new key deletes some expired ones, so nothing else has to, and no request waits for many.
DELETE_BATCH_SIZE: Final = 20

_IN_PROGRESS: Final = "Another request with this key is in progress; try again later"


class IdempotentRequest(NamedTuple):
    """A client, its key, and a checksum of the request."""

    client: str
    key: str
    sha256: str

    @classmethod
    def of(cls, client: str, key: str, route: str, drawings: Sequence[bytes]) -> "IdempotentRequest":
        """Take the route and its drawings: the body itself may differ, as a form's boundary does."""
        return cls(client, key, hashlib.sha256(route.encode() + b"\0" + b"".join(drawings)).hexdigest())


class Answer(NamedTuple):
    """The body of an answer, and the ids of the predictions stored for it: none for a repeated request."""

    body: str
    ids: list[int]


class RequestsInProgress:
    """The idempotent requests in progress in this process."""

    def __init__(self) -> None:
        self._keys: set[tuple[str, str]] = set()

    @contextmanager
    def exclusive(self, request: IdempotentRequest) -> Iterator[None]:
        """Run a block for one request per client and key; raise InProgress for a second one."""
        key = (request.client, request.key)
        if key in self._keys:
            raise InProgress(_IN_PROGRESS)
        self._keys.add(key)
        try:
            yield
        finally:
            self._keys.remove(key)


def answer_once(session: Session, request: IdempotentRequest, answer: Callable[[], Answer]) -> Answer:
    """Return the stored answer to the request; if there is none, answer it and store the answer in the transaction.

    Raises KeyReused if the key came with a different request within 24 hours, and InProgress if another process
    answers the request at the same time.
    """
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
