"""Keys of clients, created over HTTP."""

from typing import Any

from starlette.testclient import TestClient


def create_key(client: TestClient, name: str, *scopes: str, **more: Any) -> dict[str, str]:
    """Create a key with these scopes; return the headers that send it."""
    response = client.post("/keys", json={"name": name, "scopes": scopes, **more})
    assert response.status_code == 200, response.text
    return {"X-API-Key": response.json()["key"]}


def status_of(client: TestClient, headers: dict[str, str]) -> int:
    return client.get("/keys/current", headers=headers).status_code
