"""Requests as bytes, well-formed or not, and everything that the service sends for them."""

import json
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus

from tests.support.waiting import PATIENCE_S

GET = b"GET /health HTTP/1.1\r\nHost: pixelwise\r\n"


@contextmanager
def connected(port: int) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", port), PATIENCE_S) as connection:
        yield connection


def rest(connection: socket.socket) -> bytes:
    """Read until the service closes."""
    received = b""
    while piece := connection.recv(65536):
        received += piece
    return received


def exchange(port: int, request: bytes) -> bytes:
    """Send the request and no more; return everything that the service sends until it closes."""
    with connected(port) as connection:
        connection.sendall(request)
        return rest(connection)


def statuses(received: bytes) -> list[int]:
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d+)", received)]


def assert_refused(received: bytes, status: HTTPStatus) -> None:
    """Check that the only response is this problem and says that the connection closes."""
    assert statuses(received) == [status]
    head, _, body = received.partition(b"\r\n\r\n")
    assert b"\r\nconnection: close" in head
    assert b"\r\ncontent-type: application/problem+json" in head
    problem = json.loads(body)
    assert (problem["status"], problem["title"]) == (status, status.phrase)
    assert b"\r\nx-request-id: " + problem["request_id"].encode() in head


def assert_limited(port: int) -> None:
    """Check that the service refuses a large header."""
    received = exchange(port, GET + b"X-Large: " + b"a" * 70_000)
    assert_refused(received, HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
