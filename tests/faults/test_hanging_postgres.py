"""A PostgreSQL server that hangs: every client gets an error in time, and the service recovers."""

from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from pathlib import Path

import pytest

from app.services.health import TIMEOUT_S
from tests.support.http_fixtures import Start
from tests.support.postgres_cluster import Cluster
from tests.support.retrying_clients import RetryingLoad, outcome
from tests.support.service import (
    DRAWING,
    KEY,
    REPEAT,
    assert_not_stored_or_unknown,
    assert_outcome_unknown,
    assert_storage_problem,
    execute,
    rows,
    stored,
)
from tests.support.service_process import Load, Service, missing, serving, stored_answers
from tests.support.waiting import wait_until

CLIENTS = 16
ONCE = {"Idempotency-Key": "the-same-one"}


def check_readers(service: Service) -> None:
    """Check that reads get an error too, and that the service reports that it is not ready."""
    with service.client() as client:
        assert client.get("/health").status_code == 200
        not_ready = client.get("/health/ready")
        assert not_ready.status_code == HTTPStatus.SERVICE_UNAVAILABLE
        # Each check has half of the time.
        assert f"no answer within {TIMEOUT_S:g} s" in not_ready.json()["checks"]["write"]
        client.connection.request("GET", "/results", headers={"X-API-Key": KEY})
        assert_storage_problem(client.receive())


def test_hanging_server_is_reported_in_time_and_truthfully(cluster: Cluster, private_url: str, tmp_path: Path) -> None:
    with serving(private_url, tmp_path) as service, Load(service.port, CLIENTS) as load:
        load.wait_for(50)
        with cluster.hanging():
            check_readers(service)
            wait_until(lambda: len(load.refused) >= CLIENTS, "the service refuses")
        load.wait_for(50)
        with service.client() as client:
            assert client.get("/health/ready").status_code == 200
    assert load.broken == []
    for reply in load.refused:
        assert_not_stored_or_unknown(reply)
    assert missing(load.acknowledged, private_url) == []
    assert load.not_stored
    assert load.not_stored.isdisjoint(answer.pixels for answer in stored_answers(private_url).values())
    assert "Traceback" not in service.log.read_text()


def test_request_repeated_with_its_key_after_a_hang_is_stored_once(
    cluster: Cluster, private_url: str, tmp_path: Path
) -> None:
    with serving(private_url, tmp_path) as service, RetryingLoad(service.port, CLIENTS) as load:
        load.wait_for(50)
        with cluster.hanging():
            # Some had hung up and find their first request still running.
            wait_until(lambda: load.events["status 503"] >= CLIENTS // 4, "the service refuses")
        load.wait_for(50)
    found = outcome(load, private_url)
    assert (found.lost, found.twice, found.wrong) == ([], [], [])
    assert found.rows == found.answers


def test_hanging_commit_reports_unknown_outcome(start: Start, cluster: Cluster, private_url: str) -> None:
    client = start(DATABASE_URL=private_url)
    execute(
        private_url,
        "CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(12); RETURN NULL; END'",
        "CREATE CONSTRAINT TRIGGER dawdle AFTER INSERT ON predictions DEFERRABLE INITIALLY DEFERRED"
        " FOR EACH ROW EXECUTE FUNCTION dawdle()",
    )
    committing = (
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND query = 'COMMIT' AND state = 'active'"
    )
    with ThreadPoolExecutor(1) as caller:
        waiting = caller.submit(client.post, "/classify", json=DRAWING, headers=ONCE)
        wait_until(lambda: bool(rows(private_url, committing)), "a commit has begun")
        with cluster.hanging():
            assert_outcome_unknown(waiting.result(), REPEAT)
    # Stopping waits for the commit.
    execute(private_url, "DROP TRIGGER dawdle ON predictions")
    assert stored(private_url) == (1, 1)
    again = client.post("/classify", json=DRAWING, headers=ONCE)
    assert again.status_code == 200
    assert rows(private_url, "SELECT id FROM predictions") == [{"id": again.json()["id"]}]


@pytest.mark.parametrize("workers", [1, 2])
def test_service_stops_while_the_server_hangs(cluster: Cluster, private_url: str, tmp_path: Path, workers: int) -> None:
    with serving(private_url, tmp_path, workers=workers) as service, Load(service.port, CLIENTS) as load:
        load.wait_for(50)
        with cluster.hanging():
            with service.client() as client:
                assert client.get("/health/ready").status_code == HTTPStatus.SERVICE_UNAVAILABLE
            service.stop()
            load.wait_for_breaks()
    assert missing(load.acknowledged, private_url) == []
    assert "Traceback" not in service.log.read_text()
