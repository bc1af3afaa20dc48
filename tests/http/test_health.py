"""GET /health…: whether the service responds and can store predictions."""

from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import make_url, text
from starlette.testclient import TestClient

from app.classifier import get_classifier
from app.database.errors import DatabaseBusy, DatabaseError, DatabaseFull, DatabaseUnavailable, OutcomeUnknown
from app.database.schema_version import schema_revision
from app.schemas.keys import Scope
from app.services.health import public_text
from tests.support.connections import close_connections
from tests.support.databases import migrate
from tests.support.http_fixtures import Start
from tests.support.keys import create_key
from tests.support.service import DRAWING, assert_problem, connected, execute, hidden, stored
from tests.support.waiting import wait_until

CHECKS = ("model", "schema", "write")


def assert_not_ready(client: TestClient, failed: str) -> str:
    """Check that exactly this check failed; return its text."""
    response = client.get("/health/ready")
    problem = assert_problem(response, HTTPStatus.SERVICE_UNAVAILABLE, "checks")
    assert int(response.headers["retry-after"]) > 0
    assert list(problem["checks"]) == list(CHECKS)
    assert [name for name, state in problem["checks"].items() if state != "ok"] == [failed]
    assert problem["detail"] == f"{failed}: {problem['checks'][failed]}"
    return str(problem["checks"][failed])


def test_health_returns_ok_and_the_model_version_without_a_key(client: TestClient) -> None:
    del client.headers["X-API-Key"]
    response = client.get("/health")
    assert (response.status_code, response.json()) == (200, {"status": "ok", "model_version": get_classifier().version})


def test_live_returns_ok_without_a_key(client: TestClient) -> None:
    del client.headers["X-API-Key"]
    response = client.get("/health/live")
    assert (response.status_code, response.json()) == (200, {"status": "ok"})


def test_ready_names_every_check_without_a_key(client: TestClient) -> None:
    del client.headers["X-API-Key"]
    response = client.get("/health/ready")
    assert response.status_code == 200
    assert response.json() == {"status": "ready", "checks": dict.fromkeys(CHECKS, "ok")}


def test_ready_stores_no_row(client: TestClient, database_url: str) -> None:
    assert client.get("/health/ready").status_code == 200
    assert stored(database_url) == (0, 0)


def test_ready_names_an_outdated_schema(client: TestClient, database_url: str) -> None:
    execute(database_url, "UPDATE alembic_version SET version_num = '0002'")
    try:
        assert "alembic upgrade head" in assert_not_ready(client, "schema")
    finally:
        execute(database_url, f"UPDATE alembic_version SET version_num = '{schema_revision()}'")
    wait_until(lambda: client.get("/health/ready").status_code == 200, "the service is ready")


def test_ready_fails_while_the_database_file_is_moved_away(sqlite_client: TestClient, tmp_path: Path) -> None:
    assert sqlite_client.get("/health/ready").status_code == 200
    (tmp_path / "pixelwise.db").rename(tmp_path / "moved.db")
    wait_until(lambda: sqlite_client.get("/health/ready").status_code == 503, "the service is not ready")
    assert "moved, deleted or replaced" in assert_not_ready(sqlite_client, "write")
    (tmp_path / "moved.db").rename(tmp_path / "pixelwise.db")
    wait_until(lambda: sqlite_client.get("/health/ready").status_code == 200, "the service is ready")


READY = ("/health/ready", "/v2/health/ready", "/v2/models/digits/ready")


def not_ready_without_a_key(client: TestClient) -> list[str]:
    """Return what each of READY answers without a key, and with a wrong one."""
    responses = [client.get(path, headers={"X-API-Key": key}) for path in READY for key in ("", "wrong")]
    assert {response.status_code for response in responses} == {HTTPStatus.SERVICE_UNAVAILABLE}
    return [response.text for response in responses]


def test_path_of_the_database_is_told_to_the_key_and_the_log_only(
    sqlite_client: TestClient, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "pixelwise.db").rename(tmp_path / "moved.db")
    wait_until(lambda: sqlite_client.get("/health/ready").status_code == 503, "the service is not ready")
    for answer in not_ready_without_a_key(sqlite_client):
        assert str(tmp_path) not in answer
        assert "write: the database cannot be used" in answer
    for path in READY:
        assert str(tmp_path) in sqlite_client.get(path).text
    assert caplog.text.count(f"DatabaseUnavailable: {tmp_path}") == 1
    (tmp_path / "moved.db").rename(tmp_path / "pixelwise.db")


def test_server_of_the_database_is_told_to_the_key_only(
    start: Start, postgres_admin_url: str, empty_postgres_url: str
) -> None:
    migrate(empty_postgres_url)
    client = start(DATABASE_URL=empty_postgres_url)
    url = make_url(empty_postgres_url)
    assert url.database
    close_connections()
    with psycopg.connect(postgres_admin_url, autocommit=True) as admin:
        name = sql.Identifier(url.database)
        admin.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(name))
        try:
            admin.execute(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s", [url.database]
            )
            wait_until(lambda: url.database in client.get("/health/ready").text, "the service is not ready")
            answers = not_ready_without_a_key(client)
        finally:
            admin.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS true").format(name))
    for answer in answers:
        assert "write: the database cannot be used" in answer
        assert not [part for part in (url.database, url.host, "5432", f'"{url.username}"') if str(part) in answer]


def test_only_keys_that_may_read_or_administer_get_the_cause(sqlite_client: TestClient, sqlite_url: str) -> None:
    keys = {scope: create_key(sqlite_client, scope, scope) for scope in Scope}
    execute(sqlite_url, "DROP TABLE reviews")
    wait_until(lambda: sqlite_client.get("/health/ready").status_code == 503, "the service is not ready")
    told = {
        scope
        for scope, key in keys.items()
        if "the table reviews is missing" in sqlite_client.get("/health/ready", headers=key).text
    }
    assert told == {Scope.READ, Scope.ADMIN}
    answer = sqlite_client.get("/health/ready", headers={"X-API-Key": ""}).json()
    assert answer["checks"]["schema"] == "the tables are not those of this release"


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (DatabaseBusy("cause"), "the database is busy"),
        (DatabaseFull("cause"), "the disk is full"),
        (DatabaseUnavailable("cause"), "the database cannot be used"),
        (OutcomeUnknown("cause"), "the database cannot be used"),
    ],
)
def test_each_kind_of_error_has_words_for_everybody(error: DatabaseError, words: str) -> None:
    assert public_text(error) == words


def test_ready_responds_in_time_while_a_write_hangs(sqlite_client: TestClient, sqlite_url: str) -> None:
    with connected(sqlite_url) as other:
        other.execute(text("BEGIN IMMEDIATE"))
        with ThreadPoolExecutor(10) as callers:
            answers = list(callers.map(lambda _: sqlite_client.get("/health/ready").status_code, range(10)))
        assert set(answers) == {503}
        assert "no answer" in assert_not_ready(sqlite_client, "write")
        assert sqlite_client.get("/health").json()["status"] == "ok"


def test_health_stays_ok_while_the_database_cannot_be_used(client: TestClient, database_url: str) -> None:
    with hidden(database_url, "predictions"):
        assert client.post("/classify", json=DRAWING).status_code == 503
        assert client.get("/health").json()["status"] == "ok"
        assert client.get("/health/live").json() == {"status": "ok"}
