"""What a client may send of a request, and how slowly; early responses."""

import json
import shutil
import socket
import time
from collections.abc import Iterator
from http import HTTPStatus
from http.client import HTTPConnection
from pathlib import Path
from threading import Event

import psutil
import pytest
from starlette.types import Receive, Scope, Send

from tests.support.raw_http import GET, assert_refused, connected, exchange, statuses
from tests.support.service import KEY, served
from tests.support.service_process import Service, serving
from tests.support.short_deadlines import ShortDeadlines
from tests.support.slow_clients import BODY, HEAD
from tests.support.waiting import PATIENCE_S, wait_until

CHUNKED = HEAD.replace(b"Content-Length: %d" % len(BODY), b"Transfer-Encoding: chunked")
CHUNK = b"%x\r\n%s\r\n" % (len(BODY), BODY)
LARGE = b"a" * 70_000


@pytest.fixture(scope="module")
def service(migrated_sqlite_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service with short deadlines."""
    folder = tmp_path_factory.mktemp("service")
    shutil.copy(migrated_sqlite_file, folder / "pixelwise.db")
    uvicorn = ("-m", "uvicorn", "--http", "tests.support.short_deadlines:ShortDeadlines")
    with serving(f"sqlite:///{folder / 'pixelwise.db'}", folder, uvicorn=uvicorn) as running:
        yield running
        assert "Traceback" not in running.log.read_text()


@pytest.mark.parametrize(
    "request_bytes",
    [
        GET + b"X-Large: " + LARGE + b"\r\n\r\n",
        GET + b"X-Large: " + LARGE,
        GET + b"".join(b"X-%d: %s\r\n" % (number, b"a" * 1000) for number in range(70)) + b"\r\n",
        GET + b"a: b\r\n" * 100 + b"\r\n",
        b"GET /" + LARGE + b" HTTP/1.1\r\nHost: pixelwise\r\n\r\n",
        b"GET /health?" + LARGE,
        b"\r\n" * 35_000,
        CHUNKED + CHUNK + b"0\r\nX-Large: " + LARGE + b"\r\n\r\n",
        CHUNKED + CHUNK + b"0\r\nX-Large: " + 2 * LARGE,
        CHUNKED + b"1;extension=" + LARGE,
    ],
    ids=[
        "header",
        "open header",
        "headers",
        "101 headers",
        "URL",
        "open URL",
        "empty lines",
        "trailer",
        "open trailer",
        "extension",
    ],
)
def test_large_heads_are_refused(service: Service, request_bytes: bytes) -> None:
    assert_refused(exchange(service.port, request_bytes), HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)


def test_heads_below_the_limit_are_served(service: Service) -> None:
    large = b"X-Large: " + b"a" * 60_000 + b"\r\n"
    assert statuses(exchange(service.port, GET + large + b"a: b\r\n" * 90 + b"Connection: close\r\n\r\n")) == [200]


def test_small_chunks_are_no_overhead(service: Service) -> None:
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in BODY + b" " * 30_000)
    request = CHUNKED[:-2] + b"Connection: close\r\n\r\n" + chunks + b"0\r\n\r\n"
    assert statuses(exchange(service.port, request)) == [200]


def test_trailers_are_no_headers(service: Service) -> None:
    without_key = CHUNKED.replace(b"X-API-Key: " + KEY.encode(), b"Connection: close")
    trailer = b"0\r\nX-API-Key: " + KEY.encode() + b"\r\n\r\n"
    assert statuses(exchange(service.port, without_key + CHUNK + trailer)) == [401]


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"hello\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"CONNECT pixelwise:443 HTTP/1.1\r\nHost: pixelwise\r\n\r\n",
        GET + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
        GET + b"Content-Length: -1\r\n\r\n",
        GET + b" folded\r\n\r\n",
        CHUNKED + b"no number\r\n",
        b"GET /health HTTP/1.1\r\n\r\n",
        GET + b"host: other\r\n\r\n",
        GET.replace(b"1.1", b"1.0") + b"Host: other\r\n\r\n",
    ],
    ids=[
        *("text", "TLS", "HTTP/2", "CONNECT", "two lengths", "negative length", "folded header", "chunk"),
        *("no host", "two hosts", "two hosts in HTTP/1.0"),
    ],
)
def test_malformed_requests_get_a_problem(service: Service, request_bytes: bytes) -> None:
    assert_refused(exchange(service.port, request_bytes), HTTPStatus.BAD_REQUEST)


def test_http_1_0_needs_no_host(service: Service) -> None:
    assert statuses(exchange(service.port, b"GET /health HTTP/1.0\r\n\r\n")) == [200]


@pytest.mark.parametrize("url", ["/results?notes_contains=café", "/café", "/health\x01"])
def test_url_that_is_not_escaped_is_named(service: Service, url: str) -> None:
    response = exchange(service.port, f"GET {url} HTTP/1.1\r\nHost: pixelwise\r\n\r\n".encode())
    assert_refused(response, HTTPStatus.BAD_REQUEST)
    assert b"percent-encode" in response


@pytest.mark.parametrize(
    "part", [GET, HEAD, HEAD + BODY[:100], CHUNKED + b"5\r\n"], ids=["headers", "no body", "body", "chunk"]
)
def test_unfinished_requests_are_closed(service: Service, part: bytes) -> None:
    assert_refused(exchange(service.port, part), HTTPStatus.REQUEST_TIMEOUT)


def test_connections_without_a_request_are_closed(service: Service) -> None:
    assert exchange(service.port, b"") == b""


def assert_refused_while_sending(service: Service, start: bytes, piece: bytes) -> None:
    """Send the piece again and again, until the answer is 408."""
    with connected(service.port) as connection:
        connection.sendall(start)
        connection.settimeout(0.1)
        began = time.monotonic()
        while time.monotonic() - began < PATIENCE_S:
            try:
                connection.sendall(piece)
                assert connection.recv(65536).startswith(b"HTTP/1.1 408 ")
                return
            except TimeoutError:
                continue
    raise AssertionError("the connection was kept open")


@pytest.mark.parametrize(("start", "pieces"), [(GET + b"X-Slow: ", b"a"), (HEAD, b" ")], ids=["headers", "body"])
def test_a_byte_now_and_then_does_not_keep_a_connection_open(service: Service, start: bytes, pieces: bytes) -> None:
    assert_refused_while_sending(service, start, pieces)


def test_slow_clients_above_the_least_rate_are_served(service: Service) -> None:
    with connected(service.port) as connection:
        connection.sendall(HEAD)
        size = len(BODY) // 5 + 1
        for start in range(0, len(BODY), size):
            time.sleep(0.3)
            connection.sendall(BODY[start : start + size])
        assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")


def test_bodies_have_a_deadline_however_fast_they_arrive(service: Service) -> None:
    head = HEAD.replace(b"/classify", b"/classify/batch").replace(b"%d" % len(BODY), b"8000000", 1)
    assert_refused_while_sending(service, head, b" " * 1000)


def upload(port: int, path: str, key: str, body: bytes, *, chunked: bool) -> int:
    """Send the whole body before reading the response, as Python's own client does."""
    connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    pieces = (body[start : start + 65536] for start in range(0, len(body), 65536))
    connection.request("POST", path, pieces if chunked else body, {"X-API-Key": key}, encode_chunked=chunked)
    with connection.getresponse() as response:
        assert response.headers["connection"] == "close"
        assert json.loads(response.read())["status"] == response.status
        return response.status


@pytest.mark.parametrize("megabytes", [2, 10, 50])
@pytest.mark.parametrize(
    ("path", "key", "chunked", "status"),
    [
        ("/classify", KEY, False, 413),
        ("/classify", KEY, True, 413),
        ("/classify/image", "wrong", True, 401),
        ("/nowhere", KEY, True, 404),
    ],
)
def test_early_responses_reach_the_client(
    service: Service, megabytes: int, path: str, key: str, chunked: bool, status: int
) -> None:
    process = psutil.Process(service.process.pid)
    before = process.memory_info().rss
    assert upload(service.port, path, key, bytes(megabytes * 1_000_000), chunked=chunked) == status
    assert process.memory_info().rss - before < 32 * 1024**2


def can_send(connection: socket.socket) -> bool:
    try:
        connection.sendall(bytes(1000))
    except ConnectionError:
        return False
    return True


def test_uploads_do_not_go_on_for_ever_after_an_early_response(service: Service) -> None:
    with connected(service.port) as connection:
        connection.sendall(HEAD.replace(b"%d" % len(BODY), b"10000000000", 1))
        wait_until(lambda: not can_send(connection), "the service closes the connection")


def test_pipelined_requests_are_answered_in_order(service: Service) -> None:
    second = HEAD.replace(b"X-API-Key", b"Connection: close\r\nX-No-Key") + BODY
    assert statuses(exchange(service.port, HEAD + BODY + second)) == [200, 401]


def test_pipelining_is_bounded(service: Service) -> None:
    received = statuses(exchange(service.port, (GET + b"\r\n") * 1000))
    assert received == [200] * len(received)
    assert 10 <= len(received) < 50


@pytest.mark.parametrize("second", [b"hello\r\n\r\n", CHUNKED + b"no number\r\n", GET])
def test_response_to_a_request_is_not_replaced_by_an_error_of_the_next(service: Service, second: bytes) -> None:
    received = exchange(service.port, HEAD + BODY + second)
    assert statuses(received)[0] == 200
    assert b'"prediction"' in received.partition(b"HTTP/1.1 4")[0]


@pytest.mark.parametrize("upgrade", [b"h2c", b"websocket"])
def test_upgrades_are_ignored(service: Service, upgrade: bytes) -> None:
    asked = HEAD[:-2] + b"Connection: Upgrade, close\r\nUpgrade: " + upgrade + b"\r\n\r\n" + BODY
    assert statuses(exchange(service.port, asked)) == [200]


def test_responses_that_nobody_reads_are_dropped() -> None:
    ended = Event()

    async def send_much(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(1000):
            await send({"type": "http.response.body", "body": bytes(65536), "more_body": True})
        ended.set()

    with served(send_much, ShortDeadlines) as port, connected(port) as connection:
        connection.sendall(GET + b"\r\n")
        assert ended.wait(PATIENCE_S)
