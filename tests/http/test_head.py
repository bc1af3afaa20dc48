"""HEAD: as GET, without a body."""

from http import HTTPStatus
from http.client import HTTPConnection
from typing import Any

from starlette.testclient import TestClient

from app.main import app
from tests.support.http_fixtures import Start
from tests.support.service import DRAWING, KEY, assert_problem, served

FILES = ["/", "/static/app.js", "/static/icon.svg", "/static-offline-docs/swagger-ui.css"]
PAGES = ["/docs", "/redoc", "/openapi.json", "/api", "/api/", "/api/results", "/api/docs"]
ERRORS = ["/nothing", "/results/99", "/results/0", "/results?limit=0", "/export?format=xml", "/classify", "/results/"]

# Of the moment, not of the method.
CHANGING = {"x-request-id", "x-export-manifest", "content-disposition"}


def get_routes() -> list[str]:
    """Each route with GET; the same reviewer gets the same drawings."""
    return [
        path.replace("{id}", "1").replace("/review", "/review?reviewer=ada")
        for path, methods in app.openapi()["paths"].items()
        if "get" in methods
    ]


def steady(response: Any, path: str) -> dict[str, str]:
    # Each request changes a number of /metrics.
    changing = {*CHANGING, "content-length"} if path == "/metrics" else CHANGING
    return {name: value for name, value in response.headers.items() if name not in changing}


def test_head_has_the_status_and_headers_of_get_and_no_body(sqlite_client: TestClient) -> None:
    sqlite_client.post("/classify", json=DRAWING)
    for path in (*get_routes(), *FILES, *PAGES, *ERRORS):
        got = sqlite_client.get(path, follow_redirects=False)
        asked = sqlite_client.head(path, follow_redirects=False)
        assert asked.content == b"", path
        assert (asked.status_code, steady(asked, path)) == (got.status_code, steady(got, path)), path
        assert asked.headers.keys() == got.headers.keys(), path


def test_head_needs_the_key_like_get(sqlite_client: TestClient) -> None:
    for path in ("/export", "/review", "/results/1/drawing.png"):
        assert sqlite_client.head(path, headers={"X-API-Key": "wrong"}).status_code == HTTPStatus.UNAUTHORIZED


def test_head_honours_etags(sqlite_client: TestClient) -> None:
    sqlite_client.post("/classify", json=DRAWING)
    tag = sqlite_client.head("/results/1").headers["etag"]
    assert sqlite_client.head("/results/1", headers={"If-None-Match": tag}).status_code == HTTPStatus.NOT_MODIFIED


def test_connection_can_be_used_after_the_head_of_an_export(start: Start, sqlite_url: str) -> None:
    client = start(DATABASE_URL=sqlite_url)
    raw = {"Content-Type": "application/octet-stream"}
    assert client.post("/classify/batch", content=bytes(784 * 1000), headers=raw).status_code == 200
    with served(client.app) as port:
        connection = HTTPConnection("127.0.0.1", port, timeout=10)
        for _ in range(3):
            connection.request("HEAD", "/export?include_unlabelled=true&format=jsonl", headers={"X-API-Key": KEY})
            response = connection.getresponse()
            assert (response.status, response.read()) == (200, b"")
            assert response.headers["X-Export-Manifest"]
        connection.request("GET", "/health/live")
        assert connection.getresponse().read() == b'{"status":"ok"}'
        connection.close()


def test_head_of_a_route_without_get_is_refused(sqlite_client: TestClient) -> None:
    refused = sqlite_client.head("/classify/batch")
    assert (refused.status_code, refused.headers["allow"]) == (HTTPStatus.METHOD_NOT_ALLOWED, "POST, OPTIONS")
    assert_problem(sqlite_client.get("/classify/batch"), HTTPStatus.METHOD_NOT_ALLOWED)
