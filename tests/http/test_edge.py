"""Middleware: request ids and body limits."""

import json
import socket
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

import pytest
from starlette.testclient import TestClient

from app.http.edge import MAX_BODIES, MAX_BODY
from app.main import create_app
from tests.support.http_fixtures import Start
from tests.support.service import DRAWING, KEY, assert_problem, exchange, hidden, scope_of, served, stored

AUTHORISED = (b"x-api-key", KEY.encode())


def padded(size: int) -> bytes:
    """A valid body of exactly this many bytes."""
    return json.dumps(DRAWING).encode().ljust(size)


def in_chunks(body: bytes, size: int = 1000) -> Iterator[bytes]:
    """The body without a declared length, piece by piece."""
    for start in range(0, len(body), size):
        yield body[start : start + size]


def test_every_response_has_a_unique_request_id(start: Start, sqlite_url: str) -> None:
    app = create_app()

    @app.get("/fails")
    async def fail() -> None:
        raise RuntimeError

    client = start(app, DATABASE_URL=sqlite_url, RATE_LIMIT="2/day")
    responses = [
        client.post("/classify", json=DRAWING),
        client.get("/health"),
        client.get("/docs"),
        client.get("/openapi.json"),
        client.get("/results/", follow_redirects=False),
        client.post("/classify", json=DRAWING, headers={"X-API-Key": "wrong"}),
        client.get("/nothing-here"),
        client.get("/classify"),
        client.post("/classify", content=b" " * (MAX_BODY + 1)),
        client.post("/classify", content=b""),
        client.post("/classify", json=DRAWING),
        client.get("/fails"),
    ]
    codes = [response.status_code for response in responses]
    assert codes == [200, 200, 200, 200, 307, 401, 404, 405, 413, 422, 429, 500]
    ids = [response.headers.get_list("x-request-id") for response in responses]
    assert {len(each) for each in ids} == {1}
    assert len({each[0] for each in ids}) == len(responses)
    for response in responses[5:]:
        assert response.json()["request_id"] == response.headers["x-request-id"]


@pytest.mark.parametrize("sane", ["7", "order-66", "0af7651916cd43dd:8448eb211c80319c", "a.b_c", "x" * 128])
def test_valid_request_id_is_used_in_responses_errors_and_rows(sqlite_client: TestClient, sane: str) -> None:
    sqlite_client.headers["X-Request-ID"] = sane
    answered = sqlite_client.post("/classify", json=DRAWING)
    assert answered.headers["x-request-id"] == sane
    assert sqlite_client.get(f"/results/{answered.json()['id']}").json()["request_id"] == sane
    assert assert_problem(sqlite_client.get("/nothing-here"), HTTPStatus.NOT_FOUND)["request_id"] == sane


@pytest.mark.parametrize(
    "insane", ["", "x" * 129, "two words", "<script>", "a\tb", "a;b", 'a"b', "ä".encode(), b"\xff", "a\\nb", "${jndi}"]
)
def test_invalid_request_id_is_replaced(sqlite_client: TestClient, insane: Any) -> None:
    response = sqlite_client.post("/classify", json=DRAWING, headers={"X-Request-ID": insane})
    (given,) = response.headers.get_list("x-request-id")
    assert len(given) == 32
    int(given, 16)
    assert sqlite_client.get(f"/results/{response.json()['id']}").json()["request_id"] == given


def test_request_id_of_a_failed_request_is_logged(
    sqlite_client: TestClient, sqlite_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    with hidden(sqlite_url, "predictions"):
        sqlite_client.post("/classify", json=DRAWING, headers={"X-Request-ID": "order-66"})
    assert "order-66" in caplog.text


def test_body_may_have_64_kib(sqlite_client: TestClient, sqlite_url: str) -> None:
    for body in (padded(MAX_BODY), in_chunks(padded(MAX_BODY))):
        assert sqlite_client.post("/classify", content=body).status_code == 200
    for body in (padded(MAX_BODY + 1), in_chunks(padded(MAX_BODY + 1))):
        response = sqlite_client.post("/classify", content=body)
        assert_problem(response, HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        # The unread body would be parsed as the next request.
        assert response.headers["connection"] == "close"
    assert stored(sqlite_url) == (2, 2)


def refused_unread(client: TestClient, path: str, declared: int | str) -> str:
    """Declare this length and send no body; check that the answer is 413, and return its detail."""
    sent = exchange(client.app, scope_of("POST", path, AUTHORISED, (b"content-length", str(declared).encode())))
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]
    problem = json.loads(sent[1]["body"])
    assert sent[0]["status"] == problem["status"] == HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    return str(problem["detail"])


@pytest.mark.parametrize("path", ["/classify", "/results", "/nothing-here"])
def test_large_or_invalid_content_length_is_refused_before_the_body_is_read(
    sqlite_client: TestClient, path: str
) -> None:
    for declared in (MAX_BODY + 1, 10**9, 2**64, 10**100, "-1", "1e3", "0x10", "ten", "", "1 0"):
        refused_unread(sqlite_client, path, declared)


def test_batches_and_images_are_limited_to_8_mib(sqlite_client: TestClient) -> None:
    for path in ("/classify/batch", "/classify/image"):
        limit = MAX_BODIES[path]
        assert limit == 8 * 1024 * 1024
        assert f"larger than {limit} bytes" in refused_unread(sqlite_client, path, limit + 1)


def test_all_other_paths_are_limited_to_64_kib(sqlite_client: TestClient) -> None:
    for path in ("/classify", "/classify/image/x", "/CLASSIFY/BATCH", "/results"):
        assert f"larger than {MAX_BODY} bytes" in refused_unread(sqlite_client, path, MAX_BODY + 1)


@pytest.mark.parametrize("declared", [None, b"10"], ids=["no length", "a lie"])
def test_reading_stops_at_the_limit(sqlite_client: TestClient, declared: bytes | None) -> None:
    headers = () if declared is None else ((b"content-length", declared),)
    piece = {"type": "http.request", "body": b" " * (MAX_BODY // 4), "more_body": True}
    # The fifth piece is the first one too many; asking for a sixth would fail.
    sent = exchange(sqlite_client.app, scope_of("POST", "/classify", AUTHORISED, *headers), *[piece] * 5)
    assert sent[0]["status"] == HTTPStatus.REQUEST_ENTITY_TOO_LARGE


def test_body_is_not_read_without_a_valid_key(sqlite_client: TestClient) -> None:
    sent = exchange(sqlite_client.app, scope_of("POST", "/classify", (b"x-api-key", b"wrong")))
    assert sent[0]["status"] == HTTPStatus.UNAUTHORIZED


def response_to(port: int, request: bytes) -> bytes:
    """Send these bytes; return everything until the server closes the connection."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(request)
        return b"".join(iter(lambda: connection.recv(65536), b""))


@pytest.mark.parametrize(
    ("header", "body", "status"),
    [
        pytest.param("Content-Length: 10000000000", b"", 413, id="declared"),
        pytest.param("Transfer-Encoding: chunked", b"10000\r\n" + b" " * 65536 + b"\r\n10000\r\n  ", 413, id="chunked"),
        pytest.param("Content-Length: ten", b"", 400, id="no number"),
        pytest.param("Content-Length: -1", b"", 400, id="negative"),
        pytest.param("Content-Length: 10\r\nContent-Length: 11", b"", 400, id="two lengths"),
    ],
)
def test_server_refuses_and_closes_without_waiting_for_the_body(
    start: Start, sqlite_url: str, header: str, body: bytes, status: int
) -> None:
    app = start(DATABASE_URL=sqlite_url).app
    head = f"POST /classify HTTP/1.1\r\nHost: test\r\nX-API-Key: {KEY}\r\n{header}\r\n\r\n"
    with served(app) as port:
        answer = response_to(port, head.encode() + body)
    assert answer.startswith(f"HTTP/1.1 {status} ".encode())
    assert answer.count(b"x-content-type-options: nosniff\r\n") == 1


def test_only_a_single_request_id_is_used(sqlite_client: TestClient) -> None:
    given = {
        ("order-66 ",): True,
        ("order-66", "order-66"): False,
        ("order-66", "order-67"): False,
        ("order 66",): False,
    }
    for values, is_used in given.items():
        headers = [("X-Request-ID", value) for value in values]
        used = sqlite_client.get("/health", headers=headers).headers["x-request-id"]
        assert (used == "order-66") is is_used, values


def test_endless_body_while_a_file_is_sent_is_no_error(
    sqlite_client: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    piece = {"type": "http.request", "body": bytes(MAX_BODY), "more_body": True}
    sent = exchange(sqlite_client.app, scope_of("GET", "/static-offline-docs/swagger-ui.css"), *[piece] * 3)
    assert sent[0]["status"] == HTTPStatus.OK
    assert caplog.records == []
