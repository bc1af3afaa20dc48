"""PostgreSQL: the settings of each transaction, and failures of the server and its connections."""

import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from http import HTTPStatus
from pathlib import Path
from typing import Self

import pytest
from sqlalchemy import make_url

from app.database.errors import DatabaseUnavailable
from app.database.postgres.engine import refuse_lossy_commits
from app.main import create_app
from tests.support.databases import migrate
from tests.support.http_fixtures import Start
from tests.support.postgres_cluster import Cluster, folder_of_postgres, postgres_cluster
from tests.support.service import (
    DRAWING,
    REPEAT,
    assert_not_stored_or_unknown,
    assert_outcome_unknown,
    assert_storage_problem,
    connected,
    execute,
    rows,
    start_problem,
    stored,
)
from tests.support.service_process import Load, missing, serving
from tests.support.small_disk import fill_disk, mounted_disk
from tests.support.waiting import wait_until

ONCE = {"Idempotency-Key": "the-same-one"}


class LossyNetwork:
    """A network between service and server, which can lose the server's answer to a COMMIT."""

    def __init__(self, server_port: int) -> None:
        self._server_port = server_port
        self._losing = threading.Event()
        self._ends: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._accepting = threading.Thread(target=self._accept)

    def __enter__(self) -> Self:
        self._accepting.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._accepting.join()
        for end in (self._listener, *self._ends):
            end.close()

    @property
    def port(self) -> int:
        """Where the service finds the server."""
        return int(self._listener.getsockname()[1])

    def lose_the_next_answer_to_a_commit(self) -> None:
        """Let the next COMMIT through, and cut its connection when the answer comes."""
        self._losing.set()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                self._connect(self._listener.accept()[0])

    def _connect(self, near: socket.socket) -> None:
        far = socket.create_connection(("127.0.0.1", self._server_port))
        self._ends += near, far
        lost = threading.Event()

        def passes_to_the_server(data: bytes) -> bool:
            if self._losing.is_set() and b"COMMIT\0" in data:
                self._losing.clear()
                lost.set()
            return True

        def passes_to_the_service(_data: bytes) -> bool:
            return not lost.is_set()

        for way in ((near, far, passes_to_the_server), (far, near, passes_to_the_service)):
            threading.Thread(target=forward, args=way, daemon=True).start()


def forward(source: socket.socket, target: socket.socket, passes: Callable[[bytes], bool]) -> None:
    """Hand on what comes until the connection ends, or until something must not pass, which ends it."""
    with suppress(OSError):
        while (data := source.recv(65536)) and passes(data):
            target.sendall(data)
    for end in (source, target):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


def test_server_that_does_not_sync_is_refused_at_start_and_reported_later(
    start: Start, cluster: Cluster, private_url: str
) -> None:
    client = start(DATABASE_URL=private_url)
    assert client.get("/health/ready").status_code == 200
    cluster.set("fsync", "off")
    try:
        wait_until(lambda: client.get("/health/ready").status_code == 503, "the service is not ready")
        write = client.get("/health/ready").json()["checks"]["write"]
        assert "fsync = off" in write
        problem = start_problem(create_app())
        assert problem is not None
        assert "fsync = off" in problem
    finally:
        cluster.set("fsync", "on")
    wait_until(lambda: client.get("/health/ready").status_code == 200, "the service is ready")


def test_asynchronous_default_of_the_server_is_overridden(start: Start, private_url: str) -> None:
    execute(private_url, f"ALTER DATABASE {make_url(private_url).database} SET synchronous_commit = off")
    with connected(private_url) as connection, pytest.raises(DatabaseUnavailable, match="synchronous_commit = off"):
        refuse_lossy_commits(connection)
    assert start(DATABASE_URL=private_url).get("/health/ready").status_code == 200


def test_immediate_stops_of_the_server_lose_no_acknowledged_row(
    cluster: Cluster, private_url: str, tmp_path: Path
) -> None:
    with serving(private_url, tmp_path) as service, Load(service.port, 16) as load:
        for _ in range(3):
            load.wait_for(50)
            cluster.stop("immediate")
            before = len(load.refused)
            wait_until(lambda before=before: len(load.refused) > before + 20, "the service refuses")
            cluster.start()
        load.wait_for(50)
        with service.client() as client:
            assert client.get("/health/ready").status_code == 200
    assert load.broken == []
    for reply in load.refused:
        assert_not_stored_or_unknown(reply)
    assert missing(load.acknowledged, private_url) == []
    assert "Traceback" not in service.log.read_text()


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A disk of 32 MiB in memory, of which an empty database takes a quarter."""
    with folder_of_postgres() as folder, mounted_disk(folder, 32, owner="postgres") as disk:
        yield disk


@pytest.mark.slow
def test_full_disk_is_reported_until_there_is_room(small_disk: Path, tmp_path: Path) -> None:
    # Its own cluster, because a cluster cannot start without its disk.
    with postgres_cluster() as cluster, ExitStack() as running:
        url = cluster.new_database(disk=small_disk)
        migrate(url)
        service = running.enter_context(serving(url, tmp_path))
        with Load(service.port, 8) as load:
            load.wait_for(50)
            filler = fill_disk(small_disk)
            wait_until(lambda: len(load.refused) > 50, "the service refuses")
            filler.unlink()
            load.wait_for(50)
        with service.client() as client:
            assert client.get("/health/ready").status_code == 200
        assert missing(load.acknowledged, url) == []
    assert load.broken == []
    for reply in load.refused:
        assert_storage_problem(reply, HTTPStatus.INSUFFICIENT_STORAGE)


def test_connection_that_ends_during_commit_reports_unknown_outcome(start: Start, private_url: str) -> None:
    client = start(DATABASE_URL=private_url)
    execute(
        private_url,
        "CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(60); RETURN NULL; END'",
        "CREATE CONSTRAINT TRIGGER dawdle AFTER INSERT ON predictions DEFERRABLE INITIALLY DEFERRED"
        " FOR EACH ROW EXECUTE FUNCTION dawdle()",
    )
    with ThreadPoolExecutor(1) as caller:
        waiting = caller.submit(client.post, "/classify", json=DRAWING, headers=ONCE)
        end_commits = (
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND query = 'COMMIT' AND state = 'active'"
        )
        wait_until(lambda: bool(rows(private_url, end_commits)), "a commit was ended")
        assert_outcome_unknown(waiting.result(), REPEAT)
    execute(private_url, "DROP TRIGGER dawdle ON predictions")
    # This time the row was not stored; the repeated request stores it.
    assert stored(private_url) == (0, 0)
    assert client.post("/classify", json=DRAWING, headers=ONCE).status_code == 200
    assert stored(private_url) == (1, 1)


def test_repeated_request_finds_a_commit_whose_answer_was_lost(start: Start, private_url: str) -> None:
    with LossyNetwork(make_url(private_url).port or 0) as network:
        client = start(DATABASE_URL=make_url(private_url).set(port=network.port).render_as_string(hide_password=False))
        assert client.post("/classify", json=DRAWING).status_code == 200
        network.lose_the_next_answer_to_a_commit()
        assert_outcome_unknown(client.post("/classify", json=DRAWING, headers=ONCE), REPEAT)
        # The row is stored; the repeated request does not store it again.
        assert stored(private_url) == (2, 2)
        again = client.post("/classify", json=DRAWING, headers=ONCE)
    assert again.status_code == 200
    assert rows(private_url, "SELECT max(id) AS id FROM predictions") == [{"id": again.json()["id"]}]
    assert stored(private_url) == (2, 2)
