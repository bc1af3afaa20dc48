"""Many clients at once, readers among them, and clients that hang up before they are answered."""

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from random import Random

import psutil
import pytest
from process import Client, Load, Reply, Service, classify_body, drawing, serving, stored_answers, wait_until
from service import KEY

WRITERS = 200
READERS = 10
PAGES = 10
HANG_UPS = 300
MIB = 1024 * 1024


@pytest.fixture
def service(database_url: str, tmp_path: Path) -> Iterator[Service]:
    """A running service, once on each engine."""
    with serving(database_url, tmp_path) as running:
        yield running


def read_pages(port: int) -> list[Reply]:
    with Client(port) as client:
        return [client.get("/results?limit=100") for _ in range(PAGES)]


def test_two_hundred_clients_are_all_answered_while_others_read(service: Service, database_url: str) -> None:
    with Load(service.port, WRITERS) as load, ThreadPoolExecutor(READERS) as readers:
        load.wait_for(WRITERS)
        pages = [page for pages in readers.map(read_pages, [service.port] * READERS) for page in pages]
        load.wait_for(5 * WRITERS)

    assert (load.refused, load.broken) == ([], [])
    assert stored_answers(database_url) == load.acknowledged
    assert len(pages) == READERS * PAGES
    for page in pages:
        assert page.status_code == 200
        ids = [row["id"] for row in page.json()["results"]]
        assert len(ids) == 100
        assert ids == sorted(set(ids), reverse=True)


def hang_up(port: int, request: bytes) -> None:
    """Send this much of a request on each of many connections, then close them all without waiting for an answer."""
    with ExitStack() as connections:
        for _ in range(HANG_UPS):
            connection = connections.enter_context(socket.create_connection(("127.0.0.1", port)))
            connection.sendall(request)


@pytest.mark.parametrize("part", ["all of it", "half of it"])
def test_clients_that_send_a_request_and_hang_up_leave_nothing_behind(
    service: Service, database_url: str, part: str
) -> None:
    body = classify_body(drawing(Random(0)))
    head = f"POST /classify HTTP/1.1\r\nHost: pixelwise\r\nX-API-Key: {KEY}\r\nContent-Length: {len(body)}\r\n\r\n"
    request = head.encode() + (body if part == "all of it" else body[: len(body) // 2])
    process = psutil.Process(service.process.pid)

    def connections() -> list[object]:
        return [each for each in process.net_connections("tcp") if each.laddr.port == service.port and each.raddr]

    def memory_after_hanging_up() -> int:
        hang_up(service.port, request)
        with service.client() as client:
            reply = client.classify(drawing(Random(1)))
        assert reply.status_code == 200
        assert reply.json()["id"] in stored_answers(database_url)
        wait_until(lambda: not connections(), "no connection is left open")
        return process.memory_info().rss

    first, *later = [memory_after_hanging_up() for _ in range(4)]
    assert max(later) - first < 32 * MIB
    assert "Traceback" not in service.log.read_text()
