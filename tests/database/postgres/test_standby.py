"""READ_DATABASE_URL: reads on a real streaming standby, which is halted, stopped, promoted and left behind."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http import HTTPStatus
from typing import NamedTuple

import pytest
from sqlalchemy import make_url, text
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from app.main import create_app
from tests.support.command_line import done, run
from tests.support.databases import migrate
from tests.support.http_fixtures import Start
from tests.support.postgres_cluster import Cluster, postgres_cluster, standby_of
from tests.support.service import (
    DRAWING,
    KEY,
    assert_problem,
    assert_storage_problem,
    connected,
    execute,
    rows,
    runtime_of,
    start_problem,
)
from tests.support.standby import is_standby, reads_from, ready, stopped
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow

NOT_USED = "READ_DATABASE_URL is not used"
# Whether the standby has received a log up to here, and not applied it.
IS_CUT = "SELECT pg_last_wal_receive_lsn() >= '{0}' AND pg_last_wal_replay_lsn() < '{0}'"
AWAY = "DATABASE_URL does not answer"


class Pair(NamedTuple):
    """A primary server, its standby, and the URLs of one migrated database on both."""

    primary: Cluster
    standby: Cluster
    url: str
    read_url: str


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    with postgres_cluster() as primary:
        url = primary.new_database()
        migrate(url)
        with standby_of(primary) as standby:
            yield Pair(primary, standby, url, standby.url(make_url(url).database or ""))


@pytest.fixture
def client(start: Start, pair: Pair) -> TestClient:
    """The service with both servers."""
    client = start(DATABASE_URL=pair.url, READ_DATABASE_URL=pair.read_url)
    wait_until(lambda: reads_from(client) == "standby", "the standby is read")
    return client


@contextmanager
def behind(standby: Cluster) -> Iterator[None]:
    """Let the standby receive the log and not apply it."""
    standby.ask("SELECT pg_wal_replay_pause()")
    wait_until(lambda: standby.ask("SELECT pg_get_wal_replay_pause_state()") == "paused", "the replay is paused")
    try:
        yield
    finally:
        standby.ask("SELECT pg_wal_replay_resume()")


def is_read_only(session: Session) -> str:
    return str(session.scalar(text("SHOW transaction_read_only")))


def lines(caplog: pytest.LogCaptureFixture, beginning: str) -> list[str]:
    return [message for message in caplog.messages if message.startswith(beginning)]


def test_each_read_sees_every_write_before_it(client: TestClient) -> None:
    for _ in range(20):
        prediction_id = client.post("/classify", json=DRAWING).json()["id"]
        assert client.get(f"/results/{prediction_id}").status_code == 200
        assert client.get("/results?limit=1").json()["results"][0]["id"] == prediction_id
        assert client.put(f"/results/{prediction_id}/label", json={"label": "7"}).status_code == 200
        assert len(client.get(f"/results/{prediction_id}/labels").json()["labels"]) == 1
        assert client.get("/stats?last=1").json()["accuracy_rest"]["labelled"] == 1
    assert client.get("/review").status_code == 200
    assert client.get("/health/ready").json()["checks"]["standby"] == "ok"


def test_log_that_ends_within_a_record_does_not_hold_up_reads(client: TestClient, pair: Pair) -> None:
    insert = text(
        "INSERT INTO predictions (prediction, confidence, model_version, created_at)"
        " SELECT '7', 0.9, 'v1', now() FROM generate_series(1, 100)"
    )
    with connected(pair.url) as other:

        def ends_within_a_record() -> bool:
            # Without a commit PostgreSQL writes whole pages only, and seldom ends one with a record.
            other.execute(insert)
            end = pair.primary.ask("SELECT pg_current_wal_flush_lsn()")
            return bool(pair.primary.ask(f"SELECT ('{end}'::pg_lsn - '0/0') % 8192 = 0")) and bool(
                pair.standby.ask(IS_CUT.format(end))
            )

        wait_until(ends_within_a_record, "the log ends within a record")
        assert reads_from(client) == "standby"
        other.rollback()


def test_write_is_seen_at_once_while_the_standby_is_behind(
    client: TestClient, pair: Pair, caplog: pytest.LogCaptureFixture
) -> None:
    with behind(pair.standby):
        for _ in range(3):
            prediction_id = client.post("/classify", json=DRAWING).json()["id"]
            assert client.get(f"/results/{prediction_id}").status_code == 200
            assert reads_from(client) == "primary"
        status, state, checks = ready(client)
        assert (status, state) == (200, "ready")
        assert "behind the primary server" in checks["standby"]
        assert rows(pair.read_url, f"SELECT id FROM predictions WHERE id = {prediction_id}") == []
    wait_until(lambda: reads_from(client) == "standby", "the standby is read")
    assert len(lines(caplog, NOT_USED)) == 1
    assert caplog.messages[-1] == "READ_DATABASE_URL is used again"


def test_reads_go_to_the_primary_while_the_standby_is_stopped(
    client: TestClient, pair: Pair, caplog: pytest.LogCaptureFixture
) -> None:
    prediction_id = client.post("/classify", json=DRAWING).json()["id"]
    with stopped(pair.standby):
        for _ in range(3):
            assert client.get(f"/results/{prediction_id}").status_code == 200
            assert reads_from(client) == "primary"
        assert client.post("/classify", json=DRAWING).status_code == 200
        status, state, checks = ready(client)
        assert (status, state) == (200, "ready")
        assert "correct the host and the port in READ_DATABASE_URL" in checks["standby"]
    wait_until(lambda: reads_from(client) == "standby", "the standby is read")
    assert len(lines(caplog, NOT_USED)) == 1


def test_read_that_the_standby_breaks_off_is_answered_by_the_primary(client: TestClient, pair: Pair) -> None:
    def work(session: Session) -> bool:
        session.execute(text("SELECT pg_sleep(60) WHERE pg_is_in_recovery()"))
        return is_standby(session)

    end = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%'"
    with ThreadPoolExecutor(1) as caller:
        answer = caller.submit(client.portal.call, runtime_of(client).database.scan, work)
        wait_until(lambda: pair.standby.ask(end) == 1, "the read was ended")
        assert answer.result() is False


def test_check_of_the_command_line_reports_the_standby(client: TestClient, pair: Pair) -> None:
    assert json.loads(done("check", "--json"))["checks"]["standby"] == "ok"
    with behind(pair.standby):
        client.post("/classify", json=DRAWING)
        checked = run("check")
    assert "behind the primary server" in checked.out
    assert checked.status == 1


def test_reads_go_to_the_primary_while_the_standby_hangs(client: TestClient, pair: Pair) -> None:
    with pair.standby.hanging():
        assert client.get("/results").status_code == 200
        assert reads_from(client) == "primary"
    wait_until(lambda: reads_from(client) == "standby", "the standby is read")


def test_service_only_reads_while_the_primary_is_stopped(
    client: TestClient, pair: Pair, caplog: pytest.LogCaptureFixture
) -> None:
    prediction_id = client.post("/classify", json=DRAWING).json()["id"]
    assert client.get(f"/results/{prediction_id}").status_code == 200
    with stopped(pair.primary):
        for path in (f"/results/{prediction_id}", "/results", "/stats", "/models", "/export?format=csv"):
            assert client.get(path).status_code == 200, path
        assert_storage_problem(client.post("/classify", json=DRAWING))
        assert_storage_problem(client.get("/review"))
        status, state, checks = ready(client)
        assert (status, state) == (200, "reads only")
        assert [name for name, check in checks.items() if check != "ok"] == ["write"]
        assert client.get("/v2/health/ready").status_code == HTTPStatus.SERVICE_UNAVAILABLE
        with stopped(pair.standby):
            assert_storage_problem(client.get("/results"))
            wait_until(
                lambda: client.get("/health/ready").status_code == HTTPStatus.SERVICE_UNAVAILABLE,
                "the service is not ready",
            )
            problem = assert_problem(client.get("/health/ready"), HTTPStatus.SERVICE_UNAVAILABLE, "checks")
            assert [name for name, check in problem["checks"].items() if check == "ok"] == ["model"]
        wait_until(lambda: client.get("/results").status_code == 200, "results are read")
    wait_until(lambda: client.post("/classify", json=DRAWING).status_code == 200, "a drawing is stored")
    # The standby follows again a moment later.
    prediction_id = client.post("/classify", json=DRAWING).json()["id"]
    assert client.get(f"/results/{prediction_id}").status_code == 200
    wait_until(lambda: ready(client)[:2] == (200, "ready"), "the service is ready")
    wait_until(lambda: caplog.messages[-1] == "DATABASE_URL answers again", "the log says that the primary answers")
    assert len(lines(caplog, AWAY)) == 1


def test_service_only_reads_while_the_primary_hangs(client: TestClient, pair: Pair) -> None:
    with pair.primary.hanging():
        assert client.get("/results").status_code == 200
        assert reads_from(client) == "standby"
    wait_until(lambda: client.post("/classify", json=DRAWING).status_code == 200, "a drawing is stored")


@pytest.mark.parametrize("other", ["the primary itself", "another database of the standby"])
def test_server_that_is_no_standby_of_the_database_is_not_used(start: Start, pair: Pair, other: str) -> None:
    read_url = pair.url if other == "the primary itself" else pair.standby.admin_url
    client = start(DATABASE_URL=pair.url, READ_DATABASE_URL=read_url)
    assert reads_from(client) == "primary"
    assert client.get("/results").status_code == 200
    assert "it is no" in ready(client)[2]["standby"]


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        (
            {"DATABASE_URL": "{sqlite}", "READ_DATABASE_URL": "postgresql://localhost/x"},
            "only PostgreSQL has standby servers",
        ),
        (
            {"DATABASE_URL": "postgresql://localhost/x", "READ_DATABASE_URL": "{sqlite}"},
            "only PostgreSQL has standby servers",
        ),
        ({"DATABASE_URL": "postgresql://localhost/x", "READ_DATABASE_URL": "postgresql://localhost"}, "lacks the name"),
    ],
)
def test_service_does_not_start_with_a_standby_that_cannot_work(
    settings_environment: pytest.MonkeyPatch, sqlite_url: str, settings: dict[str, str], reason: str
) -> None:
    for name, value in {"SECRET_API_KEY": KEY, **settings}.items():
        settings_environment.setenv(name, value.format(sqlite=sqlite_url))
    problem = start_problem(create_app())
    assert problem is not None
    assert problem.startswith("pixelwise: READ_DATABASE_URL")
    assert reason in problem


def test_promoted_standby_is_never_written_to(client: TestClient, pair: Pair, start: Start) -> None:
    """The last test, because the pair is none afterwards."""
    pair.standby.promote()
    execute(
        pair.read_url,
        "INSERT INTO predictions (id, prediction, confidence, model_version, created_at)"
        " VALUES (1000000, '7', 0.9, 'v1', now())",
    )
    wait_until(lambda: reads_from(client) == "primary", "the primary is read")
    assert client.get("/results/1000000").status_code == HTTPStatus.NOT_FOUND
    prediction_id = client.post("/classify", json=DRAWING).json()["id"]
    assert rows(pair.read_url, f"SELECT id FROM predictions WHERE id = {prediction_id}") == []
    with stopped(pair.primary):
        # It has the latest rows there are.
        wait_until(lambda: client.get("/results/1000000").status_code == 200, "the standby is read")
        assert_storage_problem(client.post("/classify", json=DRAWING))
        database = runtime_of(client).database
        assert [client.portal.call(how, is_read_only) for how in (database.read, database.scan)] == ["on", "on"]
        assert ready(client)[:2] == (200, "reads only")
    changed = start(DATABASE_URL=pair.read_url, READ_DATABASE_URL="")
    assert changed.post("/classify", json=DRAWING).json()["id"] > 0
    assert ready(changed)[:2] == (200, "ready")
