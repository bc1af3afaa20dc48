"""What a 503 advises when the outcome of a commit is unknown."""

from typing import Any

import pytest
from sqlalchemy import Connection, event
from starlette.testclient import TestClient

from app.database.errors import OutcomeUnknown
from tests.support.keys import create_key
from tests.support.service import AGAIN, DRAWING, LOOK, REPEAT, assert_outcome_unknown, runtime_of

ONCE = {"headers": {"Idempotency-Key": "one"}}
TABLET = {"name": "tablet", "scopes": ["read"]}


def lose_the_answer(_connection: Connection) -> None:
    raise OutcomeUnknown("the server does not answer")


@pytest.mark.parametrize(
    ("method", "path", "request_", "advice"),
    [
        ("POST", "/classify", {"json": DRAWING, **ONCE}, REPEAT),
        ("POST", "/classify", {"json": DRAWING}, LOOK),
        ("PUT", "/results/1/label", {"json": {"label": "7"}, **ONCE}, LOOK),
        ("PATCH", "/results/1", {"json": {"notes": "with a bar"}}, LOOK),
        ("DELETE", "/results/1", {}, LOOK),
        ("POST", "/keys/phone/revoke", {}, LOOK),
        ("GET", "/review", {}, AGAIN),
        ("POST", "/keys", {"json": TABLET}, "If GET /keys lists the key, rotate it."),
        ("POST", "/keys/phone/rotate", {}, "create another key and revoke this one."),
    ],
)
def test_advice_after_an_unknown_outcome_fits_the_request(
    sqlite_client: TestClient, method: str, path: str, request_: dict[str, Any], advice: str
) -> None:
    assert sqlite_client.post("/classify", json=DRAWING).json()["id"] == 1
    create_key(sqlite_client, "phone", "read")
    event.listen(runtime_of(sqlite_client).database.engine, "commit", lose_the_answer)
    assert_outcome_unknown(sqlite_client.request(method, path, **request_), advice)
