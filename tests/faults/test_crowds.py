"""Many clients at once, clients that hang up early, and slow clients."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random

import psutil
import pytest

from tests.support.nginx import calling, https_in_front
from tests.support.service import DRAWING
from tests.support.service_process import Client, Load, Reply, Service, drawing, serving, stored_answers
from tests.support.slow_clients import BODY, HEAD, Slow, hang_up
from tests.support.waiting import wait_until

WRITERS = 200
READERS = 10
PAGES = 4
HANG_UPS = 300
SLOW = 300
MIB = 1024 * 1024


@pytest.fixture
def service(database_url: str, tmp_path: Path) -> Iterator[Service]:
    """A running service, once on each engine."""
    with serving(database_url, tmp_path) as running:
        yield running


def read_pages(port: int) -> list[Reply]:
    with Client(port) as client:
        return [client.get("/results?limit=100") for _ in range(PAGES)]


def test_two_hundred_clients_are_answered_while_others_read(service: Service, database_url: str) -> None:
    with Load(service.port, WRITERS) as load, ThreadPoolExecutor(READERS) as readers:
        load.wait_for(WRITERS)
        pages = [page for pages in readers.map(read_pages, [service.port] * READERS) for page in pages]
        load.wait_for(WRITERS)

    assert (load.refused, load.broken) == ([], [])
    assert stored_answers(database_url) == load.acknowledged
    assert len(pages) == READERS * PAGES
    for page in pages:
        assert page.status_code == 200
        ids = [row["id"] for row in page.json()["results"]]
        assert len(ids) == 100
        assert ids == sorted(set(ids), reverse=True)


@pytest.mark.parametrize("part", ["all of it", "half of it"])
def test_clients_that_hang_up_leave_no_connections_or_memory(service: Service, database_url: str, part: str) -> None:
    request = HEAD + (BODY if part == "all of it" else BODY[: len(BODY) // 2])
    process = psutil.Process(service.process.pid)

    def connections() -> list[object]:
        return [each for each in process.net_connections("tcp") if each.laddr.port == service.port and each.raddr]

    def memory_after_hanging_up() -> int:
        hang_up(service.port, request, HANG_UPS)
        with service.client() as client:
            reply = client.classify(drawing(Random(1)))
        assert reply.status_code == 200
        assert reply.json()["id"] in stored_answers(database_url)
        wait_until(lambda: not connections(), "no connection is left open")
        return process.memory_info().rss

    first, *later = [memory_after_hanging_up() for _ in range(3)]
    assert max(later) - first < 32 * MIB
    assert "Traceback" not in service.log.read_text()


def test_slow_clients_do_not_delay_others_or_use_memory(service: Service) -> None:
    process = psutil.Process(service.process.pid)
    with service.client() as client:
        assert client.classify(drawing(Random(0))).status_code == 200
    before = process.memory_info().rss

    with Slow(service.port, SLOW):
        with Load(service.port, 16) as load:
            load.wait_for(200)
        assert process.memory_info().rss - before < 32 * MIB

    assert (load.refused, load.broken) == ([], [])
    assert "Traceback" not in service.log.read_text()


def test_nginx_cuts_off_slow_clients_without_delaying_others(sqlite_url: str, tmp_path: Path) -> None:
    limits = {"client_header_timeout": "2s", "client_body_timeout": "2s"}
    with (
        serving(sqlite_url, tmp_path) as service,
        https_in_front(tmp_path, service.port, **limits) as front,
        Slow(front.https_port, SLOW, "/api/classify", front.tls) as slow,
        calling(front, "127.0.0.2") as other,
    ):
        assert {other.post("/api/classify", json=DRAWING).status_code for _ in range(40)} == {200}
        # Clients with an unfinished header, and those with an unfinished body beyond the connection limit.
        wait_until(lambda: slow.cut_off >= SLOW // 2, "slow clients are cut off")
        assert other.post("/api/classify", json=DRAWING).status_code == 200
