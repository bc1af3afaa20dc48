"""The deployed nginx configuration in front of a running service, over HTTPS."""

import re
import socket
import ssl
import time
from http import HTTPStatus
from pathlib import Path

import httpx2
import pytest

from app.http.edge import MAX_BODY
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
from tests.support.service_process import serving
from tests.support.waiting import wait_until


def test_http_is_redirected_to_https_with_method_and_path(deployed: Deployed) -> None:
    url = f"http://127.0.0.1:{deployed.front.http_port}/api/results?limit=2"
    response = httpx2.post(url, follow_redirects=False)
    assert response.status_code == HTTPStatus.PERMANENT_REDIRECT
    assert response.headers["location"] == f"{deployed.front.url}/api/results?limit=2"


def test_acme_challenges_are_served_over_http(deployed: Deployed) -> None:
    place = deployed.front.folder / "proofs/.well-known/acme-challenge"
    place.mkdir(parents=True)
    (place / "token").write_text("the proof")
    url = f"http://127.0.0.1:{deployed.front.http_port}/.well-known/acme-challenge/"
    assert httpx2.get(url + "token").text == "the proof"
    assert httpx2.get(url + "other").status_code == HTTPStatus.NOT_FOUND


def tls_context(version: ssl.TLSVersion, front: Front) -> ssl.SSLContext:
    context = front.tls()
    # By default OpenSSL does not offer the old versions.
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = version
    return context


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated")
def test_tls_before_1_2_is_refused(deployed: Deployed) -> None:
    front = deployed.front
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        with connected(front, tls_context(version, front)) as secure:
            assert secure.version() == version.name.replace("_", ".")
    with (
        pytest.raises(ssl.SSLError, match=r"(?i)alert.protocol.version"),
        connected(front, tls_context(ssl.TLSVersion.TLSv1_1, front)),
    ):
        pass


def test_http_2_is_offered_and_the_nginx_version_is_hidden(deployed: Deployed) -> None:
    assert fetch(deployed.front, "/api/health", "--http2").startswith("200 2\n")
    assert deployed.client.get("/").headers["server"] == "nginx"


def test_every_response_has_strict_transport_security(deployed: Deployed) -> None:
    paths = ("/", "/static/app.js", "/static/none", "/api/health", "/api/none", "/docs", "/none")
    for path in paths:
        assert deployed.client.get(path).headers.get_list("strict-transport-security") == [HSTS], path


def test_page_files_have_the_same_content_and_headers_as_from_the_service(deployed: Deployed) -> None:
    static = PROJECT / "app/static"
    paths = [f"/static/{path.relative_to(static)}" for path in static.rglob("*.*") if path.name != "index.html"]
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
            # nginx may compress the response or send it in chunks.
            "connection",
            "transfer-encoding",
            "vary",
            "content-encoding",
        }, path


def test_unchanged_page_is_not_sent_again(deployed: Deployed) -> None:
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
def test_only_files_of_the_page_can_be_read(deployed: Deployed, path: str) -> None:
    answer = fetch(deployed.front, path)
    assert answer.startswith(("404 ", "400 ")), answer
    assert "import" not in answer
    assert "SECRET_API_KEY" not in answer


def test_folders_are_not_listed_and_files_do_not_accept_post(deployed: Deployed) -> None:
    assert_problem_of_nginx(deployed.client.get("/static/"), HTTPStatus.NOT_FOUND)
    assert_problem_of_nginx(deployed.client.post("/static/app.js"), HTTPStatus.METHOD_NOT_ALLOWED)


def test_text_is_compressed_and_images_are_not(deployed: Deployed) -> None:
    client = deployed.client
    stored = client.post("/api/classify", json=DRAWING).json()["id"]
    for path in ("/", "/static/app.js", "/static/style.css", "/api/openapi.json"):
        assert client.get(path).headers.get("content-encoding") == "gzip", path
    picture = client.get(f"/api/results/{stored}/drawing.png")
    assert (picture.status_code, picture.headers.get("content-encoding")) == (200, None)


def test_api_documentation_is_served_under_the_prefix(deployed: Deployed) -> None:
    redirect = deployed.client.get("/docs", follow_redirects=False)
    assert (redirect.status_code, redirect.headers["location"]) == (308, "api/docs")
    docs = deployed.client.get("/docs", follow_redirects=True)
    assert (docs.status_code, docs.url.path) == (200, "/api/docs")


def test_prometheus_reads_the_metrics_where_the_page_says(deployed: Deployed) -> None:
    (path,) = re.findall(r"`metrics_path: (\S+)`", (PROJECT / "docs/operations.md").read_text())
    key = deployed.client.post("/api/keys", json={"name": "prometheus", "scopes": ["read"]}).json()["key"]
    answer = httpx2.get(
        deployed.front.url + path, headers={"Authorization": f"Bearer {key}"}, verify=deployed.front.tls()
    )
    assert answer.status_code == HTTPStatus.OK
    assert "pixelwise_" in answer.text


def test_links_to_the_next_page_work_through_nginx(deployed: Deployed) -> None:
    for _ in range(3):
        deployed.client.post("/api/classify", json=DRAWING)
    first = deployed.client.get("/api/results", params={"limit": 1})
    second = deployed.client.get(first.url.join(first.links["next"]["url"]))
    assert second.url.path == "/api/results"
    assert second.json()["results"][0]["id"] == first.json()["results"][0]["id"] - 1


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("/api/results/", "/api/results"),
        ("/docs", "/api/docs"),
        ("/api", "/"),
        ("/api/", "/"),
        ("/api/docs/", "/api/docs"),
    ],
)
def test_redirects_are_relative_and_never_contain_the_host(deployed: Deployed, path: str, target: str) -> None:
    redirect = deployed.client.get(path, headers={"Host": "evil.example"}, follow_redirects=False)
    assert not redirect.headers["location"].startswith(("/", "http"))
    found = deployed.client.get(path, follow_redirects=True)
    assert (found.status_code, found.url.path) == (200, target)


@pytest.mark.parametrize(
    "path", ["/", "/static/app.js", "/api/health", "/api/docs", "/api/results", "/api/none", "/none"]
)
def test_head_has_the_status_of_get_and_options_is_answered(deployed: Deployed, path: str) -> None:
    got = deployed.client.get(path)
    head = deployed.client.head(path)
    assert (head.status_code, head.content, head.headers.keys() - got.headers.keys()) == (got.status_code, b"", set())
    if path.startswith("/api/") and path != "/api/none":
        assert deployed.client.options(path).headers["allow"] == "GET, HEAD, OPTIONS"


@pytest.mark.parametrize("given", ["bytes=0-9", "bytes=999999-", "x"])
def test_ranges_are_ignored_as_in_the_service(deployed: Deployed, given: str) -> None:
    for path in ("/", "/static/app.js"):
        response = deployed.client.get(path, headers={"Range": given})
        assert (response.status_code, response.content) == (200, deployed.client.get(path).content)


def test_page_is_nowhere_but_at_the_root(deployed: Deployed) -> None:
    for path in ("/static/index.html", "/static//index.html"):
        assert_problem_of_nginx(deployed.client.get(path), HTTPStatus.NOT_FOUND)


def test_etag_of_a_result_is_accepted_by_if_match(deployed: Deployed) -> None:
    client = deployed.client
    path = f"/api/results/{client.post('/api/classify', json=DRAWING).json()['id']}"
    # Long enough to be compressed, which would weaken the ETag.
    assert client.patch(path, json={"notes": "long " * 300}).status_code == 200
    tag = client.get(path).headers["etag"]
    assert client.patch(path, json={"notes": "short"}, headers={"If-Match": tag}).status_code == 200
    assert client.patch(path, json={"notes": "shorter"}, headers={"If-Match": tag}).status_code == 412


def test_etag_of_a_labelled_result_is_accepted_by_if_match(deployed: Deployed) -> None:
    client = deployed.client
    path = f"/api/results/{client.post('/api/classify', json=DRAWING).json()['id']}"
    assert client.patch(path, json={"notes": "long " * 300}).status_code == 200
    tag = client.put(f"{path}/label", json={"label": "7"}).headers["etag"]
    assert client.patch(path, json={"notes": "short"}, headers={"If-Match": tag}).status_code == 200


def test_rate_limit_ignores_forged_client_addresses(sqlite_url: str, tmp_path: Path) -> None:
    with serving(sqlite_url, tmp_path, RATE_LIMIT="2/day") as service, https_in_front(tmp_path, service.port) as front:
        # The first is nginx's own address, which the service trusts.
        for address in ("127.0.0.1", "127.0.0.2", "127.0.0.3"):
            with calling(front, address) as client:
                claims = [{"X-Forwarded-For": f"203.0.113.{n}", "Forwarded": f"for=203.0.113.{n}"} for n in range(3)]
                answers = [client.post("/api/classify", json=DRAWING, headers=claim) for claim in claims]
                assert [answer.status_code for answer in answers] == [200, 200, 429], address


def test_valid_request_id_is_kept_and_any_other_replaced(deployed: Deployed) -> None:
    for path in ("/", "/none", "/api/health", "/api/none"):
        sane = deployed.client.get(path, headers={"X-Request-ID": "mine-1"})
        assert sane.headers.get_list("x-request-id") == ["mine-1"], path
        other = deployed.client.get(path, headers={"X-Request-ID": 'not "sane"'})
        made = other.headers["x-request-id"]
        assert len(made) == 32, path
        # nginx writes the line after it sends the response.
        wait_until(lambda made=made: made in deployed.front.log, f"{made} is in nginx's log")
    assert "mine-1" in deployed.front.log


def test_key_is_not_logged(deployed: Deployed) -> None:
    assert deployed.client.post("/api/classify", json=DRAWING).status_code == 200
    assert deployed.client.post("/api/classify", content=bytes(MAX_BODY + 1)).status_code == 413
    assert "POST /api/classify" in deployed.front.log
    assert KEY not in deployed.front.log
    assert KEY not in deployed.service.log.read_text()


def test_long_export_is_complete_and_not_buffered_on_disk(deployed: Deployed) -> None:
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
        # The response is buffered somewhere while the client does not read.
        time.sleep(1)
        lines = sum(1 for _ in response.iter_lines())
    assert lines >= before + 6000
    assert "upstream response is buffered to a temporary file" not in deployed.front.log


def test_unknown_paths_give_a_problem_with_a_link_to_the_documentation(deployed: Deployed) -> None:
    for path in ("/none", "/static", "/problem", "/results", "/favicon.ico"):
        answer = deployed.client.get(path)
        assert_problem_of_nginx(answer, HTTPStatus.NOT_FOUND)
        assert "/api/docs" in answer.json()["detail"]
