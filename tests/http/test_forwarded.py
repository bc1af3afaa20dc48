"""The client's address behind a proxy."""

from collections.abc import Iterator

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from app.http.connection import Connection
from app.http.forwarded import MAX_HOPS
from tests.support.raw_http import exchange
from tests.support.service import served


async def client_address(scope: Scope, receive: Receive, send: Send) -> None:
    address = Request(scope).client
    await PlainTextResponse(address.host if address else "none")(scope, receive, send)


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """A server that answers with the client's address, and trusts 127.0.0.1."""
    with served(client_address, Connection) as listening:
        yield listening


@pytest.mark.parametrize(
    ("header", "client"),
    [
        (b"X-Forwarded-For: 203.0.113.9", "203.0.113.9"),
        (b"X-Forwarded-For: 2001:db8::1", "2001:db8::1"),
        (b"X-Forwarded-For: [2001:db8::1]:443", "2001:db8::1"),
        (b"X-Forwarded-For: 203.0.113.9:443, 127.0.0.1", "203.0.113.9"),
        (b"X-Forwarded-For: 203.0.113.9" + b", 127.0.0.1" * (MAX_HOPS - 1), "203.0.113.9"),
        (b"X-Forwarded-For: 203.0.113.9" + b", 127.0.0.1" * MAX_HOPS, "127.0.0.1"),
        (b"X-Forwarded-For: junk, 203.0.113.9", "203.0.113.9"),
        (b"X-Forwarded-For: junk", "127.0.0.1"),
        (b"X-Forwarded-For: 203.0.113.9, junk", "127.0.0.1"),
        (b"X-Forwarded-For: 203.0.113.9\r\nX-Forwarded-For: junk", "127.0.0.1"),
        (b"X-Forwarded-For: 203.0.113.999", "127.0.0.1"),
        (b"X-Forwarded-For: 203.0.113.9:junk", "127.0.0.1"),
        (b"X-Forwarded-For: [::1]junk", "127.0.0.1"),
        (b"X-Forwarded-For: fe80::1%junk", "127.0.0.1"),
        (b"X-Forwarded-For: unknown", "127.0.0.1"),
        (b"X-Forwarded-For: ", "127.0.0.1"),
    ],
)
def test_only_addresses_are_taken_from_x_forwarded_for(port: int, header: bytes, client: str) -> None:
    response = exchange(port, b"GET / HTTP/1.0\r\n" + header + b"\r\n\r\n")
    assert response.endswith(b"\r\n\r\n" + client.encode())
