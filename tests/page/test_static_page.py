"""`GET /`: the page and its files, as HTTP sends them; and the prefix under which it looks for the API."""

import re
from http import HTTPStatus

import pytest
from starlette.testclient import TestClient

from app.http.static_page import HEADERS
from tests.support.project_copy import PROJECT
from tests.support.service import DRAWING, assert_problem, rows

STATIC = PROJECT / "app/static"
NAMES = sorted(str(path.relative_to(STATIC)) for path in STATIC.rglob("*") if path.is_file())
ADDRESSES = ["/", *(f"/static/{name}" for name in NAMES)]


@pytest.mark.parametrize("address", ADDRESSES)
def test_the_page_and_its_files_need_no_key_and_carry_their_headers(sqlite_client: TestClient, address: str) -> None:
    response = sqlite_client.get(address, headers={"X-API-Key": ""})

    assert response.status_code == 200
    assert {name: response.headers[name] for name in HEADERS} == HEADERS
    assert sqlite_client.head(address).headers["content-length"] == str(len(response.content))


def test_what_the_browser_has_already_is_not_sent_again(sqlite_client: TestClient) -> None:
    tag = sqlite_client.get("/").headers["etag"]

    response = sqlite_client.get("/", headers={"If-None-Match": tag})

    assert (response.status_code, response.content) == (304, b"")
    assert response.headers["content-security-policy"] == HEADERS["Content-Security-Policy"]


@pytest.mark.parametrize("path", ["../main.py", "%2e%2e/main.py", "..%2fmain.py", "/etc/passwd", ""])
def test_nothing_but_the_files_of_the_page_is_served(sqlite_client: TestClient, path: str) -> None:
    assert_problem(sqlite_client.get(f"/static/{path}"), HTTPStatus.NOT_FOUND)


def test_the_page_cannot_be_posted_to(sqlite_client: TestClient) -> None:
    assert_problem(sqlite_client.post("/"), HTTPStatus.METHOD_NOT_ALLOWED)
    assert_problem(sqlite_client.post("/static/app.js"), HTTPStatus.METHOD_NOT_ALLOWED)


@pytest.mark.parametrize("name", NAMES)
def test_the_page_loads_nothing_from_elsewhere_and_runs_nothing_inline(name: str) -> None:
    text = (STATIC / name).read_text()

    # The one address is a name space, which is never opened.
    assert set(re.findall(r"https?://[^\s\"')]+", text)) <= {"http://www.w3.org/2000/svg"}
    assert not re.findall(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", text)
    if name.endswith(".html"):
        assert not re.findall(r"<script(?![^>]*\bsrc=)|<style|\bstyle=|\bon\w+=", text)


def test_everything_under_api_is_what_it_is_without(sqlite_client: TestClient) -> None:
    made = sqlite_client.post("/api/classify", json=DRAWING)
    sqlite_client.post("/classify", json=DRAWING)

    assert made.status_code == 200
    for path in ("/results", "/results/1", "/stats", "/health/live"):
        assert sqlite_client.get(f"/api{path}").json() == sqlite_client.get(path).json()
    assert sqlite_client.get("/api/results?limit=1").headers["link"].startswith("</api/results?limit=1&cursor=")
    assert sqlite_client.get("/results?limit=1").headers["link"].startswith("</results?limit=1&cursor=")


def test_swagger_finds_the_api_with_and_without_the_prefix(sqlite_client: TestClient) -> None:
    assert "'/api/openapi.json'" in sqlite_client.get("/api/docs").text
    assert "'/openapi.json'" in sqlite_client.get("/docs").text
    assert sqlite_client.get("/api/openapi.json").json()["servers"] == [{"url": "/api"}]
    assert "servers" not in sqlite_client.get("/openapi.json").json()


def test_the_limit_of_a_body_is_the_same_under_the_prefix(sqlite_client: TestClient) -> None:
    body = b" " * (64 * 1024 + 1)
    assert_problem(sqlite_client.post("/api/classify", content=body), HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    # Large enough for a drawing and no batch yet: it is read, and found wanting.
    assert_problem(sqlite_client.post("/api/classify/batch", content=body), HTTPStatus.UNPROCESSABLE_ENTITY, "errors")


@pytest.mark.parametrize("path", ["/api", "/apiary/results", "/api/api/results", "/API/results"])
def test_what_only_looks_like_the_prefix_is_not_found(sqlite_client: TestClient, path: str) -> None:
    assert_problem(sqlite_client.get(path), HTTPStatus.NOT_FOUND)


def test_a_prefix_leaves_the_row_and_its_request_as_they_are(client: TestClient, database_url: str) -> None:
    client.post("/api/classify", json=DRAWING, headers={"X-Request-ID": "from-the-page"})
    assert rows(database_url, "SELECT id, request_id FROM predictions") == [{"id": 1, "request_id": "from-the-page"}]
