"""Redirects: to the path without slashes at the end, and from /api/ to the page."""

from http import HTTPStatus
from urllib.parse import urljoin

import pytest
from starlette.testclient import TestClient
from starlette.types import Receive, Scope, Send

from tests.support.http_fixtures import Start
from tests.support.service import DRAWING, assert_problem, client_of, exchange, scope_of, stored

HOSTS: list[bytes] = [b"evil.example", b"[::1]:x", b"a b", b"evil.example:443\xff", b"", b"x" * 5000, b"//evil", b"<>"]


def location(client: TestClient, path: str, host: str = "testserver") -> str:
    response = client.get(path, headers={"Host": host}, follow_redirects=False)
    assert response.status_code == HTTPStatus.TEMPORARY_REDIRECT, response.text
    return response.headers["location"]


TARGETS = {
    "/results/": "/results",
    "/results/?limit=2&model_version=a%20b": "/results?limit=2&model_version=a%20b",
    "/health/ready/": "/health/ready",
    "/results/1/": "/results/1",
    "/results/1/drawing.png/": "/results/1/drawing.png",
    "/docs/": "/docs",
    "/api/redoc/": "/api/redoc",
    "/openapi.json/": "/openapi.json",
    "/static/app.js/": "/static/app.js",
    "/api": "/",
    "/api/": "/",
    "/results/a%0d%0aX-Evil:%20b/": "/results/a%0D%0AX-Evil%3A%20b",
    "/results/%5cevil.example/": "/results/%5Cevil.example",
}


def test_redirects_lead_to_the_right_path_in_every_folder(sqlite_client: TestClient) -> None:
    for path, target in TARGETS.items():
        relative = location(sqlite_client, path, "evil.example")
        assert not relative.startswith("/"), path
        for folder in ("https://front.example", "https://front.example/pixelwise", "https://front.example/a/b"):
            assert urljoin(f"{folder}{path}", relative) == f"{folder}{target}"


def test_redirects_never_contain_the_host_header(sqlite_client: TestClient) -> None:
    for path in ("/results/", "/api/", "/static/app.js/", "/docs/"):
        expected = location(sqlite_client, path)
        for host in HOSTS:
            scope = {**scope_of("GET", path), "headers": [(b"host", host), (b"x-forwarded-host", host)]}
            assert dict(exchange(sqlite_client.app, scope)[0]["headers"])[b"location"] == expected.encode()


def test_slashes_after_nothing_are_not_found(sqlite_client: TestClient) -> None:
    for path in ("//evil.example/", "//results/", "/none/", "/static/", "//", "/results//", "/api//"):
        assert exchange(sqlite_client.app, scope_of("GET", path))[0]["status"] == HTTPStatus.NOT_FOUND, path


def test_undecodable_query_is_passed_on(sqlite_client: TestClient) -> None:
    scope = {**scope_of("GET", "/results/"), "query_string": b"a=\xff\r\n&b=%zz"}
    sent = exchange(sqlite_client.app, scope)
    assert dict(sent[0]["headers"])[b"location"] == b"../results?a=%FF%0D%0A&b=%zz"


def test_redirected_post_keeps_its_method_and_body(sqlite_client: TestClient, sqlite_url: str) -> None:
    assert sqlite_client.post("/api/classify/", json=DRAWING).status_code == 200
    assert stored(sqlite_url) == (1, 1)
    large, kind = bytes(100 * 784), {"Content-Type": "application/octet-stream"}
    assert sqlite_client.post("/classify/batch/", content=large, headers=kind).status_code == 200
    assert stored(sqlite_url) == (101, 101)


def test_page_is_nowhere_but_at_the_root(sqlite_client: TestClient) -> None:
    page = sqlite_client.get("/").text
    assert sqlite_client.get("/api/").url.path == "/"
    for path in ("/static/index.html", "/static/./index.html", "/static//index.html", "/api/static/index.html"):
        answer = sqlite_client.get(path)
        assert answer.text != page
        assert_problem(answer, HTTPStatus.NOT_FOUND)


@pytest.mark.parametrize("root", ["/pixelwise", "/pixelwise/", "pixelwise", "/a/b"])
def test_every_path_works_below_a_root_path(start: Start, sqlite_url: str, root: str) -> None:
    app = start(DATABASE_URL=sqlite_url).app

    async def with_root_path(scope: Scope, receive: Receive, send: Send) -> None:
        # As uvicorn does with --root-path.
        await app({**scope, "root_path": root, "path": root + scope["path"]}, receive, send)

    client = client_of(with_root_path)
    wanted = {"/": 200, "/static/app.js": 200, "/api/health": 200, "/health": 200, "/api/docs": 200, "/api/": 307}
    for path, status in wanted.items():
        # The proxy removes the folder, or leaves it in the path.
        for folder in ("", "/" + root.strip("/")):
            assert client.get(folder + path, follow_redirects=False).status_code == status, path
