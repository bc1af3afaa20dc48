"""Keys that are revoked, rotated or expired, also by SQL and by another host's clock."""

from http import HTTPStatus

import pytest
from starlette.testclient import TestClient

from tests.support.command_line import done
from tests.support.keys import create_key, status_of
from tests.support.service import assert_problem, execute, rows, runtime_of


def test_revoked_key_is_refused_by_a_host_whose_clock_is_behind(client: TestClient, database_url: str) -> None:
    phone = create_key(client, "phone", "read")
    assert client.post("/keys/phone/revoke").status_code == 204
    execute(database_url, "UPDATE api_keys SET revoked_at = '2999-01-01 00:00:00.000000'")
    runtime_of(client).keys.expire()
    assert status_of(client, phone) == 401
    assert "revoked" in assert_problem(client.post("/keys/phone/rotate"), HTTPStatus.CONFLICT)["detail"]


def test_secret_rotated_without_overlap_is_refused_by_a_host_whose_clock_is_behind(
    client: TestClient, database_url: str
) -> None:
    first = create_key(client, "phone", "read")
    second = {"X-API-Key": client.post("/keys/phone/rotate?overlap_hours=0").json()["key"]}
    assert [status_of(client, key) for key in (first, second)] == [401, 200]
    # Long ago by every clock.
    (row,) = rows(database_url, "SELECT previous_until FROM api_keys")
    assert str(row["previous_until"]).startswith("1970")


def test_expired_key_is_refused(client: TestClient, database_url: str) -> None:
    phone = create_key(client, "phone", "read", expires_at="2999-01-01")
    assert status_of(client, phone) == 200
    execute(database_url, "UPDATE api_keys SET expires_at = '2026-01-01 00:00:00.000000'")
    runtime_of(client).keys.expire()
    assert status_of(client, phone) == 401
    assert "expired" in assert_problem(client.post("/keys/phone/rotate"), HTTPStatus.CONFLICT)["detail"]


@pytest.mark.parametrize(
    "end", ["revoked_at = 1764000000", "revoked_at = 'true'", "expires_at = '01.01.2020'", "expires_at = '2020-01-01Z'"]
)
def test_key_whose_end_is_not_a_time_is_refused(sqlite_client: TestClient, sqlite_url: str, end: str) -> None:
    phone = create_key(sqlite_client, "phone", "read")
    execute(sqlite_url, f"UPDATE api_keys SET {end}")
    runtime_of(sqlite_client).keys.expire()
    assert status_of(sqlite_client, phone) == 401
    problem = assert_problem(sqlite_client.post("/keys/phone/rotate"), HTTPStatus.CONFLICT)
    assert "revoked or has expired" in problem["detail"]
    # Long ago, so that it does not look like a key in use.
    assert sqlite_client.get("/keys").json()["keys"][0][end.split()[0]] == "1970-01-01T00:00:00Z"
    assert "1970-01-01" in done("keys", "list")
    assert sqlite_client.post("/keys/phone/revoke").status_code == 204
    assert sqlite_client.get("/keys").json()["keys"][0]["revoked_at"] is not None


def test_key_that_expires_at_infinity_never_expires(sqlite_client: TestClient, sqlite_url: str) -> None:
    phone = create_key(sqlite_client, "phone", "read")
    execute(sqlite_url, "UPDATE api_keys SET expires_at = 'infinity'")
    runtime_of(sqlite_client).keys.expire()
    assert status_of(sqlite_client, phone) == 200


def test_secret_before_a_rotation_expires(client: TestClient, database_url: str) -> None:
    first = create_key(client, "phone", "read")
    second = {"X-API-Key": client.post("/keys/phone/rotate").json()["key"]}
    execute(database_url, "UPDATE api_keys SET previous_until = '2026-01-01 00:00:00.000000'")
    runtime_of(client).keys.expire()
    assert [status_of(client, key) for key in (first, second)] == [401, 200]
