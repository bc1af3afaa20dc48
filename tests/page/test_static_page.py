"""`GET /`, the page's files, and the API under the prefix `/api`."""

import re
from http import HTTPStatus

import pytest
from starlette.testclient import TestClient

from app.http.static_page import HEADERS
from tests.support.project_copy import PROJECT
from tests.support.service import DRAWING, assert_problem, rows

STATIC = PROJECT / "app/static"
NAMES = sorted(str(path.relative_to(STATIC)) for path in STATIC.rglob("*") if path.is_file())
ADDRESSES = ["/", *(f"/static/{name}" for name in NAMES if name != "index.html")]


@pytest.mark.parametrize("address", ADDRESSES)
def test_page_and_files_need_no_key_and_have_their_headers(sqlite_client: TestClient, address: str) -> None:
    response = sqlite_client.get(address, headers={"X-API-Key": ""})

    assert response.status_code == 200
    assert {name: response.headers[name] for name in HEADERS} == HEADERS
    assert "accept-ranges" not in response.headers
    if address.endswith(".html"):
        assert response.headers["content-encoding"] == "gzip"


def test_unchanged_page_is_not_sent_again(sqlite_client: TestClient) -> None:
    tag = sqlite_client.get("/").headers["etag"]

    response = sqlite_client.get("/", headers={"If-None-Match": tag})

    assert (response.status_code, response.content) == (304, b"")
    assert response.headers["content-security-policy"] == HEADERS["Content-Security-Policy"]

    assert response.headers["vary"] == "Accept-Encoding"


@pytest.mark.parametrize("refusal", ["gzip;q=0", "gzip; q=0.0, br", "br, gzip;q=0"])
def test_client_may_refuse_compression(sqlite_client: TestClient, refusal: str) -> None:
    response = sqlite_client.get("/static/app.js", headers={"Accept-Encoding": refusal})
    assert "content-encoding" not in response.headers
    assert response.headers["vary"] == "Accept-Encoding"
    wanted = sqlite_client.get("/static/app.js", headers={"Accept-Encoding": "gzip;q=0.5"})
    assert wanted.headers["content-encoding"] == "gzip"
    assert wanted.headers["etag"] == response.headers["etag"]
    assert wanted.headers["etag"].startswith('W/"')


def test_only_the_tag_says_whether_a_file_has_changed(sqlite_client: TestClient) -> None:
    later = {"If-Modified-Since": "Mon, 99 Jan 9999 99:99:99 GMT"}
    response = sqlite_client.get("/static/app.js", headers=later)
    assert response.status_code == 200
    assert "last-modified" not in response.headers


@pytest.mark.parametrize("path", ["../main.py", "%2e%2e/main.py", "..%2fmain.py", "/etc/passwd", ""])
def test_only_files_of_the_page_are_served(sqlite_client: TestClient, path: str) -> None:
    assert_problem(sqlite_client.get(f"/static/{path}"), HTTPStatus.NOT_FOUND)


def test_ranges_are_ignored(sqlite_client: TestClient) -> None:
    for address in ("/", "/static/app.js", "/static-offline-docs/swagger.js", "/docs"):
        whole = sqlite_client.get(address)
        for given in ("bytes=0-9", "bytes=999999-", "bytes=9-1", "bytes=-0", "lines=1-2", "x", "", "bytes=1-,0-"):
            response = sqlite_client.get(address, headers={"Range": given, "If-Range": '"x"'})
            assert (response.status_code, response.content) == (200, whole.content), given


def test_odd_names_are_not_found(sqlite_client: TestClient) -> None:
    names = ("%00", "a" * 300, "app.js%00.css", "app.js/x", "\\app.js", "%ff", "lib", "%2fetc%2fpasswd", "index.html")
    for name in names:
        assert_problem(sqlite_client.get(f"/static/{name}"), HTTPStatus.NOT_FOUND)


def test_page_and_files_do_not_accept_post(sqlite_client: TestClient) -> None:
    assert_problem(sqlite_client.post("/"), HTTPStatus.METHOD_NOT_ALLOWED)
    refused = sqlite_client.post("/static/app.js")
    assert_problem(refused, HTTPStatus.METHOD_NOT_ALLOWED)
    assert refused.headers["allow"] == "GET, HEAD, OPTIONS"


@pytest.mark.parametrize("name", NAMES)
def test_page_has_no_external_resources_and_no_inline_code(name: str) -> None:
    text = (STATIC / name).read_text()

    # This URL is the SVG namespace, which is never fetched.
    assert set(re.findall(r"https?://[^\s\"')]+", text)) <= {"http://www.w3.org/2000/svg"}
    assert not re.findall(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", text)
    if name.endswith(".html"):
        assert not re.findall(r"<script(?![^>]*\bsrc=)|<style|\bstyle=|\bon\w+=", text)


def test_prefix_does_not_change_responses(sqlite_client: TestClient) -> None:
    made = sqlite_client.post("/api/classify", json=DRAWING)
    sqlite_client.post("/classify", json=DRAWING)

    assert made.status_code == 200
    for path in ("/results", "/results/1", "/stats", "/health/live"):
        assert sqlite_client.get(f"/api{path}").json() == sqlite_client.get(path).json()
        assert sqlite_client.get(f"/api{path}").headers.get("link") == sqlite_client.get(path).headers.get("link")


def test_links_and_the_api_in_openapi_are_relative(sqlite_client: TestClient) -> None:
    for _ in range(2):
        sqlite_client.post("/classify", json=DRAWING)
    assert sqlite_client.get("/api/results?limit=1").headers["link"].startswith("<results?limit=1&cursor=")
    assert sqlite_client.get("/api/openapi.json").json()["servers"] == [{"url": "."}]
    assert sqlite_client.get("/openapi.json").json()["servers"] == [{"url": "."}]


def test_body_limit_is_the_same_under_the_prefix(sqlite_client: TestClient) -> None:
    body = b" " * (64 * 1024 + 1)
    assert_problem(sqlite_client.post("/api/classify", content=body), HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    # Too long for a drawing but not for a batch, so it is read and found invalid.
    assert_problem(sqlite_client.post("/api/classify/batch", content=body), HTTPStatus.UNPROCESSABLE_ENTITY, "errors")


@pytest.mark.parametrize("path", ["/apiary/results", "/api/api/results", "/API/results", "/api//results", "/api//"])
def test_paths_that_resemble_the_prefix_are_not_found(sqlite_client: TestClient, path: str) -> None:
    assert_problem(sqlite_client.get(path), HTTPStatus.NOT_FOUND)


def test_prefix_does_not_change_the_stored_row(client: TestClient, database_url: str) -> None:
    client.post("/api/classify", json=DRAWING, headers={"X-Request-ID": "from-the-page"})
    assert rows(database_url, "SELECT id, request_id FROM predictions") == [{"id": 1, "request_id": "from-the-page"}]
