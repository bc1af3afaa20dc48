"""The headers of all responses: caching and what browsers may do with them."""

from typing import Any

import pytest
from starlette.testclient import TestClient

from app.http.headers import HEADERS
from app.main import app
from tests.support.http_fixtures import Start
from tests.support.service import DRAWING, hidden

PRIVATE = "private, no-store"
OPERATIONS = [(method, path) for path, methods in app.openapi()["paths"].items() for method in methods]
KEYED = ["/review", "/export", "/results/1/drawing.png"]
READS = ["/results", "/results/1", "/results/1/labels", "/stats", "/stats/timeline", "/models"]


def assert_headers(response: Any) -> None:
    for name in HEADERS:
        assert len(response.headers.get_list(name)) == 1, name
    for name in HEADERS.keys() - {"Cache-Control", "Content-Security-Policy"}:
        assert response.headers[name] == HEADERS[name]
    assert "frame-ancestors 'none'" in response.headers["content-security-policy"]


def test_answers_and_errors_of_every_route_have_all_headers(sqlite_client: TestClient, sqlite_url: str) -> None:
    sqlite_client.post("/classify", json=DRAWING)
    urls = [(method, path.replace("{id}", "1")) for method, path in OPERATIONS if method != "delete"]
    responses = [sqlite_client.request(method, url, json=DRAWING) for method, url in urls]
    responses += [sqlite_client.request(method, url, headers={"X-API-Key": "wrong"}) for method, url in urls]
    with hidden(sqlite_url, "predictions"):
        responses += [sqlite_client.request(method, url, json=DRAWING) for method, url in urls]
    responses += [sqlite_client.delete("/results/1") for _ in range(2)]
    for response in responses:
        assert_headers(response)
        if (response.status_code, response.url.path) != (200, "/results/1"):
            assert response.headers["cache-control"] == PRIVATE


def test_pages_files_redirects_and_errors_have_all_headers(sqlite_client: TestClient) -> None:
    for path in (
        "/",
        "/static/app.js",
        "/docs",
        "/redoc",
        "/openapi.json",
        "/none",
        "/static/none",
        "/api/",
        "/stats/",
    ):
        for method in ("GET", "HEAD", "OPTIONS", "POST"):
            assert_headers(sqlite_client.request(method, path, follow_redirects=False))
        if (tag := sqlite_client.get(path).headers.get("etag")) is not None:
            unchanged = sqlite_client.get(path, headers={"If-None-Match": tag})
            assert unchanged.status_code == 304
            assert_headers(unchanged)


@pytest.mark.parametrize("public", ["true", "false"])
def test_what_the_key_protects_is_never_cached(start: Start, sqlite_url: str, public: str) -> None:
    client = start(DATABASE_URL=sqlite_url, PUBLIC_RESULTS=public)
    client.post("/classify", json=DRAWING)
    for path in KEYED if public == "true" else [*KEYED, *READS]:
        assert client.get(path).headers["cache-control"] == PRIVATE, path


def test_public_record_can_be_compared_by_its_etag(sqlite_client: TestClient) -> None:
    sqlite_client.post("/classify", json=DRAWING)
    record = sqlite_client.get("/results/1")
    unchanged = sqlite_client.get("/results/1", headers={"If-None-Match": record.headers["etag"]})
    assert (record.status_code, unchanged.status_code) == (200, 304)
    assert record.headers["cache-control"] == unchanged.headers["cache-control"] == "private, no-cache"


def test_other_sites_cannot_embed_answers_unless_cors_origins_allows_it(start: Start, sqlite_url: str) -> None:
    client = start(DATABASE_URL=sqlite_url, CORS_ORIGINS="https://friend.example")
    answer = client.get("/results", headers={"Origin": "https://friend.example"})
    # Browsers check this header only for requests without CORS, such as <script src>.
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"
    assert answer.headers["access-control-allow-origin"] == "https://friend.example"
