"""What a client gets from nginx: the deployed configuration in front of a running service, over HTTPS."""

import socket
import ssl
import time
from http import HTTPStatus
from pathlib import Path

import httpx2
import pytest

from app.http.middleware import MAX_BODY
from app.http.static_page import HEADERS
from tests.support.nginx import (
    HSTS,
    Deployed,
    Front,
    assert_problem_of_nginx,
    calling,
    connected,
    fetch,
    https_in_front,
)
from tests.support.project_copy import PROJECT
from tests.support.service import DRAWING, KEY
from tests.support.service_process import serving, wait_until


def test_everything_on_port_80_is_sent_to_https_with_its_method_and_path(deployed: Deployed) -> None:
    url = f"http://127.0.0.1:{deployed.front.http_port}/api/results?limit=2"
    response = httpx2.post(url, follow_redirects=False)
    assert response.status_code == HTTPStatus.PERMANENT_REDIRECT
    assert response.headers["location"] == f"{deployed.front.url}/api/results?limit=2"


def test_proofs_for_a_certificate_are_served_on_port_80(deployed: Deployed) -> None:
    place = deployed.front.folder / "proofs/.well-known/acme-challenge"
    place.mkdir(parents=True)
    (place / "token").write_text("the proof")
    url = f"http://127.0.0.1:{deployed.front.http_port}/.well-known/acme-challenge/"
    assert httpx2.get(url + "token").text == "the proof"
    assert httpx2.get(url + "other").status_code == HTTPStatus.NOT_FOUND


def only(version: ssl.TLSVersion, front: Front) -> ssl.SSLContext:
    context = front.tls()
    # Left to itself, OpenSSL would not even ask for the old versions.
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = version
    return context


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated")
def test_tls_before_1_2_is_refused_by_the_server(deployed: Deployed) -> None:
    front = deployed.front
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        with connected(front, only(version, front)) as secure:
            assert secure.version() == version.name.replace("_", ".")
    with (
        pytest.raises(ssl.SSLError, match=r"(?i)alert.protocol.version"),
        connected(front, only(ssl.TLSVersion.TLSv1_1, front)),
    ):
        pass


def test_http_2_is_spoken_and_the_version_of_nginx_is_not_told(deployed: Deployed) -> None:
    assert fetch(deployed.front, "/api/health", "--http2").startswith("200 2\n")
    assert deployed.client.get("/").headers["server"] == "nginx"


def test_browsers_are_told_to_come_back_over_https_only(deployed: Deployed) -> None:
    paths = ("/", "/static/app.js", "/static/none", "/api/health", "/api/none", "/docs", "/none")
    for path in paths:
        assert deployed.client.get(path).headers.get_list("strict-transport-security") == [HSTS], path


def test_files_of_the_page_are_the_application_s_with_its_headers(deployed: Deployed) -> None:
    static = PROJECT / "app/static"
    paths = [f"/static/{path.relative_to(static)}" for path in static.rglob("*") if path.is_file()]
    assert len(paths) > 3
    for path in ("/", *paths):
        from_nginx = deployed.client.get(path)
        from_application = httpx2.get(f"http://127.0.0.1:{deployed.service.port}{path}")
        assert (from_nginx.status_code, from_application.status_code) == (200, 200), path
        assert from_nginx.content == from_application.content, path
        for response in (from_nginx, from_application):
            assert {name: response.headers.get_list(name) for name in HEADERS} == {
                name: [value] for name, value in HEADERS.items()
            }, path
        assert set(from_nginx.headers) - set(from_application.headers) <= {
            "strict-transport-security",
            # Sent in one piece with this, or compressed with the other.
            "connection",
            "transfer-encoding",
            "vary",
            "content-encoding",
        }, path


def test_page_is_not_sent_again_while_it_is_the_same(deployed: Deployed) -> None:
    tag = deployed.client.get("/").headers["etag"]
    again = deployed.client.get("/", headers={"If-None-Match": tag})
    assert again.status_code == HTTPStatus.NOT_MODIFIED
    assert again.headers["content-security-policy"] == HEADERS["Content-Security-Policy"]


@pytest.mark.parametrize(
    "path",
    [
        "/static/../main.py",
        "/static/..%2fmain.py",
        "/static/%2e%2e/main.py",
        "/static/%2e%2e%2fmain.py",
        "/static../main.py",
        "/static//../../setup-server.sh",
        "/static/..\\main.py",
        "/static/../../.env.example",
        "/app/main.py",
        "/main.py",
    ],
)
def test_nothing_but_the_page_s_own_files_can_be_read(deployed: Deployed, path: str) -> None:
    answer = fetch(deployed.front, path)
    assert answer.startswith(("404 ", "400 ")), answer
    assert "import" not in answer
    assert "SECRET_API_KEY" not in answer


def test_folders_are_not_listed_and_files_are_only_read(deployed: Deployed) -> None:
    assert_problem_of_nginx(deployed.client.get("/static/"), HTTPStatus.NOT_FOUND)
    assert_problem_of_nginx(deployed.client.post("/static/app.js"), HTTPStatus.METHOD_NOT_ALLOWED)


def test_text_is_compressed_and_a_picture_is_not(deployed: Deployed) -> None:
    client = deployed.client
    stored = client.post("/api/classify", json=DRAWING).json()["id"]
    for path in ("/", "/static/app.js", "/static/style.css", "/api/openapi.json"):
        assert client.get(path).headers.get("content-encoding") == "gzip", path
    picture = client.get(f"/api/results/{stored}/drawing.png")
    assert (picture.status_code, picture.headers.get("content-encoding")) == (200, None)


def test_api_documentation_is_found_and_names_the_prefix(deployed: Deployed) -> None:
    redirect = deployed.client.get("/docs", follow_redirects=False)
    assert (redirect.status_code, redirect.headers["location"]) == (308, "/api/docs")
    assert "/api/openapi.json" in deployed.client.get("/api/docs").text


def test_links_to_the_next_page_lead_through_nginx(deployed: Deployed) -> None:
    for _ in range(3):
        deployed.client.post("/api/classify", json=DRAWING)
    first = deployed.client.get("/api/results", params={"limit": 1})
    second = deployed.client.get(first.links["next"]["url"])
    assert second.url.path == "/api/results"
    assert second.json()["results"][0]["id"] == first.json()["results"][0]["id"] - 1


def test_service_knows_by_which_scheme_host_and_port_it_was_called(deployed: Deployed) -> None:
    # The one answer of the service that holds a whole address: a path with a slash too many is sent to the right one.
    redirect = deployed.client.get("/api/results/", follow_redirects=False)
    assert redirect.headers["location"] == f"{deployed.front.url}/api/results"


def test_record_can_be_changed_by_the_tag_it_was_read_with(deployed: Deployed) -> None:
    client = deployed.client
    path = f"/api/results/{client.post('/api/classify', json=DRAWING).json()['id']}"
    # Long enough that it would be compressed, which weakens a tag.
    assert client.patch(path, json={"notes": "long " * 300}).status_code == 200
    tag = client.get(path).headers["etag"]
    assert client.patch(path, json={"notes": "short"}, headers={"If-Match": tag}).status_code == 200
    assert client.patch(path, json={"notes": "shorter"}, headers={"If-Match": tag}).status_code == 412


def test_limit_of_the_service_counts_the_client_s_address_whatever_the_client_claims(
    sqlite_url: str, tmp_path: Path
) -> None:
    with serving(sqlite_url, tmp_path, RATE_LIMIT="2/day") as service, https_in_front(tmp_path, service.port) as front:
        # The first is nginx's own, which the service trusts.
        for address in ("127.0.0.1", "127.0.0.2", "127.0.0.3"):
            with calling(front, address) as client:
                claims = [{"X-Forwarded-For": f"203.0.113.{n}", "Forwarded": f"for=203.0.113.{n}"} for n in range(3)]
                answers = [client.post("/api/classify", json=DRAWING, headers=claim) for claim in claims]
                assert [answer.status_code for answer in answers] == [200, 200, 429], address


def test_sane_request_id_reaches_the_service_and_any_other_is_replaced(deployed: Deployed) -> None:
    for path in ("/", "/none", "/api/health", "/api/none"):
        sane = deployed.client.get(path, headers={"X-Request-ID": "mine-1"})
        assert sane.headers.get_list("x-request-id") == ["mine-1"], path
        other = deployed.client.get(path, headers={"X-Request-ID": 'not "sane"'})
        made = other.headers["x-request-id"]
        assert len(made) == 32, path
        # A line is written once the answer is sent, so a client may be faster.
        wait_until(lambda made=made: made in deployed.front.log, f"{made} is in nginx's log")
    assert "mine-1" in deployed.front.log


def test_key_is_written_into_no_log(deployed: Deployed) -> None:
    assert deployed.client.post("/api/classify", json=DRAWING).status_code == 200
    assert deployed.client.post("/api/classify", content=bytes(MAX_BODY + 1)).status_code == 413
    assert "POST /api/classify" in deployed.front.log
    assert KEY not in deployed.front.log
    assert KEY not in deployed.service.log.read_text()


def test_long_export_arrives_whole_and_is_not_written_to_the_disk_on_its_way(deployed: Deployed) -> None:
    client = deployed.client
    before = client.get("/api/stats").json()["count"]
    for _ in range(6):
        raw = {"Content-Type": "application/octet-stream"}
        assert client.post("/api/classify/batch", content=bytes(784 * 1000), headers=raw).status_code == 200
    as_it_is = {"Accept-Encoding": "identity"}
    small_window = [(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)]
    query = {"format": "jsonl", "include_unlabelled": True}
    with (
        calling(deployed.front, socket_options=small_window) as reader,
        reader.stream("GET", "/api/export", params=query, headers=as_it_is) as response,
    ):
        assert response.status_code == 200
        # While nobody reads, what the service has ready piles up somewhere.
        time.sleep(1)
        lines = sum(1 for _ in response.iter_lines())
    assert lines >= before + 6000
    assert "upstream response is buffered to a temporary file" not in deployed.front.log


def test_unknown_paths_are_a_problem_that_says_where_to_look(deployed: Deployed) -> None:
    for path in ("/none", "/static", "/problem", "/results", "/favicon.ico"):
        answer = deployed.client.get(path)
        assert_problem_of_nginx(answer, HTTPStatus.NOT_FOUND)
        assert "/api/docs" in answer.json()["detail"]
