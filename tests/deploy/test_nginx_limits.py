"""Limits of nginx: long, slow and frequent requests, and a service that does not answer."""

import re
import signal
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from pathlib import Path

import httpx2
import pytest

from app.database.limits import ANSWER_TIMEOUT_S, SCAN_TIMEOUT_S
from app.http.edge import MAX_BODIES, MAX_BODY
from app.http.lanes import REVIEWS, SCANS
from tests.support.nginx import (
    SITE,
    Deployed,
    Front,
    assert_problem_of_nginx,
    calling,
    connected,
    fetch,
    https_in_front,
)
from tests.support.ports import free_port
from tests.support.service import DRAWING
from tests.support.service_process import serving
from tests.support.waiting import wait_until


@pytest.mark.parametrize(("path", "limit"), [("/classify", MAX_BODY), *MAX_BODIES.items()])
def test_body_limit_is_that_of_the_service(deployed: Deployed, path: str, limit: int) -> None:
    fits = deployed.client.post("/api" + path, content=bytes(limit))
    assert fits.status_code == (400 if path.startswith("/v2") else 422), fits.text
    assert deployed.client.post("/api" + path, content=bytes(limit + 1)).status_code == 413


def test_too_long_body_is_refused_by_nginx(nginx_alone: tuple[Front, httpx2.Client], tmp_path: Path) -> None:
    front, client = nginx_alone
    pieces = (bytes(MAX_BODY) for _ in range(2))
    assert_problem_of_nginx(client.post("/api/classify", content=bytes(MAX_BODY + 1)), HTTPStatus(413))
    assert_problem_of_nginx(client.post("/api/classify", content=pieces), HTTPStatus(413))
    assert_problem_of_nginx(client.post("/api/classify/image", content=bytes(10 * 1024 * 1024)), HTTPStatus(413))
    (tmp_path / "body").write_bytes(bytes(MAX_BODY + 1))
    over_http_2 = fetch(front, "/api/classify", "--http2", "--data-binary", f"@{tmp_path / 'body'}")
    assert over_http_2.startswith('413 2\n{"type":"about:blank"'), over_http_2


def test_too_long_headers_and_urls_are_refused(nginx_alone: tuple[Front, httpx2.Client]) -> None:
    _, client = nginx_alone
    assert_problem_of_nginx(client.get("/api/results", headers={"X-Long": "x" * 40_000}), HTTPStatus(431))
    assert_problem_of_nginx(client.get("/api/results?" + "x" * 40_000), HTTPStatus(414))


def test_malformed_requests_are_refused_with_a_problem(nginx_alone: tuple[Front, httpx2.Client]) -> None:
    front, _ = nginx_alone
    with connected(front) as secure:
        secure.sendall(b"NONSENSE\r\n\r\n")
        answer = b"".join(iter(lambda: secure.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"application/problem+json" in answer
    plain = httpx2.get(f"http://127.0.0.1:{front.https_port}/")
    assert_problem_of_nginx(plain, HTTPStatus.BAD_REQUEST)


@pytest.mark.parametrize(
    "unfinished",
    [
        b"GET /api/health HTTP/1.1\r\nHost: slow\r\n",
        b"POST /api/classify HTTP/1.1\r\nHost: slow\r\nContent-Length: 9\r\n\r\n1",
    ],
    ids=["header", "body"],
)
def test_slow_requests_are_cut_off(tmp_path: Path, unfinished: bytes) -> None:
    limits = {"client_header_timeout": "1s", "client_body_timeout": "1s"}
    with https_in_front(tmp_path, free_port(), **limits) as front, connected(front) as secure:
        secure.sendall(unfinished)
        # nginx ends the connection; a timeout in this test would be raised.
        answer = b"".join(iter(lambda: secure.recv(65536), b""))
        assert answer == b"" or answer.startswith(b"HTTP/1.1 408 "), answer


def test_requests_with_a_wrong_key_count_against_their_address(sqlite_url: str, tmp_path: Path) -> None:
    limits = {"limit_req": "zone=pixelwise_requests burst=5 nodelay"}
    with serving(sqlite_url, tmp_path) as service, https_in_front(tmp_path, service.port, **limits) as front:
        guesses = {"headers": {"X-API-Key": "guessed"}, "json": DRAWING}
        with calling(front, "127.0.0.2") as guesser, calling(front, "127.0.0.3") as other:
            answers = [guesser.post("/api/classify", **guesses) for _ in range(100)]
            refused = [answer for answer in answers if answer.status_code == HTTPStatus.TOO_MANY_REQUESTS]
            assert {answer.status_code for answer in answers} == {401, 429}
            assert_problem_of_nginx(refused[0], HTTPStatus.TOO_MANY_REQUESTS)
            assert int(refused[0].headers["retry-after"]) > 0
            assert other.post("/api/classify", json=DRAWING).status_code == 200
        assert service.log.read_text().count(" 401 ") == len(answers) - len(refused)


def test_requests_without_a_key_never_keep_out_those_with_one(sqlite_url: str, tmp_path: Path) -> None:
    limits = {"limit_req": "zone=pixelwise_requests burst=5 nodelay"}
    with (
        serving(sqlite_url, tmp_path) as service,
        https_in_front(tmp_path, service.port, **limits) as front,
        calling(front) as visitor,
    ):
        # Another site can make a visitor's browser send these.
        keyless = [visitor.post("/api/classify", headers={"X-API-Key": ""}).status_code for _ in range(60)]
        assert HTTPStatus.TOO_MANY_REQUESTS in keyless
        assert visitor.post("/api/classify", json=DRAWING).status_code == 200


@pytest.mark.parametrize(
    ("addresses", "together"),
    [
        (["2001:db8:0:7::1", "2001:db8:0:7:ffff::9", "2001:db8:0:7:a:d:a0a:1"], True),
        (["2001:db8:0:7::1", "2001:db8:0:8::1", "2001:db8::7:0:0:1"], False),
        (["203.0.113.1", "203.0.113.2", "203.0.113.3"], False),
    ],
)
def test_ipv6_addresses_of_one_network_count_together(tmp_path: Path, addresses: list[str], together: bool) -> None:
    changes = {
        "limit_req": "zone=pixelwise_requests",
        "limit_req_zone": "$pixelwise_client zone=pixelwise_requests:10m rate=1r/m",
        # The machine has too few addresses: take the client's from a header.
        "server_tokens": "off; set_real_ip_from 127.0.0.1; real_ip_header X-Test-Address",
    }
    with https_in_front(tmp_path, free_port(), **changes) as front, calling(front) as client:
        codes = [client.get("/api/health", headers={"X-Test-Address": each}).status_code for each in addresses]
    assert codes == [502, 429, 429] if together else [502, 502, 502]


def test_two_hundred_requests_in_a_row_are_allowed(deployed: Deployed) -> None:
    codes = {deployed.client.get("/api/health").status_code for _ in range(200)}
    assert codes == {200}


def test_concurrent_requests_of_an_address_are_limited(tmp_path: Path) -> None:
    limits = {"limit_conn": "pixelwise_connections 2"}
    unfinished = b"POST /api/classify HTTP/1.1\r\nHost: slow\r\nContent-Length: 9\r\n\r\n1"
    with https_in_front(tmp_path, free_port(), **limits) as front, calling(front) as client:
        with connected(front) as first, connected(front) as second:
            for connection in (first, second):
                connection.sendall(unfinished)
            wait_until(lambda: client.get("/api/health").status_code == 429, "a third request is refused")
            assert_problem_of_nginx(client.get("/api/health"), HTTPStatus.TOO_MANY_REQUESTS)
        with calling(front, "127.0.0.2") as other:
            assert other.get("/api/health").status_code == HTTPStatus.BAD_GATEWAY


def test_page_is_served_and_api_sends_retry_after_while_the_service_is_down(
    nginx_alone: tuple[Front, httpx2.Client],
) -> None:
    _, client = nginx_alone
    assert client.get("/").status_code == 200
    for answer in (client.get("/api/results"), client.post("/api/classify", json=DRAWING)):
        assert_problem_of_nginx(answer, HTTPStatus.BAD_GATEWAY)
        assert int(answer.headers["retry-after"]) > 0


def test_restarted_service_is_reached_at_once(sqlite_url: str, tmp_path: Path) -> None:
    with https_in_front(tmp_path, port := free_port()) as front, calling(front) as client:
        for _ in range(2):
            with serving(sqlite_url, tmp_path, port=port):
                assert client.post("/api/classify", json=DRAWING).status_code == 200
            assert client.get("/api/health").status_code == HTTPStatus.BAD_GATEWAY


def test_hanging_service_gives_a_gateway_timeout(sqlite_url: str, tmp_path: Path) -> None:
    with (
        serving(sqlite_url, tmp_path) as service,
        https_in_front(tmp_path, service.port, proxy_read_timeout="1s") as front,
        calling(front) as client,
    ):
        service.process.send_signal(signal.SIGSTOP)
        answer = client.get("/api/results")
        assert_problem_of_nginx(answer, HTTPStatus.GATEWAY_TIMEOUT)
        assert int(answer.headers["retry-after"]) > 0


def test_nginx_waits_until_the_service_has_given_up() -> None:
    (seconds,) = re.findall(r"proxy_read_timeout (\d+)s;", SITE.read_text())
    longest = max(lane.wait_s for lane in (SCANS, REVIEWS)) + SCAN_TIMEOUT_S + ANSWER_TIMEOUT_S
    assert int(seconds) > longest


def test_export_may_take_longer_to_start_than_other_answers(sqlite_url: str, tmp_path: Path) -> None:
    with (
        serving(sqlite_url, tmp_path) as service,
        https_in_front(tmp_path, service.port, **{"proxy_read_timeout 160s": "1s"}) as front,
        calling(front) as client,
        ThreadPoolExecutor(1) as pool,
    ):
        service.process.send_signal(signal.SIGSTOP)
        export = pool.submit(client.get, "/api/export")
        for _ in range(2):
            assert_problem_of_nginx(client.get("/api/results"), HTTPStatus.GATEWAY_TIMEOUT)
        service.process.send_signal(signal.SIGCONT)
        assert export.result().status_code == HTTPStatus.OK
