"""CORS_ORIGINS: which other origins may call the API."""

from http import HTTPStatus

import pytest
from starlette.testclient import TestClient

from app.main import create_app
from tests.support.http_fixtures import Start
from tests.support.service import DRAWING, assert_problem

FRIEND = "https://friend.example"
STRANGER = "https://stranger.example"
ASKING = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type,x-api-key"}


@pytest.fixture
def friendly(start: Start, sqlite_url: str) -> TestClient:
    """The service with one allowed origin."""
    return start(DATABASE_URL=sqlite_url, CORS_ORIGINS=FRIEND)


def cors_headers(headers: object) -> list[str]:
    return [name for name in dict(headers) if name.startswith("access-control-")]  # type: ignore[call-overload]


@pytest.mark.parametrize("path", ["/classify", "/api/classify"])
def test_no_origin_is_allowed_by_default(sqlite_client: TestClient, path: str) -> None:
    asked = sqlite_client.options(path, headers={"Origin": FRIEND, **ASKING})
    answered = sqlite_client.post(path, json=DRAWING, headers={"Origin": FRIEND})

    assert asked.status_code == HTTPStatus.NO_CONTENT
    assert cors_headers(asked.headers) == cors_headers(answered.headers) == []


@pytest.mark.parametrize("path", ["/classify", "/api/classify"])
def test_allowed_origin_may_send_preflights_and_requests(friendly: TestClient, path: str) -> None:
    asked = friendly.options(path, headers={"Origin": FRIEND, **ASKING})
    answered = friendly.post(path, json=DRAWING, headers={"Origin": FRIEND})

    assert asked.status_code == HTTPStatus.OK
    assert asked.headers["access-control-allow-origin"] == FRIEND
    assert "POST" in asked.headers["access-control-allow-methods"]
    allowed = asked.headers["access-control-allow-headers"].lower().split(", ")
    assert {"authorization", "x-api-key", "idempotency-key"} <= set(allowed)
    assert answered.status_code == HTTPStatus.OK
    assert answered.headers["access-control-allow-origin"] == FRIEND
    assert "X-Request-ID" in answered.headers["access-control-expose-headers"]
    # Browsers never send cookies or passwords.
    assert "access-control-allow-credentials" not in answered.headers


def test_allowed_origin_may_send_and_read_binary_tensors(friendly: TestClient) -> None:
    name = "Inference-Header-Content-Length"
    asking = {**ASKING, "Access-Control-Request-Headers": name}
    assert (
        friendly.options("/v2/models/digits/infer", headers={"Origin": FRIEND, **asking}).status_code == HTTPStatus.OK
    )
    exposed = friendly.get("/v2", headers={"Origin": FRIEND}).headers["access-control-expose-headers"]
    assert {name, "Content-Disposition"} <= set(exposed.split(", "))


def test_refused_preflights_have_the_form_of_their_protocol(friendly: TestClient) -> None:
    refused = friendly.options("/v2/models/digits/infer", headers={"Origin": STRANGER, **ASKING})
    assert (refused.status_code, list(refused.json())) == (HTTPStatus.BAD_REQUEST, ["error"])


def test_other_origins_stay_forbidden(friendly: TestClient) -> None:
    asked = friendly.options("/classify", headers={"Origin": STRANGER, **ASKING})
    answered = friendly.get("/results", headers={"Origin": STRANGER})

    assert_problem(asked, HTTPStatus.BAD_REQUEST)
    assert "access-control-allow-origin" not in asked.headers
    assert "access-control-allow-origin" not in answered.headers


@pytest.mark.parametrize(
    "asked",
    [
        {"Access-Control-Request-Method": "TRACE"},
        {"Access-Control-Request-Method": ""},
        {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x-unknown"},
        {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": ",,\xff"},
        {"Access-Control-Request-Method": "POST", "Access-Control-Request-Private-Network": "true"},
        {**ASKING, "Origin": "null"},
        {**ASKING, "Origin": f"{FRIEND}.evil.example"},
        {**ASKING, "Origin": FRIEND.upper()},
        {**ASKING, "Origin": ""},
    ],
)
def test_refused_preflights_are_problems_that_repeat_nothing(friendly: TestClient, asked: dict[str, str]) -> None:
    headers = {name: value.encode("latin-1") for name, value in {"Origin": FRIEND, **asked}.items()}
    refused = friendly.options("/classify", headers=headers)  # type: ignore[arg-type]
    assert_problem(refused, HTTPStatus.BAD_REQUEST)
    assert "Origin" in refused.headers["vary"]
    assert "evil" not in f"{refused.headers} {refused.text}"


def test_allowed_origin_can_read_unexpected_errors(start: Start, sqlite_url: str) -> None:
    app = create_app()

    @app.get("/fails")
    async def fail() -> None:
        raise RuntimeError

    client = start(app, DATABASE_URL=sqlite_url, CORS_ORIGINS=FRIEND)
    failed = client.get("/fails", headers={"Origin": FRIEND})
    assert_problem(failed, HTTPStatus.INTERNAL_SERVER_ERROR)
    assert failed.headers["access-control-allow-origin"] == FRIEND


def test_allowed_origin_can_read_errors(friendly: TestClient) -> None:
    refused = friendly.post("/classify", json=DRAWING, headers={"Origin": FRIEND, "X-API-Key": "wrong"})
    too_large = friendly.post("/classify", content=b" " * 70_000, headers={"Origin": FRIEND})

    assert_problem(refused, HTTPStatus.UNAUTHORIZED)
    assert_problem(too_large, HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    for response in (refused, too_large):
        assert response.headers["access-control-allow-origin"] == FRIEND


def test_star_allows_every_origin(start: Start, sqlite_url: str) -> None:
    client = start(DATABASE_URL=sqlite_url, CORS_ORIGINS="*")

    assert client.get("/results", headers={"Origin": STRANGER}).headers["access-control-allow-origin"] == "*"
    # The page and programs send no Origin, and get no CORS headers.
    assert "access-control-allow-origin" not in client.get("/results").headers
