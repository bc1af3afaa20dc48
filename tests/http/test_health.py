"""GET /health…: whether the service responds and can store predictions."""

from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from pathlib import Path

from sqlalchemy import text
from starlette.testclient import TestClient

from app.classifier import get_classifier
from app.database.schema_version import schema_revision
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
