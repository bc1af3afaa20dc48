"""A 200 means that the row is on disk, even if the service is killed or stopped under load."""

import socket
from contextlib import ExitStack
from pathlib import Path
from random import Random

import psycopg
import pytest
from sqlalchemy import text

from tests.support.kill_rounds import assert_sound, kill_under_load
from tests.support.project_copy import need, run
from tests.support.service import KEY, assert_not_stored_or_unknown, connected
from tests.support.service_process import Client, Load, Service, drawing, missing, serving, stored_answers
from tests.support.waiting import wait_until


# benchmarks/faults/kills.py kills more often.
@pytest.mark.parametrize(("clients", "rounds"), [(4, 1), (16, 2)])
def test_acknowledged_rows_survive_kills_on_sqlite(sqlite_url: str, tmp_path: Path, clients: int, rounds: int) -> None:
    kill_under_load(sqlite_url, tmp_path, rounds=rounds, clients=clients)


def test_acknowledged_rows_survive_kills_on_postgresql(postgres_url: str, tmp_path: Path) -> None:
    kill_under_load(postgres_url, tmp_path, rounds=1, clients=16)


def test_acknowledged_rows_survive_lost_connections_to_postgresql(postgres_url: str, tmp_path: Path) -> None:
    terminate = (
        "SELECT count(*) FILTER (WHERE pg_terminate_backend(pid)) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    with (
        psycopg.connect(postgres_url, autocommit=True) as operator,
        serving(postgres_url, tmp_path) as service,
        Load(service.port, 16) as load,
    ):
        for _ in range(5):
            load.wait_for(40)
            terminated = operator.execute(terminate).fetchone()
            assert terminated is not None
            assert terminated[0] > 0
        load.wait_for(60)
    assert load.broken == []
    for reply in load.refused:
        assert_not_stored_or_unknown(reply)
    assert missing(load.acknowledged, postgres_url) == []
    assert_sound(postgres_url)


def test_stop_under_load_answers_every_stored_request(database_url: str, tmp_path: Path) -> None:
    with serving(database_url, tmp_path) as service, Load(service.port, 16) as load:
        load.wait_for(100)
        service.stop()
        load.wait_for_breaks()
    assert load.refused == []
    assert stored_answers(database_url) == load.acknowledged


def send_one_each(service: Service, clients: list[Client]) -> list[bytes]:
    """Send a drawing on each connection, and return the drawings once the service has read them."""
    random = Random(0)
    drawings = [drawing(random) for _ in clients]
    for client, pixels in zip(clients, drawings, strict=True):
        client.send(pixels)
    # The service reads connections in order, so a later request is answered after the others were read.
    for _ in range(2):
        with service.client() as later:
            assert later.get("/health/live").status_code == 200
    return drawings


def test_stop_waits_for_running_requests_up_to_a_limit_and_leaves_one_file(sqlite_url: str, tmp_path: Path) -> None:
    head = f"POST /classify HTTP/1.1\r\nHost: pixelwise\r\nX-API-Key: {KEY}\r\nContent-Length: 2000\r\n\r\n"
    with (
        serving(sqlite_url, tmp_path, graceful_s=4) as service,
        socket.create_connection(("127.0.0.1", service.port)) as stalled,
        ExitStack() as connections,
    ):
        stalled.sendall(head.encode() + b'{"pixels": [[')
        clients = [connections.enter_context(service.client()) for _ in range(20)]
        with connected(sqlite_url) as other:
            other.execute(text("BEGIN IMMEDIATE"))
            drawings = send_one_each(service, clients)
            service.process.terminate()
            wait_until(lambda: "Waiting for connections" in service.log.read_text(), "the service waits for answers")
        replies = [client.receive() for client in clients]
        service.wait_for_end()

    assert [reply.status_code for reply in replies] == [200] * len(replies)
    stored_pixels = {key: answer.pixels for key, answer in stored_answers(sqlite_url).items()}
    assert stored_pixels == {reply.json()["id"]: pixels for reply, pixels in zip(replies, drawings, strict=True)}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pixelwise.db", service.log.name]


def test_rows_inserted_by_another_process_are_listed(sqlite_url: str, tmp_path: Path) -> None:
    need("sqlite3", "sqlite3")
    insert = "INSERT INTO predictions (prediction, confidence, model_version) VALUES ('7', 0.94, 'by hand');"
    with serving(sqlite_url, tmp_path) as service:
        with Load(service.port, 4) as load:
            for _ in range(5):
                load.wait_for(20)
                # The service writes all the time, so the insert has to wait for the lock.
                run(tmp_path, "sqlite3", "-cmd", ".timeout 10000", "pixelwise.db", insert).check_returncode()
        run(tmp_path, "sqlite3", "pixelwise.db", insert).check_returncode()
        with service.client() as client:
            listed = client.get("/results?limit=1000").json()["results"]
    by_hand = {row["id"] for row in listed if row["model_version"] == "by hand"}
    assert len(by_hand) == 6
    assert max(by_hand) == listed[0]["id"]
    assert by_hand.isdisjoint(load.acknowledged)
    assert (load.refused, load.broken) == ([], [])
    assert missing(load.acknowledged, sqlite_url) == []
