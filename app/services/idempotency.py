"""Answer a repeated request with the stored response."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from sqlalchemy.orm import Session

from app.repository.classify import NewPrediction
from app.repository.idempotency import AnsweredRequest, add_response, delete_responses, find_response
from app.repository.results import delete_prediction
from app.services.errors import InProgress, KeyReused

KEPT: Final = timedelta(hours=24)

# Every new key deletes some expired ones.
DELETE_BATCH_SIZE: Final = 20

_IN_PROGRESS: Final = "Another request with this key is in progress; try again later"
_KEY_REUSED: Final = "This key was used for a different request; use a new key for each request"


class IdempotentRequest(NamedTuple):
    client: str
    key: str
    sha256: str

    @classmethod
    def of(cls, client: str, key: str, route: str, drawings: Sequence[bytes]) -> "IdempotentRequest":
        # Not of the body: a form's boundary differs each time.
        return cls(client, key, hashlib.sha256(route.encode() + b"\0" + b"".join(drawings)).hexdigest())


class StoredResponse(NamedTuple):
    """A response body, and what was stored for it: nothing for a repeated request."""

    body: bytes
    ids: Sequence[int] = ()
    predictions: Sequence[NewPrediction] = ()


class RequestsInProgress:
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


def respond_once(
    session: Session,
    requests: Sequence[IdempotentRequest | None],
    respond: Callable[[Sequence[int]], Sequence[StoredResponse]],
) -> list[StoredResponse | Exception]:
    """Return stored responses; `respond` makes the missing ones, by number, and they are stored.

    KeyReused, or InProgress for another process, may take a response's place.
    """
    now = datetime.now(UTC)
    since = now - KEPT
    outcomes: dict[int, StoredResponse | Exception] = {}
    for number, request in enumerate(requests):
        if request is not None and (before := find_response(session, request.client, request.key, since=since)):
            same = before.request_sha256 == request.sha256
            outcomes[number] = StoredResponse(before.response.encode()) if same else KeyReused(_KEY_REUSED)
    new = [number for number in range(len(requests)) if number not in outcomes]
    responses = dict(zip(new, respond(new), strict=True)) if new else {}
    # Sorted, or two transactions could wait for each other's keys.
    keyed = sorted((request, number) for number in new if (request := requests[number]) is not None)
    for request, number in keyed:
        stored = AnsweredRequest(request.sha256, responses[number].body.decode())
        if not add_response(session, request.client, request.key, stored, now=now, since=since):
            for prediction_id in responses.pop(number).ids:
                delete_prediction(session, prediction_id)
            outcomes[number] = InProgress(_IN_PROGRESS)
    if keyed:
        delete_responses(session, before=since, limit=DELETE_BATCH_SIZE * len(keyed))
    outcomes |= responses
    return [outcomes[number] for number in range(len(requests))]
