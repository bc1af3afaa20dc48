"""Idempotency-Key: a repeated request gets the same answer and is stored once."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from http import HTTPStatus
from typing import Any

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from app.main import app
from app.schemas.classify import SEVEN
from app.services.idempotency import IdempotentRequest, RequestsInProgress
from tests.support.digit_images import encoded
from tests.support.http_fixtures import Start
from tests.support.service import DRAWING, assert_problem, execute, random_drawings, rows, runtime_of, stored

OTHER = {"pixels": random_drawings(1)[0].tolist()}
KEY = {"Idempotency-Key": "once"}
BATCH = random_drawings(3)
REQUESTS: dict[str, dict[str, Any]] = {
    "/classify": {"json": DRAWING},
    "/classify/batch": {"content": BATCH.tobytes(), "headers": {"Content-Type": "application/octet-stream"}},
    "/classify/image": {"files": {"file": encoded(Image.fromarray(np.array(SEVEN, np.uint8)))}},
}


def send(client: TestClient, route: str, key: str = "once") -> Any:
    request = REQUESTS[route]
    return client.post(route, **{**request, "headers": {**request.get("headers", {}), "Idempotency-Key": key}})


@pytest.mark.parametrize("route", REQUESTS)
def test_repeated_request_gets_the_same_bytes_and_stores_nothing(
    client: TestClient, database_url: str, route: str
) -> None:
    first = send(client, route)
    kept = stored(database_url)

    again = [send(client, route) for _ in range(3)]

    assert first.status_code == 200
    assert {(response.status_code, response.content) for response in again} == {(200, first.content)}
    assert stored(database_url) == kept != (0, 0)


def test_requests_without_or_with_another_key_are_stored_separately(client: TestClient, database_url: str) -> None:
    ids = [send(client, "/classify", key).json()["id"] for key in ("a", "b", "A")]
    ids += [client.post("/classify", json=DRAWING).json()["id"] for _ in range(2)]
    assert ids == [1, 2, 3, 4, 5]
    assert stored(database_url) == (5, 5)


def test_key_of_a_different_drawing_is_refused(client: TestClient, database_url: str) -> None:
    client.post("/classify", json=DRAWING, headers=KEY)

    problem = assert_problem(
        client.post("/classify", json=OTHER, headers=KEY), HTTPStatus.UNPROCESSABLE_ENTITY, "errors"
    )

    assert problem["errors"][0]["loc"] == ["header", "Idempotency-Key"]
    assert_problem(send(client, "/classify/batch"), HTTPStatus.UNPROCESSABLE_ENTITY, "errors")
    assert stored(database_url) == (1, 1)


def test_formatting_of_the_json_does_not_change_the_request(client: TestClient) -> None:
    first = client.post("/classify", json=DRAWING, headers=KEY)
    spaced = str(DRAWING).replace("'", '"').encode() + b"\n\n"
    assert client.post("/api/classify", content=spaced, headers=KEY).content == first.content


def test_failed_request_can_be_sent_again(client: TestClient, database_url: str) -> None:
    assert client.post("/classify", json={"pixels": []}, headers=KEY).status_code == 422
    execute(database_url, "ALTER TABLE drawings RENAME TO hidden")
    try:
        assert client.post("/classify", json=DRAWING, headers=KEY).status_code == 503
    finally:
        execute(database_url, "ALTER TABLE hidden RENAME TO drawings")

    assert client.post("/classify", json=DRAWING, headers=KEY).json()["id"] > 0
    assert stored(database_url) == (1, 1)


def test_concurrent_requests_with_one_key_store_one_row(client: TestClient, database_url: str) -> None:
    with ThreadPoolExecutor(16) as callers:
        answers = list(callers.map(lambda _: client.post("/classify", json=DRAWING, headers=KEY), range(64)))

    assert {answer.status_code for answer in answers} <= {200, 409}
    assert len({answer.content for answer in answers if answer.status_code == 200}) == 1
    assert stored(database_url) == (1, 1)


def test_two_processes_with_one_key_store_one_row(
    client: TestClient, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Like other processes, which do not know each other's requests in progress.
    monkeypatch.setattr(RequestsInProgress, "exclusive", lambda _self, _request: nullcontext())
    with ThreadPoolExecutor(16) as callers:
        answers = list(callers.map(lambda _: client.post("/classify", json=DRAWING, headers=KEY), range(64)))

    assert {answer.status_code for answer in answers} <= {200, 409}
    assert len({answer.content for answer in answers if answer.status_code == 200}) == 1
    assert stored(database_url) == (1, 1)


@contextmanager
def in_progress(client: TestClient) -> Iterator[None]:
    """Let a request with the key be in progress."""
    with runtime_of(client).classify.in_progress.exclusive(IdempotentRequest("built-in", "once", "")):
        yield


def test_second_request_is_a_conflict_while_the_first_is_in_progress(sqlite_client: TestClient) -> None:
    with in_progress(sqlite_client):
        response = sqlite_client.post("/classify", json=DRAWING, headers=KEY)
    assert_problem(response, HTTPStatus.CONFLICT)
    assert int(response.headers["retry-after"]) > 0
    assert sqlite_client.post("/classify", json=DRAWING, headers=KEY).status_code == 200


@pytest.mark.parametrize("route", REQUESTS)
def test_header_and_conflict_are_documented(sqlite_client: TestClient, route: str) -> None:
    documented = app.openapi()["paths"][route]["post"]
    (header,) = (parameter for parameter in documented["parameters"] if parameter["in"] == "header")
    assert (header["name"], header["required"], header["schema"]["maxLength"]) == ("Idempotency-Key", False, 255)
    with in_progress(sqlite_client):
        problem = assert_problem(send(sqlite_client, route), HTTPStatus.CONFLICT)
    example = documented["responses"]["409"]["content"]["application/problem+json"]["example"]
    assert (example.keys(), example["status"]) == (problem.keys(), problem["status"])


@pytest.mark.parametrize("key", ["", "é", "a\tb", "x" * 256])
def test_invalid_key_is_refused(sqlite_client: TestClient, key: str) -> None:
    response = sqlite_client.post("/classify", json=DRAWING, headers={"Idempotency-Key": key.encode()})
    problem = assert_problem(response, HTTPStatus.UNPROCESSABLE_ENTITY, "errors")
    assert problem["errors"][0]["loc"] == ["header", "Idempotency-Key"]


def test_key_may_have_255_characters(client: TestClient) -> None:
    key = {"Idempotency-Key": "~" * 255}
    assert client.post("/classify", json=DRAWING, headers=key).status_code == 200


def age_all(database_url: str, hours: int) -> None:
    earlier = (
        f"strftime('%Y-%m-%d %H:%M:%f000', created_at, '-{hours} hours')"
        if database_url.startswith("sqlite")
        else f"created_at - interval '{hours} hours'"
    )
    execute(database_url, f"UPDATE idempotency_keys SET created_at = {earlier}")


def keys(database_url: str) -> list[str]:
    return [row["key"] for row in rows(database_url, "SELECT key FROM idempotency_keys ORDER BY key")]


@pytest.mark.parametrize(("hours", "ids"), [(23, (1, 1)), (25, (1, 2))])
def test_key_is_kept_for_24_hours(client: TestClient, database_url: str, hours: int, ids: tuple[int, int]) -> None:
    first = send(client, "/classify").json()["id"]
    age_all(database_url, hours)
    assert (first, send(client, "/classify").json()["id"]) == ids
    # The new answer is kept for 24 hours.
    assert send(client, "/classify").json()["id"] == ids[1]


def test_expired_keys_are_deleted_in_batches(client: TestClient, database_url: str) -> None:
    for number in range(45):
        send(client, "/classify", f"old {number:02}")
    age_all(database_url, 25)

    left = []
    for number in range(3):
        send(client, "/classify", f"new {number}")
        left.append(sum(key.startswith("old") for key in keys(database_url)))

    assert left == [25, 5, 0]
    assert keys(database_url) == ["new 0", "new 1", "new 2"]


def test_answer_is_stored_in_the_transaction_of_its_row(client: TestClient, database_url: str) -> None:
    execute(database_url, "ALTER TABLE idempotency_keys RENAME TO hidden")
    try:
        assert client.post("/classify", json=DRAWING, headers=KEY).status_code == 503
        assert stored(database_url) == (0, 0)
        # Requests without a key do not use the table.
        assert client.post("/classify", json=DRAWING).status_code == 200
    finally:
        execute(database_url, "ALTER TABLE hidden RENAME TO idempotency_keys")


def test_repeated_request_is_answered_after_its_row_was_deleted(client: TestClient, database_url: str) -> None:
    first = send(client, "/classify")
    client.delete(f"/results/{first.json()['id']}")
    assert send(client, "/classify").content == first.content
    assert stored(database_url) == (0, 0)


def test_repeated_requests_count_towards_the_limit(start: Start, sqlite_url: str) -> None:
    client = start(DATABASE_URL=sqlite_url, RATE_LIMIT="2/day")
    assert [send(client, "/classify").status_code for _ in range(3)] == [200, 200, 429]


def test_white_space_around_a_key_is_no_part_of_it(client: TestClient, database_url: str) -> None:
    keys = ("a", "a ", "\ta")
    ids = {client.post("/classify", json=DRAWING, headers={"Idempotency-Key": key}).json()["id"] for key in keys}
    assert (ids, stored(database_url)) == ({1}, (1, 1))
