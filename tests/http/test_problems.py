"""Every error is `application/problem+json`."""

from http import HTTPStatus

import pytest
from fastapi import HTTPException
from starlette.responses import StreamingResponse
from starlette.testclient import TestClient

from app.http.problems import MEANINGS, REPLIES
from app.main import create_app
from tests.support.http_fixtures import Start
from tests.support.service import DRAWING, KEY, assert_problem, exchange, scope_of


@pytest.mark.parametrize("folder", ["", "/api", "/results/1", "/static", "/static-offline-docs"])
def test_unknown_path_is_a_404_problem_without_the_path(sqlite_client: TestClient, folder: str) -> None:
    problem = assert_problem(sqlite_client.get(f"{folder}/nothing-here"), HTTPStatus.NOT_FOUND)
    assert "nothing-here" not in str(problem)


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/classify", "POST, OPTIONS"),
        ("PUT", "/classify", "POST, OPTIONS"),
        ("POST", "/results", "GET, HEAD, OPTIONS"),
        ("POST", "/results/1", "GET, HEAD, PATCH, DELETE, OPTIONS"),
        ("TRACE", "/health", "GET, HEAD, OPTIONS"),
        ("NONSENSE", "/health/ready", "GET, HEAD, OPTIONS"),
        ("CONNECT", "/openapi.json", "GET, HEAD, OPTIONS"),
    ],
)
def test_wrong_method_is_a_405_problem_that_names_the_allowed_ones(
    sqlite_client: TestClient, method: str, path: str, allowed: str
) -> None:
    response = sqlite_client.request(method, path)
    assert_problem(response, HTTPStatus.METHOD_NOT_ALLOWED)
    assert response.headers["allow"] == allowed
    options = sqlite_client.options(path)
    assert (options.status_code, options.headers["allow"]) == (HTTPStatus.NO_CONTENT, allowed)


def test_options_of_the_whole_server_is_answered(sqlite_client: TestClient) -> None:
    sent = exchange(sqlite_client.app, scope_of("OPTIONS", "*"))
    assert (sent[0]["status"], dict(sent[0]["headers"])[b"allow"]) == (HTTPStatus.NO_CONTENT, b"OPTIONS")


def test_unexpected_exception_is_a_500_problem_and_only_the_log_has_its_text(
    start: Start, sqlite_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    app = create_app()

    @app.get("/fails")
    async def fail() -> None:
        raise RuntimeError("the inner workings")

    client = start(app, DATABASE_URL=sqlite_url)
    problem = assert_problem(client.get("/fails"), HTTPStatus.INTERNAL_SERVER_ERROR)
    assert "inner workings" not in str(problem)
    assert problem["request_id"] in caplog.text
    assert "RuntimeError: the inner workings" in caplog.text
    assert client.post("/classify", json=DRAWING).status_code == 200


def test_interrupted_response_is_not_complete(start: Start, sqlite_url: str, caplog: pytest.LogCaptureFixture) -> None:
    app = create_app()

    @app.get("/breaks")
    async def break_off() -> StreamingResponse:
        def pieces():  # type: ignore[no-untyped-def]
            yield b"the first half"
            raise RuntimeError("the inner workings")

        return StreamingResponse(pieces())

    client = start(app, DATABASE_URL=sqlite_url)
    # On this exception the server closes the connection.
    with pytest.raises(RuntimeError, match="inner workings"):
        client.get("/breaks")
    assert "RuntimeError" in caplog.text


def test_framework_error_keeps_its_status_text_and_headers(start: Start, sqlite_url: str) -> None:
    app = create_app()

    @app.get("/teapot")
    async def brew() -> None:
        raise HTTPException(HTTPStatus.IM_A_TEAPOT, "Short and stout", {"X-Spout": "here"})

    response = start(app, DATABASE_URL=sqlite_url).get("/teapot")
    assert assert_problem(response, HTTPStatus.IM_A_TEAPOT)["detail"] == "Short and stout"
    assert response.headers["x-spout"] == "here"


def test_detail_names_the_first_error_and_errors_lists_all(sqlite_client: TestClient) -> None:
    response = sqlite_client.post("/classify", json={"pixels": [[0] * 28] * 27, "colour": 1})
    problem = assert_problem(response, HTTPStatus.UNPROCESSABLE_ENTITY, "errors")
    assert problem["detail"].startswith("body.pixels: ")
    assert [(error["loc"], error["type"]) for error in problem["errors"]] == [
        (["body", "pixels"], "too_short"),
        (["body"], "extra_forbidden"),
    ]


def test_errors_outside_a_route_need_no_key(sqlite_client: TestClient) -> None:
    del sqlite_client.headers["X-API-Key"]
    assert_problem(sqlite_client.get("/nothing-here"), HTTPStatus.NOT_FOUND)
    assert KEY not in sqlite_client.get("/nothing-here").text


def test_every_status_of_the_table_has_a_documented_meaning() -> None:
    assert {reply.status for reply in REPLIES.values()} == set(MEANINGS)
