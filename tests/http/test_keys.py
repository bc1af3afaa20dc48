"""`/keys`: creating, listing, rotating and revoking keys, and what becomes of their requests."""

import asyncio
import hashlib
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any

import pytest
from starlette.testclient import TestClient

from app.database.limits import ANSWER_TIMEOUT_S
from app.http.rate_limit_admin import CHANGES
from app.schemas.classify import SEVEN
from tests.support.hanging_writes import Hanging, occupy
from tests.support.http_fixtures import Start
from tests.support.keys import create_key, status_of
from tests.support.service import DRAWING, KEY, assert_problem, client_of, execute, hidden, rows, runtime_of


def test_new_key_works_at_once_and_says_what_it_may_do(client: TestClient) -> None:
    expires_at = "2999-07-31T00:00:00Z"
    phone = create_key(client, "phone", "read", "classify", expires_at=expires_at)
    current = {"name": "phone", "scopes": ["classify", "read"], "expires_at": expires_at}
    assert client.get("/keys/current", headers=phone).json() == current
    every = {"name": "built-in", "scopes": ["admin", "classify", "label", "read"], "expires_at": None}
    assert client.get("/keys/current").json() == every


def test_only_the_digest_of_a_secret_is_stored(client: TestClient, database_url: str) -> None:
    created = client.post("/keys", json={"name": "phone", "scopes": ["read"]})
    secret = created.json()["key"]
    assert secret.startswith("pw_")
    assert len(secret) == 46
    assert created.headers["cache-control"] == "private, no-store"
    (row,) = rows(database_url, "SELECT * FROM api_keys")
    assert row["sha256"] == hashlib.sha256(secret.encode()).hexdigest()
    assert row["prefix"] == secret[:9]
    assert secret not in str(row)
    assert secret not in client.get("/keys").text


def test_rows_name_the_key_that_sent_them(client: TestClient, database_url: str) -> None:
    phone = create_key(client, "phone", "classify", "label")
    assert client.post("/classify", json=DRAWING, headers=phone).status_code == 200
    assert client.put("/results/1/label", json={"label": "7"}, headers=phone).status_code == 200
    assert rows(database_url, "SELECT client FROM predictions") == [{"client": "phone"}]
    assert rows(database_url, "SELECT source FROM labels") == [{"source": "phone"}]


def test_idempotency_keys_of_two_keys_are_apart(sqlite_client: TestClient) -> None:
    ids = {
        sqlite_client.post("/classify", json=DRAWING, headers={**key, "Idempotency-Key": "1"}).json()["id"]
        for key in ({}, create_key(sqlite_client, "phone", "classify"), create_key(sqlite_client, "tablet", "classify"))
        for _ in range(2)
    }
    assert len(ids) == 3


def test_revoked_key_is_refused_and_its_name_stays_taken(client: TestClient) -> None:
    phone = create_key(client, "phone", "read")
    assert status_of(client, phone) == 200
    for _ in range(2):
        assert client.post("/keys/phone/revoke").status_code == 204
    problem = assert_problem(client.get("/keys/current", headers=phone), HTTPStatus.UNAUTHORIZED)
    assert problem["detail"] == "Invalid API key"
    taken = assert_problem(client.post("/keys", json={"name": "phone", "scopes": ["read"]}), HTTPStatus.CONFLICT)
    assert "choose another name" in taken["detail"]
    (listed,) = client.get("/keys").json()["keys"]
    assert listed["revoked_at"] is not None
    assert "revoked" in assert_problem(client.post("/keys/phone/rotate"), HTTPStatus.CONFLICT)["detail"]


def test_rotated_key_has_two_secrets_for_a_while(client: TestClient, database_url: str) -> None:
    first = create_key(client, "phone", "read", rate_limit="5/minute")
    second = {"X-API-Key": client.post("/keys/phone/rotate?overlap_hours=2").json()["key"]}
    assert [status_of(client, key) for key in (first, second)] == [200, 200]
    third = {"X-API-Key": client.post("/keys/phone/rotate").json()["key"]}
    assert [status_of(client, key) for key in (first, second, third)] == [401, 200, 200]
    (row,) = rows(database_url, "SELECT scopes, rate_limit FROM api_keys")
    assert row == {"scopes": "read", "rate_limit": "5/minute"}
    fourth = {"X-API-Key": client.post("/keys/phone/rotate?overlap_hours=0").json()["key"]}
    assert [status_of(client, key) for key in (third, fourth)] == [401, 200]


@pytest.mark.parametrize("rate", ["100", "many", "1/367 day", ""])
def test_rate_limit_of_a_key_that_is_none_is_ignored_and_logged(
    start: Start, sqlite_url: str, caplog: pytest.LogCaptureFixture, rate: str
) -> None:
    client = start(DATABASE_URL=sqlite_url, RATE_LIMIT="2/day")
    phone = create_key(client, "phone", "classify")
    execute(sqlite_url, f"UPDATE api_keys SET rate_limit = '{rate}'")
    runtime_of(client).keys.expire()
    codes = [client.post("/classify", json=DRAWING, headers=phone).status_code for _ in range(3)]
    assert codes == [200, 200, 429]
    assert "the rate limit of key phone is ignored" in caplog.text


@pytest.mark.parametrize("column", ["sha256", "previous_sha256"])
def test_digest_that_is_none_disables_no_other_key(sqlite_client: TestClient, sqlite_url: str, column: str) -> None:
    phone, _ = create_key(sqlite_client, "phone", "read"), create_key(sqlite_client, "tablet", "read")
    assert sqlite_client.post("/keys/tablet/rotate").status_code == 200
    execute(sqlite_url, f"UPDATE api_keys SET {column} = 'by hand' WHERE name = 'tablet'")
    runtime_of(sqlite_client).keys.expire()
    assert status_of(sqlite_client, phone) == 200


INVALID: list[tuple[dict[str, Any], str]] = [
    ({"name": "phone", "scopes": ["fly"]}, "scopes"),
    ({"name": "phone", "scopes": []}, "scopes"),
    ({"name": "phone", "scopes": ["read"] * 5000}, "scopes"),
    ({"name": "phone", "scopes": "read"}, "scopes"),
    ({"name": "phone", "scopes": ["read", None]}, "scopes"),
    ({"name": "phone"}, "scopes"),
    ({"scopes": ["read"]}, "name"),
    *(
        ({"name": name, "scopes": ["read"]}, "name")
        for name in ("", "a b", "a\n", "\0", "über", "-x", "../x", "a" * 65, "x\u202e", "<script>", 7, None)
    ),
    *(
        ({"name": "phone", "scopes": ["read"], "rate_limit": rate}, "rate_limit")
        for rate in ("", "many", "1/minute\0", "-1/minute", "1/fortnight", 5, "1/minute;" * 100)
    ),
    *(
        ({"name": "phone", "scopes": ["read"], "rate_limit": rate}, "rate_limit")
        for rate in ("1/367 day", f"1/{10**20} minute")
    ),
    *(
        ({"name": "phone", "scopes": ["read"], "expires_at": time}, "expires_at")
        for time in ("2020-01-01", "soon", "99999-01-01", 7, 4_000_000_000, 4e9, True)
    ),
]


def test_invalid_key_is_refused_with_the_name_of_the_field(
    sqlite_client: TestClient, sqlite_url: str, subtests: pytest.Subtests
) -> None:
    for body, place in INVALID:
        with subtests.test(place, body=body):
            response = sqlite_client.post("/keys", json=body)
            problem = assert_problem(response, HTTPStatus.UNPROCESSABLE_ENTITY, "errors")
            assert problem["errors"][0]["loc"][:2] == ["body", place]
            assert rows(sqlite_url, "SELECT count(*) AS n FROM api_keys") == [{"n": 0}]


@pytest.mark.parametrize("body", [b'{"name": "\\ud800", "scopes": ["read"]}', b"\xff", b"[" * 60_000, b"null"])
def test_broken_bodies_are_refused(sqlite_client: TestClient, body: bytes) -> None:
    assert_problem(sqlite_client.post("/keys", content=body), HTTPStatus.UNPROCESSABLE_ENTITY, "errors")


@pytest.mark.parametrize("name", ["%00", "a%20b", "%ED%A0%80", "a" * 65, "a%0A", "..%2Fx"])
def test_odd_names_in_the_path_are_refused(sqlite_client: TestClient, name: str) -> None:
    assert sqlite_client.post(f"/keys/{name}/revoke").status_code in (404, 422)
    assert sqlite_client.post(f"/keys/{name}/rotate").status_code in (404, 422)


def test_built_in_key_is_changed_only_in_the_settings(sqlite_client: TestClient) -> None:
    for name in ("built-in", "Built-In"):
        answers = [
            sqlite_client.post("/keys", json={"name": name, "scopes": ["read"]}),
            sqlite_client.post(f"/keys/{name}/rotate"),
            sqlite_client.post(f"/keys/{name}/revoke"),
        ]
        for answer in answers:
            assert ".env" in assert_problem(answer, HTTPStatus.CONFLICT)["detail"]


def test_unknown_key_is_not_found(client: TestClient) -> None:
    for response in (client.post("/keys/phone/rotate"), client.post("/keys/phone/revoke")):
        assert assert_problem(response, HTTPStatus.NOT_FOUND)["detail"] == "There is no key phone."


def test_stored_keys_are_refused_with_503_while_their_table_cannot_be_read(
    client: TestClient, database_url: str
) -> None:
    phone = create_key(client, "phone", "read")
    with hidden(database_url, "api_keys"):
        runtime_of(client).keys.expire()
        response = client.get("/keys/current", headers=phone)
        assert_problem(response, HTTPStatus.SERVICE_UNAVAILABLE)
        assert response.headers["retry-after"]
        assert client.post("/classify", json=DRAWING).status_code == 200
        assert status_of(client, {"X-API-Key": "wrong"}) == 401
    assert status_of(client, phone) == 200


def test_last_use_is_stored_when_the_service_stops(client: TestClient, database_url: str) -> None:
    before = datetime.now(UTC) - timedelta(seconds=1)
    phone = create_key(client, "phone", "read")
    create_key(client, "tablet", "read")
    for _ in range(3):
        assert status_of(client, phone) == 200
    assert rows(database_url, "SELECT last_used_at FROM api_keys WHERE name = 'phone'") == [{"last_used_at": None}]
    assert client.portal is not None
    client.portal.call(runtime_of(client).keys.close)
    used = {key["name"]: key["last_used_at"] for key in client.get("/keys").json()["keys"]}
    assert used["tablet"] is None
    assert before < datetime.fromisoformat(used["phone"]) <= datetime.now(UTC)


def test_stop_does_not_wait_for_a_database_that_hangs_to_store_the_last_use(client: TestClient) -> None:
    assert status_of(client, create_key(client, "phone", "read")) == 200
    keys, database, hanging = runtime_of(client).keys, runtime_of(client).database, Hanging()

    async def close() -> None:
        running = await occupy(database, hanging)
        try:
            await asyncio.wait_for(keys.close(), ANSWER_TIMEOUT_S / 2)
        finally:
            hanging.release()
            await asyncio.gather(*running)

    assert client.portal is not None
    client.portal.call(close)


def test_limit_of_a_key_counts_by_key_and_not_by_address(start: Start, sqlite_url: str) -> None:
    client = start(DATABASE_URL=sqlite_url, RATE_LIMIT="1/day")
    phone = create_key(client, "phone", "classify", rate_limit="2/day")
    other = client_of(client.app, "203.0.113.2")
    codes = [caller.post("/classify", json=DRAWING, headers=phone).status_code for caller in (client, other, client)]
    assert codes == [200, 200, 429]
    tablet = create_key(client, "tablet", "classify")
    codes = [client.post("/classify", json=DRAWING, headers=key).status_code for key in (tablet, {}, phone)]
    assert codes == [200, 429, 429]


def test_limit_of_a_key_may_be_off(start: Start, sqlite_url: str) -> None:
    client = start(DATABASE_URL=sqlite_url, RATE_LIMIT="1/day")
    phone = create_key(client, "phone", "classify", rate_limit=" OFF ")
    assert {client.post("/classify", json=DRAWING, headers=phone).status_code for _ in range(3)} == {200}


def test_limit_of_a_key_is_stored_without_white_space(sqlite_client: TestClient) -> None:
    create_key(sqlite_client, "phone", "classify", rate_limit=" 2/day\n")
    assert sqlite_client.get("/keys").json()["keys"][0]["rate_limit"] == "2/day"


def test_guessed_keys_are_counted_like_wrong_ones(start: Start, sqlite_url: str) -> None:
    client = start(DATABASE_URL=sqlite_url, RATE_LIMIT="2/day")
    guess = {"X-API-Key": "pw_" + "x" * 43}
    assert [status_of(client, guess) for _ in range(3)] == [401, 401, 429]
    assert status_of(client, {"X-API-Key": KEY}) == 200


def test_batch_over_the_limit_of_its_key_is_told_to_use_another_key(sqlite_client: TestClient) -> None:
    phone = create_key(sqlite_client, "phone", "classify", rate_limit="5/day")
    response = sqlite_client.post("/classify/batch", json={"images": [SEVEN] * 6}, headers=phone)
    detail = assert_problem(response, HTTPStatus.TOO_MANY_REQUESTS)["detail"]
    assert "6 drawings in one request never fit; send fewer, or use a key with a higher limit" in detail
    assert "RATE_LIMIT" not in detail


def test_changes_of_keys_are_limited_for_each_key(sqlite_client: TestClient) -> None:
    allowed = int(CHANGES.partition("/")[0])
    chief = create_key(sqlite_client, "chief", "admin")
    for _ in range(allowed - 1):
        assert sqlite_client.post("/keys/phone/rotate").status_code == 404
    response = sqlite_client.post("/keys/phone/revoke")
    assert "More than 30 per 1 minute" in assert_problem(response, HTTPStatus.TOO_MANY_REQUESTS)["detail"]
    assert 1 <= int(response.headers["retry-after"]) <= 61
    assert sqlite_client.post("/keys/phone/revoke", headers=chief).status_code == 404
    assert sqlite_client.get("/keys").status_code == 200
