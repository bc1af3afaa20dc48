"""Authentication: which routes need the key, and that the key is never revealed."""

import ast
import inspect
from http import HTTPStatus
from typing import Any

import pytest
from starlette.testclient import TestClient

from app.http import authentication
from tests.support.http_fixtures import Start
from tests.support.service import DRAWING, KEY, assert_problem, hidden, stored

NON_ASCII_KEY = "schlüssel-鍵-of-the-operator"

WRONG_KEYS = [
    pytest.param({"X-API-Key": ""}, id="empty"),
    pytest.param({"X-API-Key": "wrong"}, id="wrong"),
    pytest.param({"X-API-Key": KEY[:-1]}, id="one character short"),
    pytest.param({"X-API-Key": f"{KEY}x"}, id="one character too many"),
    pytest.param({"X-API-Key": KEY.upper()}, id="upper case"),
    pytest.param({"X-API-Key": f"Bearer {KEY}"}, id="with a scheme"),
    pytest.param({"X-API-Key": f"{KEY}, {KEY}"}, id="twice"),
    pytest.param({"X-API-Key": "ÿþ".encode("latin-1")}, id="Latin-1"),
    pytest.param({"X-API-Key": NON_ASCII_KEY.encode()}, id="UTF-8"),
    pytest.param({"X-API-Key": b"\x00\x01\x7f"}, id="control characters"),
    pytest.param({"X-API-Key": "x" * 60_000}, id="very long"),
    pytest.param({"Authorization": KEY}, id="without a scheme"),
    pytest.param({"Authorization": f"Basic {KEY}"}, id="with another scheme"),
    pytest.param({"Authorization": f"Bearer{KEY}"}, id="without a space"),
    pytest.param({"Authorization": "Bearer wrong"}, id="wrong as a bearer"),
    pytest.param({"Authorization": f"Bearer {KEY}", "X-API-Key": "wrong"}, id="right as a bearer, else wrong"),
    pytest.param({"Authorization": "Bearer wrong", "X-API-Key": KEY}, id="wrong as a bearer, else right"),
    pytest.param({"Cookie": f"X-API-Key={KEY}"}, id="in a cookie"),
    pytest.param({}, id="missing"),
]


@pytest.mark.parametrize("headers", WRONG_KEYS)
def test_wrong_key_is_refused_and_nothing_is_stored(sqlite_client: TestClient, sqlite_url: str, headers: Any) -> None:
    del sqlite_client.headers["X-API-Key"]
    response = sqlite_client.post("/classify", json=DRAWING, headers=headers)
    problem = assert_problem(response, HTTPStatus.UNAUTHORIZED)
    assert problem["detail"] == "Invalid API key"
    assert "X-API-Key" in response.headers["www-authenticate"]
    assert stored(sqlite_url) == (0, 0)


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": f"Bearer {KEY}"},
        {"authorization": f"bearer  {KEY} "},
        {"Authorization": f"Bearer {KEY}", "X-API-Key": KEY},
        {"Authorization": "Basic bmFtZTpwYXNzd29yZA==", "X-API-Key": KEY},
    ],
)
def test_key_may_be_sent_as_a_bearer_beside_a_proxys_password(
    sqlite_client: TestClient, headers: dict[str, str]
) -> None:
    del sqlite_client.headers["X-API-Key"]
    assert sqlite_client.post("/classify", json=DRAWING, headers=headers).status_code == 200
    assert sqlite_client.get("/review", headers=headers).status_code == 200


def test_key_in_the_url_is_not_accepted(sqlite_client: TestClient) -> None:
    del sqlite_client.headers["X-API-Key"]
    response = sqlite_client.post("/classify", params={"X-API-Key": KEY, "api_key": KEY}, json=DRAWING)
    assert_problem(response, HTTPStatus.UNAUTHORIZED)


@pytest.mark.parametrize("name", ["X-API-Key", "x-api-key"])
def test_header_name_is_case_insensitive(sqlite_client: TestClient, name: str) -> None:
    del sqlite_client.headers["X-API-Key"]
    assert sqlite_client.post("/classify", json=DRAWING, headers={name: KEY}).status_code == 200


@pytest.mark.parametrize("header", [f"{KEY} ", f"{KEY}\t", f" \t{KEY} \t "])
def test_white_space_around_the_key_is_no_part_of_it(sqlite_client: TestClient, header: str) -> None:
    response = sqlite_client.post("/classify", json=DRAWING, headers={"X-API-Key": header.encode()})
    assert response.status_code == 200


@pytest.mark.parametrize("configured", [f"{KEY}\n", f"{KEY}\r\n", f" {KEY}\t"])
def test_key_from_a_file_with_a_line_break_at_its_end_works(start: Start, sqlite_url: str, configured: str) -> None:
    client = start(DATABASE_URL=sqlite_url, SECRET_API_KEY=configured)
    assert client.post("/classify", json=DRAWING, headers={"X-API-Key": KEY}).status_code == 200


def test_key_may_have_non_ascii_characters(start: Start, sqlite_url: str) -> None:
    client = start(DATABASE_URL=sqlite_url, SECRET_API_KEY=NON_ASCII_KEY)
    assert_problem(client.post("/classify", json=DRAWING), HTTPStatus.UNAUTHORIZED)
    right: Any = {"X-API-Key": NON_ASCII_KEY.encode()}
    assert client.post("/classify", json=DRAWING, headers=right).status_code == 200


def test_key_is_checked_before_the_body(sqlite_client: TestClient) -> None:
    response = sqlite_client.post("/classify", content=b"no drawing", headers={"X-API-Key": "wrong"})
    assert_problem(response, HTTPStatus.UNAUTHORIZED)


def test_key_is_compared_in_constant_time() -> None:
    source = inspect.getsource(authentication)
    assert not [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Compare)]
    assert source.count("hmac.compare_digest(") == 1


def test_results_are_public_by_default_but_drawings_are_not(sqlite_client: TestClient) -> None:
    prediction_id = sqlite_client.post("/classify", json=DRAWING).json()["id"]
    drawing = f"/results/{prediction_id}/drawing.png"
    for headers in ({"X-API-Key": "wrong"}, {"X-API-Key": ""}):
        assert sqlite_client.get("/results", headers=headers).status_code == 200
        assert sqlite_client.get(f"/results/{prediction_id}", headers=headers).status_code == 200
        assert_problem(sqlite_client.get(drawing, headers=headers), HTTPStatus.UNAUTHORIZED)
    assert sqlite_client.get(drawing).status_code == 200


def test_results_need_the_key_unless_they_are_public(start: Start, sqlite_url: str) -> None:
    client = start(DATABASE_URL=sqlite_url, PUBLIC_RESULTS="false")
    prediction_id = client.post("/classify", json=DRAWING).json()["id"]
    for page in ("/results", f"/results/{prediction_id}", f"/results/{prediction_id}/drawing.png"):
        assert client.get(page).status_code == 200
        assert_problem(client.get(page, headers={"X-API-Key": "wrong"}), HTTPStatus.UNAUTHORIZED)
    assert_problem(client.get("/results/99", headers={"X-API-Key": "wrong"}), HTTPStatus.UNAUTHORIZED)
    assert client.get("/health/ready", headers={"X-API-Key": "wrong"}).status_code == 200


def test_key_appears_in_no_response_and_no_log(
    start: Start, database_url: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level("DEBUG")
    client = start(DATABASE_URL=database_url, DEBUG="true", RATE_LIMIT="3/day")
    responses = [
        client.post("/classify", json=DRAWING),
        client.post("/classify", content=KEY, headers={"X-Request-ID": f"<{KEY}>"}),
        client.get(f"/results/{KEY}"),
        client.get("/results", params={KEY: KEY}),
        client.get(f"/{KEY}"),
        client.get("/openapi.json"),
        client.get("/docs"),
        client.get("/health/ready"),
        client.post("/classify", content=b" " * 100_000),
    ]
    with hidden(database_url, "predictions"):
        responses.append(client.post("/classify", json=DRAWING))
    responses.append(client.post("/classify", json=DRAWING))
    assert [response.status_code for response in responses] == [200, 422, 422, 422, 404, 200, 200, 200, 413, 503, 429]
    sent = "".join(f"{response.headers} {response.text}" for response in responses)
    # httpx logs the URLs that the test calls.
    logged = "".join(record.getMessage() for record in caplog.records if not record.name.startswith("http"))
    assert "DatabaseUnavailable" in logged
    assert KEY not in f"{sent} {logged} {capfd.readouterr()}"


def test_repeated_key_is_refused(sqlite_client: TestClient) -> None:
    del sqlite_client.headers["X-API-Key"]
    for keys in ((KEY, KEY), (KEY, "wrong"), ("wrong", KEY), (KEY, "")):
        for name, scheme in (("X-API-Key", ""), ("Authorization", "Bearer ")):
            response = sqlite_client.get("/review", headers=[(name, scheme + key) for key in keys])
            assert_problem(response, HTTPStatus.UNAUTHORIZED)
