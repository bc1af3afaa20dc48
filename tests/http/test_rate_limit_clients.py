"""Which clients the limits count as one: addresses, networks, proxies and Unix sockets."""

from typing import Any

import pytest
from starlette.testclient import TestClient
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from tests.support.http_fixtures import Start
from tests.support.service import DRAWING, KEY, client_of, exchange, scope_of


def statuses(client: TestClient, count: int) -> list[int]:
    return [client.post("/classify", json=DRAWING).status_code for _ in range(count)]


def test_other_addresses_are_not_affected(start: Start, sqlite_url: str) -> None:
    client = start(DATABASE_URL=sqlite_url, RATE_LIMIT="2/day")
    assert statuses(client, 3) == [200, 200, 429]
    for address in ("203.0.113.2", "2001:db8::1"):
        assert statuses(client_of(client.app, address), 3) == [200, 200, 429]


@pytest.mark.parametrize(
    ("addresses", "count"),
    [
        pytest.param(["2001:db8:0:7::1", "2001:db8:0:7:ffff:ffff:ffff:ffff", "2001:DB8:0:7:0::9"], 1, id="a /64"),
        pytest.param(["2001:db8:0:7::1", "2001:db8:0:8::1", "2001:db8::7:0:0:1"], 3, id="three /64"),
        pytest.param(["203.0.113.2", "::ffff:203.0.113.2", "::ffff:cb00:7102"], 1, id="mapped IPv4"),
        pytest.param(["::ffff:203.0.113.2", "::ffff:203.0.113.3", "203.0.113.4"], 3, id="three IPv4"),
        pytest.param(["fe80::1%eth0", "fe80::2%eth0", "fe80::3"], 1, id="link-local"),
        pytest.param(["::1", "127.0.0.1", "::"], 2, id="loopback"),
    ],
)
def test_ipv6_addresses_of_one_network_count_together(
    start: Start, sqlite_url: str, addresses: list[str], count: int
) -> None:
    client = start(DATABASE_URL=sqlite_url, RATE_LIMIT="1/day")
    codes = [client_of(client.app, address).post("/classify", json=DRAWING).status_code for address in addresses]
    assert codes.count(200) == count, codes


def test_guesses_from_all_over_a_network_meet_the_limit(start: Start, sqlite_url: str) -> None:
    client = start(DATABASE_URL=sqlite_url, RATE_LIMIT="30/minute")
    guess = scope_of("GET", "/review", (b"x-api-key", b"guess"))
    sent = [exchange(client.app, {**guess, "client": (f"2001:db8::{n:x}", 50000)}) for n in range(100)]
    codes = [messages[0]["status"] for messages in sent]
    assert codes[:30] == [401] * 30
    assert codes.count(429) >= 60


def test_clients_of_a_unix_socket_count_together_unless_a_trusted_proxy_names_them(
    start: Start, sqlite_url: str
) -> None:
    app = start(DATABASE_URL=sqlite_url, RATE_LIMIT="1/day").app
    behind_proxy = ProxyHeadersMiddleware(app, trusted_hosts="*")

    def call(served: Any, *headers: tuple[bytes, bytes]) -> int:
        scope = {**scope_of("POST", "/classify", (b"x-api-key", KEY.encode()), *headers), "client": None}
        status: int = exchange(served, scope, {"type": "http.request", "body": b""})[0]["status"]
        return status

    assert [call(app), call(app)] == [422, 429]
    named = [call(behind_proxy, (b"x-forwarded-for", f"203.0.113.{n}".encode())) for n in (1, 1, 2)]
    assert named == [422, 429, 422]


def test_forwarded_address_is_used_only_from_a_trusted_proxy(start: Start, sqlite_url: str) -> None:
    app = ProxyHeadersMiddleware(start(DATABASE_URL=sqlite_url, RATE_LIMIT="2/day").app, trusted_hosts="127.0.0.1")
    behind_nginx, stranger = client_of(app, "127.0.0.1"), client_of(app, "203.0.113.9")

    def claim(client: TestClient, forwarded_for: str) -> int:
        return client.post("/classify", json=DRAWING, headers={"X-Forwarded-For": forwarded_for}).status_code

    assert [claim(stranger, f"198.51.100.{n}") for n in range(3)] == [200, 200, 429]
    assert [claim(behind_nginx, f"198.51.100.{n}") for n in range(3)] == [200, 200, 200]
    # nginx appends the real address; the ones before it may be forged.
    assert [claim(behind_nginx, f"6.6.6.{n}, 192.0.2.7") for n in range(3)] == [200, 200, 429]
