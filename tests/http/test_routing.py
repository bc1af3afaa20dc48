"""Every route refuses a query string that it does not fully understand, after it has checked the key."""

from http import HTTPStatus
from typing import Any

import pytest
from fastapi import Depends, Request, Response
from starlette.testclient import TestClient

from app.http.authentication import AdminKey, Client
from app.http.routing import BytesRoute
from app.main import app
from tests.support.contract import CONTRACT, INFERENCE
from tests.support.http_fixtures import Start
from tests.support.service import assert_problem

PARAMETERS = {
    (method, path): [one["name"] for one in operation.get("parameters", []) if one["in"] == "query"]
    for path, operations in app.openapi()["paths"].items()
    for method, operation in operations.items()
}


def refused(client: TestClient, method: str, path: str, query: str) -> dict[str, Any]:
    """Send a request with this query string; return the only error."""
    url = f"{path.replace('{id}', '1')}?{query}"
    problem = assert_problem(client.request(method, url), HTTPStatus.UNPROCESSABLE_ENTITY, "errors")
    (error,) = problem["errors"]
    assert isinstance(error, dict)
    return error


def test_unknown_parameter_is_refused_on_every_route_and_not_repeated(sqlite_client: TestClient) -> None:
    for method, path in sorted(CONTRACT - INFERENCE):
        for query in ("colour=red", "colour", "=red", "%63olour=red", "Limit=1", "id=1", "%ff=1", "limit%00=1"):
            error = refused(sqlite_client, method, path, query)
            assert (error["loc"], error["type"]) == (["query"], "extra_forbidden")
            assert "colour" not in str(error)


def test_repeated_or_empty_parameter_is_named_on_every_route(sqlite_client: TestClient) -> None:
    seen = 0
    for (method, path), names in PARAMETERS.items():
        for name in names:
            for query in (f"{name}=3&{name}=3", f"{name}=x&{name}=1", f"{name}=1&%{ord(name[0]):x}{name[1:]}=2"):
                error = refused(sqlite_client, method, path, query)
                assert (error["loc"], "more than once" in error["msg"]) == (["query", name], True)
            for query in (name, f"{name}=", f"&&{name}=&"):
                error = refused(sqlite_client, method, path, query)
                assert (error["loc"], "empty" in error["msg"]) == (["query", name], True)
            seen += 1
    assert seen > 40


@pytest.mark.parametrize("value", ["%", "%2", "%zz", "%u0037", "a%ff", "%c3", "%ed%a0%80", "a%00", "%2500%00"])
def test_wrongly_encoded_parameter_is_named_on_every_route(sqlite_client: TestClient, value: str) -> None:
    for (method, path), names in PARAMETERS.items():
        for name in names:
            assert refused(sqlite_client, method, path, f"{name}={value}")["loc"] == ["query", name]


def test_key_is_checked_before_the_query(start: Start, sqlite_url: str) -> None:
    client = start(DATABASE_URL=sqlite_url, PUBLIC_RESULTS="false")
    for method, path in sorted(CONTRACT):
        response = client.request(method, f"{path.replace('{id}', '1')}?colour=red", headers={"X-API-Key": "wrong"})
        expected = HTTPStatus.UNPROCESSABLE_ENTITY if path.startswith("/health") else HTTPStatus.UNAUTHORIZED
        if (method, path) in INFERENCE and method == "get":
            expected = HTTPStatus.BAD_REQUEST
        assert response.status_code == expected, path


def test_unknown_parameter_is_refused_by_the_inference_protocol_and_not_repeated(sqlite_client: TestClient) -> None:
    for method, path in sorted(INFERENCE):
        response = sqlite_client.request(method, f"{path}?colour=red")
        assert (response.status_code, list(response.json())) == (HTTPStatus.BAD_REQUEST, ["error"])
        assert "colour" not in response.text


def test_direct_route_depends_on_a_key_and_on_nothing_else() -> None:
    async def answer(request: Request, client: Client) -> Response:
        raise NotImplementedError

    async def without_key(request: Request) -> Response:
        raise NotImplementedError

    assert BytesRoute("/drawings", answer, methods=["POST"]).path == "/drawings"
    for dependency in (Depends(without_key), AdminKey):
        with pytest.raises(TypeError, match="/drawings must depend on a key"):
            BytesRoute("/drawings", answer, methods=["POST"], dependencies=[dependency])
    with pytest.raises(TypeError, match="/drawings must depend on a key"):
        BytesRoute("/drawings", without_key, methods=["POST"])
