"""Which scope each route needs."""

from http import HTTPStatus
from typing import Any

import pytest
from starlette.testclient import TestClient

from app.main import app
from tests.support.http_fixtures import Start
from tests.support.keys import create_key
from tests.support.service import DRAWING, assert_problem

SCHEMA: dict[str, Any] = app.openapi()
ROUTES = {
    (method, path): operation["security"][0]["API key"]
    for path, methods in SCHEMA["paths"].items()
    for method, operation in methods.items()
    if "security" in operation
}
PUBLIC = {route for route in ROUTES if {} in SCHEMA["paths"][route[1]][route[0]]["security"]}
FORBIDDEN = HTTPStatus.FORBIDDEN
SCOPES = ("classify", "read", "label", "admin")
EXPECTED = {
    "classify": {"/classify", "/classify/preview", "/classify/batch", "/classify/image", "/v2/models/digits/infer"},
    "label": {"/results/{id}/label", "/review"},
    "admin": {"/keys", "/keys/{name}/rotate", "/keys/{name}/revoke", "/audit"},
}


def test_every_route_names_its_scope() -> None:
    assert {path for _, path in ROUTES} >= set.union(*EXPECTED.values())
    for (method, path), scopes in ROUTES.items():
        expected = [scope for scope, paths in EXPECTED.items() if path in paths] or ["read"]
        if path == "/results/{id}":
            expected = {"get": ["read"], "patch": ["label"], "delete": ["admin"]}[method]
        assert scopes == ([] if path == "/keys/current" else expected), (method, path)


@pytest.mark.parametrize("scope", SCOPES)
def test_key_opens_only_the_routes_of_its_scopes(start: Start, sqlite_url: str, scope: str) -> None:
    client = start(DATABASE_URL=sqlite_url, PUBLIC_RESULTS="false")
    phone = create_key(client, "phone", scope)
    for (method, path), scopes in ROUTES.items():
        url = path.replace("{id}", "1").replace("{name}", "tablet")
        response = client.request(method, url, headers=phone)
        if scopes in ([], [scope]):
            assert response.status_code in (200, 204, 400, 404, 422), (method, path)
            continue
        assert response.status_code == 403
        # The Open Inference Protocol has errors of its own.
        text = response.json()["error"] if path.startswith("/v2/") else assert_problem(response, FORBIDDEN)["detail"]
        assert text.startswith(f"The key phone lacks the scope {scopes[0]}; ")


def test_public_results_need_no_scope(sqlite_client: TestClient) -> None:
    sqlite_client.post("/classify", json=DRAWING)
    phone = create_key(sqlite_client, "phone", "classify")
    assert PUBLIC
    for method, path in PUBLIC:
        assert sqlite_client.request(method, path.replace("{id}", "1"), headers=phone).status_code == 200
    assert sqlite_client.get("/results/1/drawing.png", headers=phone).status_code == 403


def test_missing_scope_is_noticed_before_the_body_is_read(sqlite_client: TestClient) -> None:
    phone = create_key(sqlite_client, "phone", "read")
    for path in ("/classify", "/keys"):
        assert_problem(sqlite_client.post(path, content=b"nonsense", headers=phone), HTTPStatus.FORBIDDEN)
